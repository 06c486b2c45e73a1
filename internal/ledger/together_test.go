package ledger

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Lanes that wait for the writer at the same time share its statements, and still each has
// its own answer.
func TestLanesThatCommitTogetherAreEachAsIfAlone(t *testing.T) {
	t.Parallel()
	for _, stale := range []int{-1, 2} { // the lane that another attempt has opened since
		t.Run(fmt.Sprint(stale), func(t *testing.T) {
			t.Parallel()
			l, release := blocked(t)
			release()
			const lanes, size = 4, 3
			_, err := l.BeginRun(t.Context(), Run{ID: "r", Flow: "ingress", Table: "contacts", Kind: "initial", State: RunRunning, Started: time.Now()})
			require.NoError(t, err)
			in := PageInput{Run: "r", Table: "contacts", Number: 1}
			for n := range lanes {
				var entries []Entry
				for i := range size {
					entries = append(entries, Entry{Key: fmt.Sprintf("k%d%d", n, i), Version: "1", Raw: []byte("{}")})
				}
				in.Lanes = append(in.Lanes, entries)
			}
			_, err = l.StagePage(t.Context(), in)
			require.NoError(t, err)
			open := make([]*Lane, lanes)
			for n := range open {
				open[n], err = l.OpenLane(t.Context(), LaneID{Run: "r", Page: 1, Lane: n})
				require.NoError(t, err)
			}
			if stale >= 0 {
				_, err := l.OpenLane(t.Context(), open[stale].ID)
				require.NoError(t, err)
			}

			before, _ := Prepared(t, l)
			unblock := occupy(l)
			answers := make([]error, lanes)
			var wg sync.WaitGroup
			for n, lane := range open {
				var group []Result
				for i, e := range lane.Entries {
					group = append(group, Result{Index: i, Outcome: Created, Arrived: true, Record: &Record{
						Key: e.Key, Version: "1", State: Written, Payload: []byte("p"), Run: "r", CreatedRun: "r", SeenRun: "r"}})
				}
				wg.Go(func() { answers[n] = l.Commit(t.Context(), lane.ID, lane.Token, group) })
				queued(l, n+1)
			}
			unblock()
			wg.Wait()

			held := int64(0)
			for n, lane := range open {
				keys := openKeysOf(lane)
				known, err := l.Records(t.Context(), "contacts", keys)
				require.NoError(t, err)
				if n == stale {
					assert.ErrorIs(t, answers[n], ErrFenced)
					assert.Empty(t, known, "nothing of a lane that is another attempt's")
					continue
				}
				assert.NoError(t, answers[n])
				assert.Len(t, known, size)
				counts, err := l.CloseLane(t.Context(), lane.ID, lane.Token)
				require.NoError(t, err)
				assert.Equal(t, Counts{Read: size, Created: size}, counts)
				held += size
			}
			n, err := l.KnownCount(t.Context(), "contacts")
			require.NoError(t, err)
			assert.Equal(t, held, n)
			points, err := l.Series(t.Context(), SeriesFilter{Flow: "ingress", Table: "contacts", From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour), Step: time.Hour})
			require.NoError(t, err)
			var charted int64
			for _, p := range points {
				charted += p.Counts.Created
			}
			assert.Equal(t, held, charted)
			if stale < 0 {
				after, _ := Prepared(t, l)
				assert.Equal(t, 2, statements(after)-statements(before), "12 records of 4 lanes are 8 and 4 rows")
			}
		})
	}
}

func openKeysOf(lane *Lane) (keys []string) {
	for _, e := range lane.Entries {
		keys = append(keys, e.Key)
	}
	return keys
}

// statements is how many have written records.
func statements(runs map[string]int) (n int) {
	for text, times := range runs {
		if strings.HasPrefix(text, "INSERT INTO record ") {
			n += times
		}
	}
	return n
}
