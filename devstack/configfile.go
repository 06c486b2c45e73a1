package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"text/template"

	"causeway.dev/sandbox/entra"
	"causeway.dev/sandbox/stack"
)

// configTemplate is the configuration of the devstack. It is written to the data
// folder, so that the command line and another worker can use it too.
var configTemplate = template.Must(template.New("causeway.yaml").Parse(`# Written by the devstack at every start; copy it before you change it.
instance: devstack
dynamics:
  url: {{.Boxes.DynamicsURL}}
  authority: {{.Boxes.Authority}}
  tenant: {{.Boxes.Tenant}}
  client_id: {{.Boxes.DynamicsClientID}}
  client_secret: file:{{.Boxes.DynamicsSecretFile}}
  instance_discovery: false
  ca_file: {{.Boxes.CAPath}}
campaign:
  url: {{.Boxes.CampaignURL}}
  ims_url: {{.Boxes.IMSURL}}
  organization_id: {{.Boxes.CampaignOrganization}}
  client_id: {{.Boxes.CampaignClientID}}
  client_secret: file:{{.Boxes.CampaignSecretFile}}
  scopes: [campaign_sdk]
  ca_file: {{.Boxes.CAPath}}
  concurrency: {{.Concurrency}}
  rate: 0 # the sandbox has no limit; an instance of yours has
  journal:
    url: {{.Boxes.JournalURL}}
  sftp:
    host: {{.SFTPHost}}
    port: {{.SFTPPort}}
    user: {{.Boxes.SFTPUser}}
    key: file:{{.Boxes.SFTPKeyFile}}
    known_hosts: {{.Boxes.SFTPKnownHostsFile}}
temporal:
  address: {{.Temporal}}
  namespace: default
{{- if .UI}}
  ui_url: {{.UI}}
{{- end}}
{{- if .Key}}
  encryption_key: file:{{.Key}}
  codec_listen: 127.0.0.1:{{.CodecPort}}
{{- end}}
ledger:
  driver: sqlite
  path: {{.Ledger}}
  encryption_key: file:{{.LedgerKey}}
ingress:
  poll_every: 2s
  tables:
    contacts:
      dynamics: {table: contact}
      campaign: {resource: profile, key: externalId}
      apply_deletes: true
      fields:
        - {from: salutation, to: salutation, on_too_long: truncate}
        - {from: firstname, to: firstName, on_too_long: truncate}
        - {from: middlename, to: middleName, on_too_long: truncate}
        - {from: lastname, to: lastName}
        - {from: emailaddress1, to: email}
        - {from: telephone1, to: phone, on_too_long: truncate}
        - {from: mobilephone, to: mobilePhone, on_too_long: truncate}
        - {from: birthdate, to: birthDate}
        - {from: address1_line1, to: location.address1, on_too_long: truncate}
        - {from: address1_line2, to: location.address2, on_too_long: truncate}
        - {from: address1_city, to: location.city}
        - {from: address1_postalcode, to: location.zipCode}
egress:
  sends: true
  opens: true
  clicks: true
  bounces: true
  source: journal # or sftp, or both: go run ./sandbox export logs
  poll_every: 2s
opt_out:
  mode: bidirectional
  pairs:
    - {campaign: denyListEmail, dynamics: donotbulkemail}
    - {campaign: denyListPhone, dynamics: donotphone}
  source: auto # the sandbox publishes the stamps; or sftp: go run ./sandbox export optouts
  campaign_every: 10s
  export: {workflow: WKF_optout}
telemetry:
  listen: 127.0.0.1:{{.MetricsPort}}
{{- if .Access}}
access:
  issuer: {{.Boxes.SignInIssuer}}
  client_id: {{.Boxes.SignInClientID}}
  ca_file: {{.Boxes.CAPath}}
  groups:
    viewer: [{{index .Groups 0}}]
    support: [{{index .Groups 1}}]
    operator: [{{index .Groups 2}}]
    admin: [{{index .Groups 3}}]
  four_eyes: [rollback, forget]
{{- end}}
`))

func writeConfig(o options, encrypted bool, boxes *stack.Stack, temporal, ui string) (string, error) {
	path := filepath.Join(o.data, "causeway.yaml")
	sftpHost, sftpPort, err := net.SplitHostPort(boxes.SFTPAddress)
	if err != nil {
		return "", fmt.Errorf("the SFTP sandbox's address: %w", err)
	}
	key := ""
	if encrypted {
		key = keyFile(o)
	}
	f, err := os.Create(path)
	if err != nil {
		return "", fmt.Errorf("writing the configuration: %w", err)
	}
	err = configTemplate.Execute(f, map[string]any{
		"Access": o.access, "Groups": []string{entra.ViewerGroup, entra.SupportGroup, entra.OperatorGroup, entra.AdminGroup},
		"Boxes": boxes, "Concurrency": o.concurrency, "Temporal": temporal, "UI": ui,
		"Ledger": filepath.Join(o.data, "ledger.db"), "LedgerKey": ledgerKeyFile(o), "MetricsPort": o.metricsPort, "Key": key, "CodecPort": o.codecPort, "SFTPHost": sftpHost, "SFTPPort": sftpPort,
	})
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", fmt.Errorf("writing the configuration %s: %w", path, err)
	}
	return path, nil
}

// printNext prints addresses to look at and commands to try.
func printNext(o options, path, ui string, boxes *stack.Stack) {
	if o.access {
		printSignIn(o, path, ui, boxes)
		return
	}
	first := "<id>"
	if ids := boxes.Dynamics.Keys("contacts"); len(ids) > 0 {
		first = ids[0]
	}
	fmt.Fprintf(o.out, `
Temporal UI   %s/namespaces/%s/workflows
Metrics       http://127.0.0.1:%d/metrics
Worker log    %s

Try, in another terminal, from the top of the repository:

  go build -o bin/causeway ./starter && export CAUSEWAY_CONFIG=%s
  bin/causeway status
  go run ./sandbox edit contact --set jobtitle=Captain --set address1_city=Farsund%s
  bin/causeway status --watch
  bin/causeway backfill contacts --wait --yes
  go run ./sandbox events push click --contact %s --url https://shop.example.test/a%s
  bin/causeway status egress
  go run ./sandbox edit profile --set blackListEmail=true%s
  bin/causeway optout history %s

Ctrl-C stops everything; starting again goes on where it was.
`, ui, namespace, o.metricsPort, filepath.Join(o.data, "worker.log"), path,
		adminFlag(o), first, adminFlag(o), adminFlag(o), first)
}

// printSignIn prints how to sign in, and that flows wait for somebody who does.
func printSignIn(o options, path, ui string, boxes *stack.Stack) {
	fmt.Fprintf(o.out, `
Temporal UI   %s/namespaces/%s/workflows
Metrics       http://127.0.0.1:%d/metrics
Worker log    %s

People sign in at the Entra sandbox, %s
They are made up: vera may look, sami supports, olga and otto operate, ada administers,
and nils may do nothing. What needs a second person takes olga and otto.

No flow was started. In another terminal, from the top of the repository:

  go build -o bin/causeway ./starter && export CAUSEWAY_CONFIG=%s
  bin/causeway login      # or: login --device
  bin/causeway whoami
  bin/causeway start contacts --wait
  bin/causeway start optout
  bin/causeway start egress
  bin/causeway logout

The browser warns of the sandbox's certificate: go on, or trust %s

Ctrl-C stops everything; starting again goes on where it was, but for the sign-ins.
`, ui, namespace, o.metricsPort, filepath.Join(o.data, "worker.log"), boxes.SignInIssuer, path, boxes.CAPath)
}

func adminFlag(o options) string {
	if o.adminPort == 8445 {
		return ""
	}
	return fmt.Sprintf(" --admin http://127.0.0.1:%d", o.adminPort)
}
