package doctor

import (
	"context"
	"errors"
	"strings"

	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/internal/apierr"
)

// remedies say what to do by service and reason; a reason of "" is any other.
var remedies = map[string]map[string]string{
	"entra": {
		apierr.ReasonNetwork: "check dynamics.authority, and that name resolution, firewall and proxy let the worker reach it; where a proxy opens TLS, name its authority in dynamics.ca_file",
		"":                   "check dynamics.tenant and dynamics.client_id; when the secret or certificate has ended, add a new one to the app registration in Entra ID and put it where dynamics.client_secret or dynamics.client_certificate points",
	},
	"dataverse": {
		apierr.ReasonNetwork:    "check dynamics.url, and that name resolution, firewall and proxy let the worker reach it; where a proxy opens TLS, name its authority in dynamics.ca_file",
		apierr.ReasonPermission: "in the Power Platform admin center, add an application user for dynamics.client_id to this environment and give it a role with the privileges of docs/doctor.md",
		apierr.ReasonSchema:     "name a table that this organisation has, by its logical name such as contact",
		apierr.ReasonNotFound:   "name a table that this organisation has, by its logical name such as contact",
		"":                      "check dynamics.url, and that the application user for dynamics.client_id exists in this environment and is enabled",
	},
	"ims": {
		apierr.ReasonNetwork: "check campaign.ims_url, and that name resolution, firewall and proxy let the worker reach it; where a proxy opens TLS, name its authority in campaign.ca_file",
		"":                   "compare campaign.client_id, campaign.client_secret and campaign.scopes with the OAuth server-to-server credential of the project in the Adobe Developer Console; make a new secret there when it was removed",
	},
	"campaign": {
		apierr.ReasonNetwork:    "check campaign.url, and that name resolution, firewall and proxy let the worker reach it; where a proxy opens TLS, name its authority in campaign.ca_file",
		apierr.ReasonPermission: "check the instance in campaign.url; in the Adobe Developer Console, add the Campaign Standard API with the product profile of that instance to the project of campaign.client_id",
		apierr.ReasonSchema:     "publish the custom resource with its API in Campaign, or correct campaign.resource and campaign.api of the mapping",
		apierr.ReasonNotFound:   "publish the custom resource with its API in Campaign, or correct campaign.resource and campaign.api of the mapping",
		"":                      "check campaign.url: https://mc.adobe.io/<instance>, without /campaign at its end",
	},
	"journal": {
		apierr.ReasonNetwork: "check campaign.journal.url, and that firewall and proxy let the worker reach it",
		"":                   "copy the journaling endpoint of the registration from the Adobe Developer Console to campaign.journal.url, check campaign.organization_id, and add the I/O Events API to the project",
	},
	"sftp": {
		apierr.ReasonNetwork:        "check campaign.sftp.host and port; in Campaign's Control Panel, add the address from which this network reaches the internet to the allow list",
		apierr.ReasonCredentials:    "add the public key that belongs to campaign.sftp.key in Campaign's Control Panel, and check campaign.sftp.user",
		apierr.ReasonHostUnknown:    "ask Adobe for the fingerprint of the host key and name it in campaign.sftp.fingerprint, or add the host to campaign.sftp.known_hosts",
		apierr.ReasonHostKeyChanged: "ask Adobe whether the host key was changed; if so, name the new one in campaign.sftp.fingerprint or known_hosts. If not, somebody else answers: do not connect",
		apierr.ReasonNotFound:       "create the folder on the file server, or correct campaign.sftp.folder",
		apierr.ReasonPermission:     "let campaign.sftp.user read and write the folder of campaign.sftp.folder",
		apierr.ReasonNoSpace:        "remove old files from the file server, or have Adobe enlarge it",
		"":                          "look at the file server in Campaign's Control Panel",
	},
}

// failing is the finding of an error. A service that asks to wait is nothing to mend.
func failing(err error) finding {
	e, ours := errors.AsType[*apierr.Error](err)
	if !ours {
		if app, is := errors.AsType[*temporal.ApplicationError](err); is {
			return said(app)
		}
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return fail("it was cut short", "", "try again with more time: causeway doctor --timeout 3m")
		}
		return fail(apierr.Plain(err.Error()), "", "look into the worker's log")
	}
	found := strings.TrimPrefix(e.Error(), e.Service+": ")
	if e.Class == apierr.Throttled {
		return warn(found, "", "nothing is to be mended: the service asks to wait; look again later")
	}
	return fail(found, "", remedyOf(e.Service, e.Reason))
}

func remedyOf(service, reason string) string {
	of := remedies[service]
	if remedy := of[reason]; remedy != "" {
		return remedy
	}
	if remedy := of[""]; remedy != "" {
		return remedy
	}
	return "look into the worker's log"
}

// said is the finding of what an activity of a flow has refused: got, want, and what to do.
func said(app *temporal.ApplicationError) finding {
	text := strings.TrimPrefix(apierr.Plain(app.Message()), "the mapping does not fit: ")
	before, after, ok := strings.Cut(text, ", want ")
	if !ok {
		state := activities.CheckFail
		if !app.NonRetryable() {
			state = activities.CheckWarn
		}
		service, _, _ := strings.Cut(text, ": ")
		if i := strings.LastIndex(service, " "); i >= 0 {
			service = service[i+1:]
		}
		return finding{state, text, "", remedyOf(service, app.Type())}
	}
	wanted, remedy, _ := strings.Cut(after, "; ")
	return fail(before, wanted, remedy)
}
