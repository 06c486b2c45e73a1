package transport

import (
	"strconv"
	"sync"
	"time"

	"github.com/uber-go/tally/v4"
)

var latencyBuckets = tally.MustMakeExponentialDurationBuckets(2*time.Millisecond, 2, 16)

// meters keeps the metric handles of each operation, so that a request looks
// none up by its tags. Operations and statuses are few; nothing of a record is
// ever a tag.
type meters struct {
	scope tally.Scope
	ops   sync.Map // op -> *opMeters
}

type opMeters struct {
	scope    tally.Scope
	latency  tally.Histogram
	statuses sync.Map // status -> tally.Counter
}

// record counts one exchange; status 0 stands for no answer.
func (m *meters) record(op string, status int, took time.Duration) {
	known, ok := m.ops.Load(op)
	if !ok {
		scope := m.scope.Tagged(map[string]string{"op": op})
		known, _ = m.ops.LoadOrStore(op, &opMeters{scope: scope, latency: scope.Histogram("request_seconds", latencyBuckets)})
	}
	o := known.(*opMeters)
	o.latency.RecordDuration(took)
	counter, ok := o.statuses.Load(status)
	if !ok {
		text := "none"
		if status != 0 {
			text = strconv.Itoa(status)
		}
		counter, _ = o.statuses.LoadOrStore(status, o.scope.Tagged(map[string]string{"status": text}).Counter("requests"))
	}
	counter.(tally.Counter).Inc(1)
}
