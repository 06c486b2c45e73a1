package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Causes that somebody may be told of. Status tells of each at length.
const (
	CauseFlowFailed     = "flow_failed"
	CauseFlowStuck      = "flow_stuck"
	CauseFlowEnded      = "flow_ended"
	CauseRunFailed      = "run_failed"
	CauseDeletesWait    = "deletes_wait"
	CauseQuarantine     = "quarantine_grows"
	CauseOptOutsBehind  = "opt_outs_behind"
	CauseOptOutExport   = "opt_out_export"
	CauseBadFile        = "bad_file"
	CauseEventsBehind   = "events_behind"
	CauseEventsAtRisk   = "events_at_risk"
	CauseEventsLost     = "events_lost"
	CauseLedgerRestored = "ledger_restored"
	CauseModelChanged   = "data_model_changed"
	CauseErasureWaits   = "erasure_waits"
	CauseCredential     = "credential_expires"
	CauseRekeyStuck     = "rekey_stuck"
	CauseDoctor         = "doctor"
	CauseOddAnswers     = "odd_answers"
	CauseLogExport      = "log_export"
	CauseBackup         = "backup"
)

// Causes lists them.
func Causes() []string {
	return []string{
		CauseFlowFailed, CauseFlowStuck, CauseFlowEnded, CauseRunFailed, CauseDeletesWait, CauseQuarantine, CauseOptOutsBehind, CauseOptOutExport, CauseBadFile,
		CauseEventsBehind, CauseEventsAtRisk, CauseEventsLost, CauseLedgerRestored, CauseModelChanged, CauseErasureWaits, CauseCredential, CauseRekeyStuck, CauseDoctor, CauseOddAnswers, CauseLogExport, CauseBackup,
	}
}

// Notify tells a webhook what needs somebody, for those without Prometheus, and when it has ended.
type Notify struct {
	// Webhook is the address that messages are posted to, as env:NAME or file:path, because whoever knows it can post. Without it nobody is told.
	Webhook Secret `yaml:"webhook,omitempty"`
	// Format is slack, for Slack and what takes the same, or json, with each cause as fields.
	Format string `yaml:"format,omitempty" jsonschema:"enum=slack,enum=json,default=slack"`
	// CAFile is a PEM file of certificate authorities to trust besides the system's.
	CAFile string `yaml:"ca_file,omitempty"`
	// Timeout of one message.
	Timeout time.Duration `yaml:"timeout,omitempty" jsonschema:"minimum=1s,maximum=2m,default=15s"`
	// Every is the pause between looks at what there is to tell.
	Every time.Duration `yaml:"every,omitempty" jsonschema:"minimum=1s,maximum=1h,default=1m"`
	// After is how long a cause lasts before it is told, and is over before that is told. What passes by itself is not told.
	After time.Duration `yaml:"after" jsonschema:"minimum=0s,maximum=24h,default=2m"`
	// Quiet is how long a cause is not told again after it was told, though it ends and comes back.
	Quiet time.Duration `yaml:"quiet,omitempty" jsonschema:"minimum=1m,maximum=168h,default=1h"`
	// Remind is how often a cause that lasts is told again, though not before Quiet has passed; 0 tells it once.
	Remind time.Duration `yaml:"remind" jsonschema:"minimum=0s,maximum=720h,default=24h"`
	// Quarantined is how many records of a flow are refused within an hour before somebody is told.
	Quarantined int `yaml:"quarantined,omitempty" jsonschema:"minimum=1,maximum=1000000,default=100"`
	// LeaveOut names causes that nobody is told of, such as data_model_changed.
	LeaveOut []string `yaml:"leave_out,omitempty"`
}

// Address is the webhook's, as it is now. Errors do not hold it.
func (n Notify) Address() (string, error) {
	address, err := n.Webhook.Resolve()
	if err != nil {
		return "", fmt.Errorf("notify.webhook: %w", err)
	}
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("notify.webhook: what %s holds is no address that begins with https://", string(n.Webhook))
	}
	return u.String(), nil
}

func (v *validator) notify(n Notify) {
	for i, cause := range n.LeaveOut {
		if !slices.Contains(Causes(), cause) {
			v.add(fmt.Sprintf("notify.leave_out[%d]", i), short(cause), "one of "+strings.Join(Causes(), ", "), "")
		}
	}
}
