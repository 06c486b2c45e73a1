package activities

import (
	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/ledger"
)

// ingressMetrics are handles made once: a lookup per record would cost more
// than the count.
type ingressMetrics struct {
	scope     tally.Scope
	read      tally.Counter
	throttled tally.Counter // waits for a closed gate
	transient tally.Counter // failed calls that are tried again
	watermark tally.Gauge   // unix seconds: everything before it is settled
	outcomes  map[ledger.Outcome]tally.Counter
}

func newIngressMetrics(scope tally.Scope) ingressMetrics {
	scope = scope.SubScope("ingress")
	m := ingressMetrics{
		scope: scope, read: scope.Counter("records_read"), throttled: scope.Counter("throttle_waits"),
		transient: scope.Counter("transient_failures"), watermark: scope.Gauge("watermark_timestamp_seconds"),
		outcomes: map[ledger.Outcome]tally.Counter{},
	}
	for outcome, name := range map[ledger.Outcome]string{
		ledger.Created: "created", ledger.Updated: "updated", ledger.Unchanged: "unchanged", ledger.FilteredOut: "filtered",
		ledger.Removed: "deleted", ledger.ParkedOut: "parked", ledger.Refused: "quarantined",
	} {
		m.outcomes[outcome] = scope.Tagged(map[string]string{"outcome": name}).Counter("records_settled")
	}
	return m
}

func (m ingressMetrics) outcome(o ledger.Outcome) {
	if c, ok := m.outcomes[o]; ok {
		c.Inc(1)
	}
}

func (m ingressMetrics) runEnded(kind Kind, state string) {
	m.scope.Tagged(map[string]string{"kind": string(kind), "state": state}).Counter("runs_ended").Inc(1)
}
