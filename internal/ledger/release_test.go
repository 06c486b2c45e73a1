package ledger_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// clocked opens a ledger whose clock stands at noon plus hours.
func clocked(open open) (*ledger.Ledger, *atomic.Int64) {
	var hours atomic.Int64
	return open(func(o *ledger.Options) {
		o.Now = func() time.Time { return noon.Add(time.Duration(hours.Load()) * time.Hour) }
	}), &hours
}

func commit(t testing.TB, l *ledger.Ledger, ln *ledger.Lane, group ...ledger.Result) {
	t.Helper()
	require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, group))
}

func items(t testing.TB, l *ledger.Ledger, f ledger.QuarantineFilter) []ledger.QuarantineItem {
	t.Helper()
	out, err := l.Quarantined(t.Context(), f)
	require.NoError(t, err)
	return out
}

// Repeated refusals back off: 1 h, 4 h, a day, then growing to a week; a record
// that was applied in between begins anew.
func TestRefusedRecordsAreTriedAgainLaterAndLater(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l, hours := clocked(open)
		ln := lane(t, l, "r1", 1)
		for i, rest := range []int64{1, 4, 24, 48, 96, 168, 168, 168} {
			commit(t, l, ln, refused(ln, 0, "TooLong"))
			next := items(t, l, ledger.QuarantineFilter{})[0].NextTry
			require.Equal(t, time.Duration(rest)*time.Hour, next.Sub(noon.Add(time.Duration(hours.Load())*time.Hour)), "refusal %d", i+1)
			due, err := l.QuarantineDue(t.Context(), flow, table, next.Add(-time.Millisecond))
			require.NoError(t, err)
			require.False(t, due)
			due, err = l.QuarantineDue(t.Context(), flow, table, next)
			require.NoError(t, err)
			require.True(t, due)
			hours.Add(rest)
		}
		s := created(ln, 0)
		s.Resolve = true
		commit(t, l, ln, s)
		due, err := l.QuarantineDue(t.Context(), flow, table, noon.Add(10_000*time.Hour))
		require.NoError(t, err)
		require.False(t, due, "what was applied is not due")
		commit(t, l, ln, refused(ln, 0, "TooLong"))
		require.Equal(t, noon.Add(time.Duration(hours.Load()+1)*time.Hour), items(t, l, ledger.QuarantineFilter{})[0].NextTry)
	})
}

// A record that is refused before its time, because somebody had it released or because
// it changed, keeps its schedule: it is not pushed from an hour to a week.
func TestARefusalBeforeItsTimeKeepsTheSchedule(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l, hours := clocked(open)
		ln := lane(t, l, "r1", 1)
		next := func() time.Time { return items(t, l, ledger.QuarantineFilter{})[0].NextTry }
		commit(t, l, ln, refused(ln, 0, "TooLong"))
		for range 7 {
			commit(t, l, ln, refused(ln, 0, "TooLong"))
			require.Equal(t, noon.Add(time.Hour), next())
		}
		hours.Add(1)
		commit(t, l, ln, refused(ln, 0, "TooLong")) // by the schedule
		require.Equal(t, noon.Add(5*time.Hour), next())
		hours.Add(1)
		commit(t, l, ln, refused(ln, 0, "TooLong"))
		require.Equal(t, noon.Add(5*time.Hour), next())
		require.Equal(t, 10, items(t, l, ledger.QuarantineFilter{})[0].Attempts)
	})
}

// What is to stay is not tried by itself, whatever the clock and the mapping say.
func TestWhatStaysIsNotTriedByItself(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		ln := lane(t, l, "r1", 1)
		stays := refused(ln, 0, "Poison")
		stays.Quarantine.NoRetry = true
		commit(t, l, ln, refused(ln, 0, "TooLong"))
		commit(t, l, ln, stays)
		item := items(t, l, ledger.QuarantineFilter{})[0]
		require.True(t, item.NoRetry)
		require.Zero(t, item.NextTry)
		require.Empty(t, items(t, l, ledger.QuarantineFilter{OtherRevision: "new"}))
		due, err := l.QuarantineDue(t.Context(), flow, table, noon.AddDate(100, 0, 0))
		require.NoError(t, err)
		require.False(t, due)
		commit(t, l, ln, refused(ln, 0, "TooLong"))
		require.False(t, items(t, l, ledger.QuarantineFilter{})[0].NextTry.IsZero())
	})
}

func TestQuarantineIsGroupedByReason(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l, hours := clocked(open)
		ln := lane(t, l, "r1", 6)
		other := refused(ln, 3, "TooLong")
		other.Quarantine.Field = "lastName"
		commit(t, l, ln, refused(ln, 0, "Invalid"), refused(ln, 1, "TooLong"), refused(ln, 2, "TooLong"), other)
		hours.Store(2)
		commit(t, l, ln, refused(ln, 4, "TooLong"))
		groups, err := l.QuarantineGroups(t.Context(), ledger.QuarantineFilter{Flow: flow, State: ledger.QuarantineOpen})
		require.NoError(t, err)
		one := ledger.QuarantineGroup{Table: table, Code: "Invalid", Field: "email", Message: "too long", Records: 1, FirstSeen: noon, LastSeen: noon, NextTry: noon.Add(time.Hour)}
		long, last := one, one
		long.Code, long.Records, long.LastSeen = "TooLong", 3, noon.Add(2*time.Hour)
		last.Code, last.Field = "TooLong", "lastName"
		require.Equal(t, []ledger.QuarantineGroup{long, one, last}, groups)

		narrowed := func(f ledger.QuarantineFilter) int64 {
			n, err := l.CountQuarantined(t.Context(), f)
			require.NoError(t, err)
			return n
		}
		require.Equal(t, int64(1), narrowed(ledger.QuarantineFilter{Field: "lastName"}))
		require.Equal(t, int64(4), narrowed(ledger.QuarantineFilter{SeenBefore: noon.Add(time.Hour)}))
		require.Equal(t, int64(4), narrowed(ledger.QuarantineFilter{DueBy: noon.Add(time.Hour)}))
		require.Equal(t, int64(2), narrowed(ledger.QuarantineFilter{Keys: []string{ln.Entries[0].Key, ln.Entries[4].Key, "none"}}))
		require.Equal(t, int64(5), narrowed(ledger.QuarantineFilter{OtherRevision: "new"}))
		require.Zero(t, narrowed(ledger.QuarantineFilter{Key: "none"}))
	})
}

// What was refused in a run of another revision, and nothing else.
func TestQuarantineOfAnotherRevision(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		for _, run := range []string{"old", "new"} {
			_, err := l.BeginRun(t.Context(), ledger.Run{ID: run, Flow: flow, Table: table, Kind: "initial", Revision: run, Started: noon})
			require.NoError(t, err)
			number := map[string]int{"old": 1, "new": 2}[run]
			stage(t, l, run, number, 2)
			ln := openLane(t, l, run, number, 0)
			commit(t, l, ln, refused(ln, 0, "TooLong"), refused(ln, 1, "TooLong"))
		}
		found := items(t, l, ledger.QuarantineFilter{Table: table, OtherRevision: "new"})
		require.Len(t, found, 2)
		require.Equal(t, "old", found[0].Run)
	})
}

// A release tries a record only while nothing else has applied it.
func TestAClaimEndsWithWhateverComesBetween(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		ln := lane(t, l, "r1", 5)
		all := ledger.QuarantineFilter{Flow: flow, Table: table}
		for i := range 5 {
			commit(t, l, ln, refused(ln, i, "TooLong"))
		}
		key := func(i int) string { return ln.Entries[i].Key }
		first, err := l.Claim(t.Context(), "release-1", ledger.QuarantineFilter{Flow: flow, Table: table, Limit: 3})
		require.NoError(t, err)
		require.Equal(t, []string{key(0), key(1), key(2)}, first)
		all.After = ledger.QuarantineKey{Flow: flow, Table: table, Key: first[2]}
		rest, err := l.Claim(t.Context(), "release-1", all)
		require.NoError(t, err)
		require.Equal(t, []string{key(3), key(4)}, rest)

		commit(t, l, ln, refused(ln, 0, "Again"))
		applied := created(ln, 1)
		applied.Resolve = true
		commit(t, l, ln, applied)
		n, err := l.Discard(t.Context(), ledger.QuarantineFilter{Flow: flow, Table: table, Keys: []string{key(2)}}, ledger.Discard{By: "ada", Reason: "a test record", At: noon})
		require.NoError(t, err)
		require.Equal(t, int64(1), n)
		_, err = l.Claim(t.Context(), "release-2", ledger.QuarantineFilter{Flow: flow, Table: table, Keys: []string{key(3)}})
		require.NoError(t, err)

		left, err := l.Claimed(t.Context(), flow, table, "release-1", append(first, rest...))
		require.NoError(t, err)
		require.Equal(t, map[string]bool{key(4): true}, left)
	})
}

// A discard is recorded; it holds for the version that was refused, not for the
// next one; and it is remembered.
func TestDiscardsAreRecorded(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l, _ := clocked(open)
		ln := lane(t, l, "r1", 3)
		refuse := func(i int, version string) ledger.Result {
			s := refused(ln, i, "TooLong")
			s.Quarantine.Version = version
			return s
		}
		commit(t, l, ln, refuse(0, "v1"), refuse(1, "v1"), refused(ln, 2, "Invalid"))
		why := ledger.Discard{By: "ada", Reason: "test records", At: noon}
		for range 2 { // an activity may run twice
			n, err := l.Discard(t.Context(), ledger.QuarantineFilter{Flow: flow, Code: "TooLong"}, why)
			require.NoError(t, err)
			require.Equal(t, int64(2), n)
		}
		n, err := l.QuarantineCount(t.Context(), flow, table)
		require.NoError(t, err)
		require.Equal(t, int64(1), n)
		discarded := items(t, l, ledger.QuarantineFilter{State: ledger.QuarantineDiscarded})
		require.Len(t, discarded, 2)
		require.Equal(t, why, discarded[0].Discarded)
		require.Zero(t, discarded[0].NextTry)

		commit(t, l, ln, refuse(0, "v1"))
		require.Len(t, items(t, l, ledger.QuarantineFilter{State: ledger.QuarantineDiscarded}), 2, "the same version again")
		commit(t, l, ln, refuse(0, "v2"))
		again := items(t, l, ledger.QuarantineFilter{Key: ln.Entries[0].Key})[0]
		require.Equal(t, ledger.QuarantineOpen, again.State)
		require.Equal(t, why, again.Discarded, "what was decided before is remembered")
	})
}

// What was refused while its parent was not there is due when it is.
func TestAParentThatCameMakesItsChildrenDue(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		ln := lane(t, l, "r1", 3)
		parent := ledger.Parent{Table: table, Key: ln.Entries[2].Key}
		orphan := refused(ln, 0, "Conflict")
		orphan.Quarantine.Parent = parent
		commit(t, l, ln, orphan, refused(ln, 1, "Conflict"))
		rouse := func() int64 {
			n, err := l.RetryUnblocked(t.Context(), flow, table)
			require.NoError(t, err)
			return n
		}
		require.Zero(t, rouse())
		commit(t, l, ln, created(ln, 2))
		require.Equal(t, int64(1), rouse())
		due := items(t, l, ledger.QuarantineFilter{DueBy: noon})
		require.Len(t, due, 1)
		require.Equal(t, ln.Entries[0].Key, due[0].Key)
		require.Zero(t, rouse(), "once is enough")
	})
}

// What was refused because somebody deleted its parent in the target is due when that was
// created anew.
func TestAParentThatCameAgainMakesItsChildrenDue(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		ln := lane(t, l, "r1", 3)
		parent := ledger.Parent{Table: table, Key: ln.Entries[2].Key}
		commit(t, l, ln, created(ln, 2))
		for i, run := range []string{"r0", ledger.NoRun} {
			child := refused(ln, i, "Conflict")
			child.Quarantine.Parent, child.Quarantine.ParentRun = parent, run
			commit(t, l, ln, child)
		}
		again := created(ln, 2)
		again.Record.CreatedRun = "r0"
		commit(t, l, ln, again)
		rouse := func() (keys []string) {
			_, err := l.RetryUnblocked(t.Context(), flow, table)
			require.NoError(t, err)
			for _, q := range items(t, l, ledger.QuarantineFilter{DueBy: noon}) {
				keys = append(keys, q.Key)
			}
			return keys
		}
		require.Equal(t, []string{ln.Entries[1].Key}, rouse(), "the other one met this parent")
		again.Record.CreatedRun = "r1"
		commit(t, l, ln, again)
		require.ElementsMatch(t, []string{ln.Entries[0].Key, ln.Entries[1].Key}, rouse())
	})
}

func BenchmarkClaim(b *testing.B) {
	l := ledgertest.Open(b, ledgertest.SQLite(b))
	ln := lane(b, l, "r1", 5000)
	group := make([]ledger.Result, 0, 5000)
	for i := range 5000 {
		group = append(group, refused(ln, i, fmt.Sprint("Code", i%4)))
	}
	commit(b, l, ln, group...)
	for b.Loop() {
		keys, err := l.Claim(b.Context(), "release", ledger.QuarantineFilter{Flow: flow, Table: table, Limit: 500})
		require.NoError(b, err)
		require.Len(b, keys, 500)
	}
}

// Of several results of a record in one group the last counts, also for its
// item: what was refused and then applied is not left open.
func TestARecordRefusedAndThenAppliedAtOnceIsNotOpen(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		ln := lane(t, l, "r1", 4)
		for before := range 2 { // with an item from before, and without
			if before > 0 {
				commit(t, l, ln, refused(ln, 1, "TooLong"))
			}
			no, yes := refused(ln, before, "TooLong"), created(ln, before)
			yes.Index, yes.Resolve = 2+before, true
			commit(t, l, ln, no, yes)
		}
		require.Empty(t, items(t, l, ledger.QuarantineFilter{State: ledger.QuarantineOpen}))

		yes, no := created(ln, 0), refused(ln, 0, "TooLong")
		yes.Resolve, no.Index = true, 2
		commit(t, l, ln, yes, no)
		require.Len(t, items(t, l, ledger.QuarantineFilter{State: ledger.QuarantineOpen}), 1, "and the other way round")
	})
}
