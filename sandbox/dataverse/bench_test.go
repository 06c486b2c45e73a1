package dataverse_test

import (
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/kit"
)

// BenchmarkRead and BenchmarkUpdate are the handler without a network.
func BenchmarkRead(b *testing.B) { benchmarkRow(b, "GET", "", 200) }

func BenchmarkUpdate(b *testing.B) { benchmarkRow(b, "PATCH", `{"jobtitle":"Captain"}`, 204) }

func benchmarkRow(b *testing.B, method, body string, want int) {
	s := dataverse.New(dataverse.Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}, Tokens: everybody{}})
	if err := s.SeedContacts(1000, 1); err != nil {
		b.Fatal(err)
	}
	keys := s.Keys("contacts")
	for i := 0; b.Loop(); i++ {
		r := httptest.NewRequest(method, "https://org.example"+api+"/contacts("+keys[i%len(keys)]+")?$select=lastname,emailaddress1", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer good")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != want {
			b.Fatal(w.Body)
		}
	}
}

// BenchmarkSeed tells what a contact takes in memory, and what it takes to make one.
func BenchmarkSeed(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := dataverse.New(dataverse.Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}, Tokens: everybody{}})
	b.ResetTimer()
	if err := s.SeedContacts(b.N, 1); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "heap-B/contact")
	runtime.KeepAlive(s)
}
