package ledger_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

const (
	benchLanes = 8
	benchGroup = 50
)

var benchPayload = bytes.Repeat([]byte("abcdefgh"), 50)

// benchOpen opens a ledger by the name of a bench: its driver or SQLite's synchronous, and
// whether it has a key.
func benchOpen(b *testing.B, name string) *ledger.Ledger {
	driver, sealed := strings.CutSuffix(name, "-sealed")
	var o ledger.Options
	if driver == "postgres" {
		o = ledgertest.Postgres(b)
	} else {
		o = ledgertest.SQLite(b)
		o.Synchronous = driver
	}
	if sealed {
		o.Keys = [][]byte{bytes.Repeat([]byte{7}, 32)}
	}
	return ledgertest.Open(b, o)
}

func benchEntries(n int) []ledger.Entry {
	out := make([]ledger.Entry, n)
	for i := range out {
		id := uuid.NewString()
		out[i] = ledger.Entry{Key: id, Version: fmt.Sprint(rand.Int64N(1 << 40)), Raw: fmt.Appendf(nil,
			`{"@odata.etag":"W/\"%d\"","contactid":"%s","firstname":"First%d","lastname":"Last%d","emailaddress1":"%d@example.com","telephone1":"+49 %d","address1_city":"City %d","modifiedon":"2026-03-01T12:00:%02dZ"}`,
			rand.Int64N(1<<40), id, i, i, rand.Int64(), rand.Int64N(1<<40), i%100, i%60)}
	}
	return out
}

// BenchmarkCommit commits staged records as created, 8 lanes at a time, in
// groups of 50 with a payload of 400 bytes, and closes the lanes.
func BenchmarkCommit(b *testing.B) {
	for _, driver := range []string{"full", "normal", "normal-sealed", "postgres", "postgres-sealed"} {
		b.Run(driver, func(b *testing.B) {
			l := benchOpen(b, driver)
			begin(b, l, "r1")
			const size = 625
			page, cpu := 0, time.Duration(0)
			for b.Loop() {
				b.StopTimer()
				page++
				in := ledger.PageInput{Run: "r1", Table: table, Number: page}
				for range benchLanes {
					in.Lanes = append(in.Lanes, benchEntries(size))
				}
				_, err := l.StagePage(b.Context(), in)
				require.NoError(b, err)
				b.StartTimer()
				from := userCPU()
				var wg sync.WaitGroup
				for n := range benchLanes {
					wg.Go(func() {
						lane, err := l.OpenLane(b.Context(), ledger.LaneID{Run: "r1", Page: page, Lane: n})
						if err != nil {
							b.Error(err)
							return
						}
						for from := 0; from < size; from += benchGroup {
							group := make([]ledger.Result, 0, benchGroup)
							for i := from; i < min(from+benchGroup, size); i++ {
								s := created(lane, i)
								s.Record.Payload = benchPayload
								group = append(group, s)
							}
							if err := l.Commit(b.Context(), lane.ID, lane.Token, group); err != nil {
								b.Error(err)
								return
							}
						}
						if _, err := l.CloseLane(b.Context(), lane.ID, lane.Token); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
				cpu += userCPU() - from
			}
			b.ReportMetric(float64(b.N*benchLanes*size)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N*benchLanes*size), "cpu-ns/record")
		})
	}
}

// BenchmarkLookUp looks up the records of a lane of 625 in a ledger of 50,000:
// what every record costs, also one that has not changed.
func BenchmarkLookUp(b *testing.B) {
	for _, driver := range []string{"normal", "normal-sealed", "postgres", "postgres-sealed"} {
		b.Run(driver, func(b *testing.B) {
			l := benchOpen(b, driver)
			begin(b, l, "r1")
			const pages, size = 10, 625
			var lanes [][]string
			for page := range pages {
				in := ledger.PageInput{Run: "r1", Table: table, Number: page + 1}
				for range benchLanes {
					in.Lanes = append(in.Lanes, benchEntries(size))
				}
				_, err := l.StagePage(b.Context(), in)
				require.NoError(b, err)
				for n := range benchLanes {
					lane, err := l.OpenLane(b.Context(), ledger.LaneID{Run: "r1", Page: page + 1, Lane: n})
					require.NoError(b, err)
					var group []ledger.Result
					var keys []string
					for i := range lane.Entries {
						r := created(lane, i)
						r.Record.Payload = benchPayload
						group, keys = append(group, r), append(keys, lane.Entries[i].Key)
					}
					require.NoError(b, l.Commit(b.Context(), lane.ID, lane.Token, group))
					lanes = append(lanes, keys)
				}
			}
			from := userCPU()
			for n := 0; b.Loop(); n++ {
				keys := lanes[n%len(lanes)]
				found, err := l.Records(b.Context(), table, keys)
				require.NoError(b, err)
				require.Len(b, found, len(keys))
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64((userCPU()-from).Nanoseconds())/float64(b.N*size), "cpu-ns/record")
		})
	}
}

// BenchmarkStage stages pages of 5,000 records in 8 lanes.
func BenchmarkStage(b *testing.B) {
	for _, driver := range []string{"full", "full-sealed", "postgres", "postgres-sealed"} {
		b.Run(driver, func(b *testing.B) {
			l := benchOpen(b, driver)
			begin(b, l, "r1")
			in := ledger.PageInput{Run: "r1", Table: table}
			size := int64(0)
			for range benchLanes {
				lane := benchEntries(625)
				for _, e := range lane {
					size += int64(len(e.Key) + len(e.Version) + len(e.Raw))
				}
				in.Lanes = append(in.Lanes, lane)
			}
			b.SetBytes(size)
			for b.Loop() {
				in.Number++
				_, err := l.StagePage(b.Context(), in)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.N*benchLanes*625)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
