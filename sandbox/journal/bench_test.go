package journal_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/journal"
	"causeway.dev/sandbox/kit"
)

// BenchmarkPage reads the journal in pages of a thousand events.
func BenchmarkPage(b *testing.B) {
	clock := &kit.Clock{}
	log := eventlog.New(clock)
	f := eventlog.DefaultFunnel()
	f.Events = 20_000
	if _, err := log.Generate(f, []eventlog.Recipient{{ExternalID: "6f1d0000-0000-4000-8000-000000000001", Email: "a@example.test"}}); err != nil {
		b.Fatal(err)
	}
	s := journal.New(journal.Options{Clock: clock, Faults: &kit.Faults{}, Tokens: tokens{"good": true}, Log: log, APIKey: "key"})
	r := httptest.NewRequest("GET", s.Path()+"?limit=1000", nil)
	r.Header = http.Header{"Authorization": {"Bearer good"}, "X-Api-Key": {"key"}}
	for b.Loop() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
		b.SetBytes(int64(w.Body.Len()))
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
