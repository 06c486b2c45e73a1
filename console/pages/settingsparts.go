package pages

import (
	"strings"

	"causeway.dev/activities"
)

// settingsPart is a tab of the settings. Each setting is on one of them: the one with the
// longest beginning of its path.
type settingsPart struct {
	ID, Title string
	About     string   // what is to be known of them all
	Takes     string   // when a change counts
	Begins    []string // of paths
	Areas     []string // of the doctor that Test asks; none: there is no Test
}

const (
	afterRestart = "A change counts once the worker is started again."
	afterStart   = "A change counts once the worker is started again, and the workflow is stopped and started."
)

var settingsParts = []settingsPart{
	{ID: "dynamics", Title: "Dynamics 365", Takes: afterRestart, Begins: []string{"dynamics."}, Areas: []string{activities.AreaDynamics}},
	{ID: "campaign", Title: "Campaign", Takes: afterRestart, Begins: []string{"campaign."}, Areas: []string{activities.AreaCampaign, activities.AreaJournal}},
	{ID: "files", Title: "File server", Takes: afterRestart, Begins: []string{"campaign.sftp."}, Areas: []string{activities.AreaSFTP},
		About: "It is needed where opt-outs or events come as files. Campaign lets in only addresses that are on its allow list, in the Control Panel. Which address this network has on the internet cannot be seen from inside: ask who runs the network."},
	{ID: "logs", Title: "Logs", Takes: afterRestart, Begins: []string{"log_export."}, About: "What became of each record can be written to the file server of Campaign every night, for those who look there. No values are in it."},
	{ID: "limits", Title: "Limits", Takes: afterStart, Begins: []string{"campaign.engine_", "quarantine.", "deletes.", "failures.", "ingress."}},
	{ID: "events", Title: "Events", Takes: afterStart, Begins: []string{"egress.", "campaign.journal."}},
	{ID: "optouts", Title: "Opt-outs", Takes: afterStart, Begins: []string{"opt_out."}},
	{ID: "kept", Title: "Kept for", Takes: afterRestart, Begins: []string{"retention."}, About: "How long the ledger keeps what has been done with. What is older is removed, and no backup of Causeway brings it back."},
	{ID: "notify", Title: "Being told", Takes: afterRestart, Begins: []string{"notify."}, About: "A webhook, such as one of Slack, is told what needs somebody. The command causeway notify test sends it a trial."},
	{ID: "calls", Title: "Calls of Dynamics", Takes: afterRestart, Begins: []string{"hooks."}, About: "Dynamics can call a worker when a table changes. A call only has a flow look at once; it brings no data."},
	{ID: "access", Title: "Access", Takes: afterRestart + " The console has to be started again too.", Begins: []string{"access."},
		About: "A role includes those before it. Where people sign in is changed in the file alone: a mistake there would lock everybody out."},
	{ID: "worker", Title: "Worker", Takes: afterRestart, Begins: []string{""}, About: "Where state is kept and where Temporal is are changed in the file alone, because a worker with others would begin from nothing."},
}

// partOf is the tab of a setting.
func partOf(path string) string {
	id, longest := "", -1
	for _, part := range settingsParts {
		for _, begins := range part.Begins {
			if strings.HasPrefix(path, begins) && len(begins) > longest {
				id, longest = part.ID, len(begins)
			}
		}
	}
	return id
}

// partNamed is the tab of an address; the first for none.
func partNamed(id string) (settingsPart, bool) {
	for _, part := range settingsParts {
		if part.ID == id || id == "" {
			return part, true
		}
	}
	return settingsPart{}, false
}

// filedOnly are settings that are shown, and changed in the file alone.
func filedOnly(path string) bool {
	switch path {
	case "include", "instance", "access.issuer", "access.client_id", "access.audience", "access.scopes", "access.groups_claim", "access.ca_file":
		return true
	}
	return strings.HasPrefix(path, "ledger.") || strings.HasPrefix(path, "temporal.")
}

// usual are the settings that people look for; the others are under More.
var usual = map[string]bool{
	"dynamics.url": true, "dynamics.tenant": true, "dynamics.client_id": true,
	"campaign.url": true, "campaign.organization_id": true, "campaign.client_id": true,
	"campaign.sftp.host": true, "campaign.sftp.user": true, "campaign.sftp.folder": true, "campaign.sftp.fingerprint": true,
	"campaign.engine_calls_per_hour": true, "campaign.engine_calls_reserved": true, "deletes.stop_ratio": true, "deletes.stop_min": true,
	"quarantine.stop_ratio": true, "quarantine.stop_min": true, "ingress.max_records": true,
	"egress.sends": true, "egress.opens": true, "egress.clicks": true, "egress.bounces": true, "egress.source": true, "campaign.journal.url": true,
	"opt_out.mode": true, "opt_out.source": true, "opt_out.deadline": true,
	"access.groups.viewer": true, "access.groups.support": true, "access.groups.operator": true, "access.groups.admin": true,
	"doctor.nightly": true, "telemetry.log_level": true, "instance": true,
	"retention.evidence": true, "retention.operations": true, "retention.runs": true, "retention.before_images": true, "retention.closed_quarantine": true, "retention.events": true,
}

// labels are the names of settings whose key says too little by itself.
var labels = map[string]string{
	"dynamics.url": "Address", "dynamics.tenant": "Directory (tenant)", "dynamics.client_id": "Client ID", "dynamics.client_secret": "Client secret", "dynamics.client_certificate": "Client certificate",
	"campaign.url": "Address", "campaign.organization_id": "Organization ID", "campaign.client_id": "Client ID", "campaign.client_secret": "Client secret", "campaign.ims_url": "Address of the token service",
	"campaign.rate": "Requests a second", "campaign.sftp.key": "Private key", "campaign.journal.url": "Address of the journal",
	"campaign.engine_calls_per_hour": "Engine calls an hour", "campaign.engine_calls_reserved": "Kept for changes",
	"deletes.stop_ratio": "Deletes that need approval, as a share", "deletes.stop_min": "Deletes that need none", "deletes.window": "Deletes are added up for",
	"quarantine.stop_ratio": "Stop when so many are refused, as a share", "quarantine.stop_min": "Records before that counts", "quarantine.on_stop": "What becomes of such a run", "quarantine.reveal": "Values of refused records can be revealed",
	"ingress.max_records": "Records of all first loads",
	"egress.sends":        "Sends", "egress.opens": "Opens", "egress.clicks": "Clicks", "egress.bounces": "Bounces", "egress.source": "Where events come from",
	"opt_out.mode": "Who says whether somebody may be contacted", "opt_out.source": "How choices in Campaign are read", "opt_out.deadline": "A choice is late after",
	"access.groups.viewer": "Groups of viewers", "access.groups.support": "Groups of support", "access.groups.operator": "Groups of operators", "access.groups.admin": "Groups of admins",
	"access.four_eyes": "What waits for a second person", "doctor.nightly": "Check everything each night at (UTC)", "telemetry.listen": "Metrics and health are served at",
	"retention.evidence": "Decisions about opt-outs, as evidence", "retention.operations": "Operations log", "retention.runs": "Accounts of runs",
	"retention.before_images": "What Campaign held before a run", "retention.closed_quarantine": "Refused records that were dealt with", "retention.events": "What became of each event",
	"ledger.dsn": "Address of the database (DSN)", "ledger.encryption_key": "Encryption key of the ledger", "temporal.encryption_key": "Encryption key for Temporal", "ledger.password": "Password of the database",
}

// sections name what the settings under More belong to, where a tab has several.
var sections = map[string]string{"campaign.sftp": "", "campaign.journal": "journal", "quarantine": "refused records", "deletes": "deletes", "failures": "failures", "ingress": "tables",
	"egress.tables": "tables of events", "opt_out.modified_since": "filter of changed profiles", "opt_out.export": "export workflow", "access": "", "ledger": "ledger", "temporal": "Temporal", "telemetry": "telemetry", "doctor": "doctor"}

// labelOf is the name of a setting for people.
func labelOf(path, name string) string {
	if label := labels[path]; label != "" {
		return label
	}
	words := capital(strings.NewReplacer("_", " ", " url", " address", " id", " ID", "ca file", "CA file").Replace(name))
	of := strings.TrimSuffix(strings.TrimSuffix(path, name), ".")
	section, known := sections[of]
	if dot := strings.LastIndex(of, "."); !known && dot > 0 { // below a section of its own
		section = strings.ReplaceAll(of[dot+1:], "_", " ")
	}
	if section != "" {
		words += " (" + section + ")"
	}
	return words
}

// optOutModes say what each mode has as a consequence.
var optOutModes = []struct{ Mode, Text string }{
	{"disabled", "Choices are not kept in step. Whoever opts out in one system may still be contacted by the other."},
	{"dynamics_to_campaign", "Dynamics decides. What somebody chooses in Campaign, by an unsubscribe link for example, is not brought to Dynamics."},
	{"campaign_to_dynamics", "Campaign decides. A change in Dynamics stays there, and the next choice in Campaign replaces it."},
	{"bidirectional", "The newer choice counts. Where it is not known which is newer, an opt-out counts."},
}
