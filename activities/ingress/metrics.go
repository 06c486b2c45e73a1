package ingress

import (
	"sync"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// metrics keeps the counters of each table, because looking one up in the scope for every
// record would cost more than counting.
type metrics struct {
	scope  tally.Scope
	tables sync.Map // name -> *tableMetrics
}

// tableMetrics are the counters and gauges of one table.
type tableMetrics struct {
	scope       tally.Scope
	read        tally.Counter
	throttled   tally.Counter // waits for a closed gate
	transient   tally.Counter // failed calls that are tried again
	late        tally.Counter // records that a late request had changed
	watermark   tally.Gauge   // unix seconds: everything before it is dealt with
	quarantined tally.Gauge   // open records
	deletesHeld tally.Gauge   // deletes that wait for an operator's approval
	restored    tally.Gauge   // 1 while the ledger counts as restored
	returned    tally.Gauge   // records that somebody deleted in Campaign and that came back
	erased      tally.Gauge   // records that somebody deleted in Campaign and that are not back
	outcomes    map[ledger.Outcome]tally.Counter
}

func newMetrics(scope tally.Scope) *metrics {
	return &metrics{scope: scope.SubScope("ingress")}
}

func (m *metrics) of(table string) *tableMetrics {
	if t, ok := m.tables.Load(table); ok {
		return t.(*tableMetrics)
	}
	scope := m.scope.Tagged(map[string]string{"table": table})
	run.ShowNoneEnded(scope)
	made := &tableMetrics{
		scope: scope, read: scope.Counter("records_read"), throttled: scope.Counter("throttle_waits"),
		transient: scope.Counter("transient_failures"), late: scope.Counter("late_writes_repaired"), watermark: scope.Gauge("watermark_timestamp_seconds"),
		quarantined: scope.Gauge("quarantine_open"), deletesHeld: scope.Gauge("deletes_waiting"),
		returned: scope.Gauge("records_returned"), erased: scope.Gauge("records_erased"), restored: scope.Gauge("ledger_restored"),
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

func (m *tableMetrics) countOutcome(o ledger.Outcome) {
	if c, ok := m.outcomes[o]; ok {
		c.Inc(1)
	}
}

// showWatermark shows up to when the table is dealt with. Alerts compare it with the time.
func (m *tableMetrics) showWatermark(t time.Time) { m.watermark.Update(float64(t.Unix())) }

func (m *tableMetrics) countEnded(kind activities.Kind, state ledger.RunState) {
	run.CountEnded(m.scope, kind, state)
}
