package ingress

import (
	"sync"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// ingressMetrics keeps the handles of each table: a lookup in the scope per
// record would cost more than the count.
type ingressMetrics struct {
	scope  tally.Scope
	tables sync.Map // name -> *tableMetrics
}

// tableMetrics count one table's work.
type tableMetrics struct {
	scope       tally.Scope
	read        tally.Counter
	throttled   tally.Counter // waits for a closed gate
	transient   tally.Counter // failed calls that are tried again
	watermark   tally.Gauge   // unix seconds: everything before it is settled
	quarantined tally.Gauge   // open records
	held        tally.Gauge   // deletes that wait for an operator's approval
	outcomes    map[ledger.Outcome]tally.Counter
}

func newIngressMetrics(scope tally.Scope) *ingressMetrics {
	return &ingressMetrics{scope: scope.SubScope("ingress")}
}

func (m *ingressMetrics) of(table string) *tableMetrics {
	if t, ok := m.tables.Load(table); ok {
		return t.(*tableMetrics)
	}
	scope := m.scope.Tagged(map[string]string{"table": table})
	run.ExpectRuns(scope)
	made := &tableMetrics{
		scope: scope, read: scope.Counter("records_read"), throttled: scope.Counter("throttle_waits"),
		transient: scope.Counter("transient_failures"), watermark: scope.Gauge("watermark_timestamp_seconds"),
		quarantined: scope.Gauge("quarantine_open"), held: scope.Gauge("deletes_waiting"),
		outcomes: map[ledger.Outcome]tally.Counter{},
	}
	for outcome, name := range map[ledger.Outcome]string{
		ledger.Created: "created", ledger.Updated: "updated", ledger.Unchanged: "unchanged", ledger.FilteredOut: "filtered",
		ledger.Removed: "deleted", ledger.ParkedOut: "parked", ledger.Refused: "quarantined",
	} {
		made.outcomes[outcome] = scope.Tagged(map[string]string{"outcome": name}).Counter("records_settled")
	}
	t, _ := m.tables.LoadOrStore(table, made)
	return t.(*tableMetrics)
}

func (m *tableMetrics) outcome(o ledger.Outcome) {
	if c, ok := m.outcomes[o]; ok {
		c.Inc(1)
	}
}

// settledUpTo shows how far behind the table is: alerts compare it with the time.
func (m *tableMetrics) settledUpTo(t time.Time) { m.watermark.Update(float64(t.Unix())) }

func (m *tableMetrics) runEnded(kind activities.Kind, state ledger.RunState) {
	run.RunsEnded(m.scope, kind, state).Inc(1)
}
