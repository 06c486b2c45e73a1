package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

func clock() time.Time { return noon.Add(time.Hour) }

// lane stages and opens one lane of n entries.
func lane(t testing.TB, l *ledger.Ledger, run string, n int) *ledger.Lane {
	t.Helper()
	begin(t, l, run)
	stage(t, l, run, 1, n)
	return openLane(t, l, run, 1, 0)
}

func TestARecordIsKeptAsCommitted(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		ln := lane(t, l, "r1", 1200)
		group := allCreated(ln)
		group[1].Record = &ledger.Record{Key: group[1].Record.Key, State: ledger.Quarantined} // nothing in the target
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, group))

		keys := []string{"unknown"}
		for _, e := range ln.Entries {
			keys = append(keys, e.Key)
		}
		found, err := l.Records(t.Context(), table, keys)
		require.NoError(t, err)
		require.Len(t, found, 1200)
		for i := range group {
			require.Equal(t, group[i].Record, found[group[i].Record.Key])
		}
		require.Nil(t, found[group[1].Record.Key].Payload)
		none, err := l.Records(t.Context(), "accounts", keys)
		require.NoError(t, err)
		require.Empty(t, none)
		n, err := l.KnownCount(t.Context(), table)
		require.NoError(t, err)
		require.EqualValues(t, 1199, n)
	})
}

func TestTheLastOfSeveralChangesOfAKeyCounts(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		ln := lane(t, l, "r1", 3)
		group := allCreated(ln)
		for i := range group {
			group[i].Record.Key = "same"
			group[i].Before = &ledger.BeforeImage{Key: "same", Existed: true, Payload: []byte(group[i].Record.Version)}
		}
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, group))
		require.Equal(t, ln.Entries[2].Version, record(t, l, "same").Version)
		images, err := l.BeforeImages(t.Context(), "r1", table, "", 0)
		require.NoError(t, err)
		require.Equal(t, []ledger.BeforeImage{{Key: "same", Existed: true, Payload: []byte(ln.Entries[0].Version)}}, images, "the first image wins")
	})
}

func TestTheFirstBeforeImageOfARunWins(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		ln := lane(t, l, "r1", 3)
		for i, e := range ln.Entries {
			require.NoError(t, l.SaveBefore(t.Context(), "r1", table, ledger.BeforeImage{Key: e.Key, Existed: i > 0, Payload: []byte("first")}))
			require.NoError(t, l.SaveBefore(t.Context(), "r1", table, ledger.BeforeImage{Key: e.Key, Existed: true, Payload: []byte("late")}))
		}
		s := created(ln, 0)
		s.Before = &ledger.BeforeImage{Key: s.Record.Key, Existed: true, Payload: []byte("later")}
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{s}))
		require.NoError(t, l.SaveBefore(t.Context(), "r2", table, ledger.BeforeImage{Key: "other run"}))

		images, err := l.BeforeImages(t.Context(), "r1", table, ln.Entries[0].Key, 1)
		require.NoError(t, err)
		require.Equal(t, []ledger.BeforeImage{{Key: ln.Entries[1].Key, Existed: true, Payload: []byte("first")}}, images)
		images, err = l.BeforeImages(t.Context(), "r1", table, "", 0)
		require.NoError(t, err)
		require.Len(t, images, 3)
		require.False(t, images[0].Existed)
	})
}

func TestUnseenIsWhatABaselineDidNotShow(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		ln := lane(t, l, "r1", 5)
		group := allCreated(ln)
		group[3].Record.State = ledger.Quarantined // refused update: the target holds the payload before it
		group[4].Record.State, group[4].Record.Payload = ledger.Quarantined, nil
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, group))

		again := lane(t, l, "r2", 2)
		require.NoError(t, l.Commit(t.Context(), again.ID, again.Token, []ledger.Result{
			{Index: 0, Outcome: ledger.Unchanged, Seen: ln.Entries[1].Key},
			{Index: 1, Outcome: ledger.Unchanged, Seen: "unknown"},
		}))
		require.Equal(t, "r2", record(t, l, ln.Entries[1].Key).SeenRun)
		require.Equal(t, "r1", record(t, l, ln.Entries[1].Key).Run)

		unseen, err := l.Unseen(t.Context(), table, "r2", "", 0)
		require.NoError(t, err)
		require.Equal(t, []string{ln.Entries[0].Key, ln.Entries[2].Key, ln.Entries[3].Key}, unseen)
		unseen, err = l.Unseen(t.Context(), table, "r2", ln.Entries[0].Key, 1)
		require.NoError(t, err)
		require.Equal(t, []string{ln.Entries[2].Key}, unseen)
	})
}

func TestRunsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open(func(o *ledger.Options) { o.Now = clock })
		full := ledger.Run{ID: "b", Flow: flow, Table: table, Kind: "delta", Revision: "rev", State: "RUNNING", Workflow: "w", Started: noon, ServerStart: noon, Expected: 7, Listed: -1, Span: `{"ids":["x"]}`}
		got, err := l.BeginRun(t.Context(), full)
		require.NoError(t, err)
		require.Equal(t, full, *got)
		again := full
		again.Kind, again.State = "other", "FAILED"
		got, err = l.BeginRun(t.Context(), again)
		require.NoError(t, err)
		require.Equal(t, full, *got, "a run that exists stays as it is")

		got, err = l.BeginRun(t.Context(), ledger.Run{ID: "a", Flow: flow, Table: "accounts"})
		require.NoError(t, err)
		require.Equal(t, ledger.RunRunning, got.State)
		require.Equal(t, clock(), got.Started)
		require.NoError(t, l.SetRunState(t.Context(), "a", ledger.RunFailed, "because\x00\xff"))
		require.ErrorIs(t, l.SetRunState(t.Context(), "none", ledger.RunFailed, ""), ledger.ErrNotFound)
		_, err = l.Run(t.Context(), "none")
		require.ErrorIs(t, err, ledger.ErrNotFound)

		runs, err := l.Runs(t.Context(), ledger.RunFilter{Flow: flow})
		require.NoError(t, err)
		require.Len(t, runs, 2)
		require.Equal(t, "a", runs[0].ID)
		runs0, runs1 := runs[0], runs[1]
		require.Equal(t, "because\uFFFD", runs[0].Error)
		require.Equal(t, clock(), runs[0].Ended)
		runs, err = l.Runs(t.Context(), ledger.RunFilter{Flow: flow, Table: table, State: "RUNNING", Limit: 1})
		require.NoError(t, err)
		require.Equal(t, []ledger.Run{full}, runs)
		for name, tc := range map[string]struct {
			filter ledger.RunFilter
			want   []string
		}{
			"of a kind":          {ledger.RunFilter{Kind: "delta"}, []string{"b"}},
			"in one of states":   {ledger.RunFilter{States: []ledger.RunState{"FAILED", "INCOMPLETE"}}, []string{"a"}},
			"in any of states":   {ledger.RunFilter{States: []ledger.RunState{"FAILED", "RUNNING"}}, []string{"a", "b"}},
			"since, included":    {ledger.RunFilter{Since: noon}, []string{"a", "b"}},
			"after the first":    {ledger.RunFilter{Before: ledger.RunPlace{Started: runs0.Started, ID: runs0.ID}}, []string{"b"}},
			"after the last":     {ledger.RunFilter{Before: ledger.RunPlace{Started: runs1.Started, ID: runs1.ID}}, nil},
			"since, begun later": {ledger.RunFilter{Since: clock().Add(time.Hour)}, nil},
		} {
			runs, err = l.Runs(t.Context(), tc.filter)
			require.NoError(t, err)
			var got []string
			for _, r := range runs {
				got = append(got, r.ID)
			}
			require.Equal(t, tc.want, got, name)
		}
		require.NoError(t, l.SetRunState(t.Context(), "a", ledger.RunRunning, ""))
		back, err := l.Run(t.Context(), "a")
		require.NoError(t, err)
		require.Zero(t, back.Ended)
	})
}

func TestRevisionsAndEngineCalls(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		require.NoError(t, l.Ping(t.Context()))
		_, err := l.Revision(t.Context(), "h")
		require.ErrorIs(t, err, ledger.ErrNotFound)
		require.NoError(t, l.SaveRevision(t.Context(), "h", []byte("1")))
		require.NoError(t, l.SaveRevision(t.Context(), "h", []byte("2")))
		doc, err := l.Revision(t.Context(), "h")
		require.NoError(t, err)
		require.Equal(t, []byte("2"), doc)

		for _, at := range []time.Time{noon, noon.Add(59 * time.Minute), noon.Add(time.Hour)} {
			require.NoError(t, l.AddEngineCalls(t.Context(), at, "post", 2))
		}
		require.NoError(t, l.AddEngineCalls(t.Context(), noon.Add(-time.Hour), "post", 1))
		calls, err := l.EngineCalls(t.Context(), noon.Add(30*time.Minute))
		require.NoError(t, err)
		require.Equal(t, []ledger.EngineCalls{{Hour: noon, Kind: "post", Calls: 4}, {Hour: noon.Add(time.Hour), Kind: "post", Calls: 2}}, calls)
	})
}

// What is reserved counts against the limit and not as made.
func TestReservedEngineCalls(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		reserve := func(kind string, n, granted, used int64) {
			t.Helper()
			g, u, err := l.ReserveEngineCalls(t.Context(), noon, kind, n, 100)
			require.NoError(t, err)
			require.Equal(t, [2]int64{granted, used}, [2]int64{g, u})
		}
		reserve("loads", 60, 60, 60)
		reserve("changes", 60, 40, 100)
		reserve("loads", 1, 0, 100)
		calls, err := l.EngineCalls(t.Context(), noon)
		require.NoError(t, err)
		require.Empty(t, calls)
		require.NoError(t, l.UseEngineCalls(t.Context(), noon, "loads", 25, 35))
		require.NoError(t, l.UseEngineCalls(t.Context(), noon, "changes", 40, 0))
		calls, err = l.EngineCalls(t.Context(), noon)
		require.NoError(t, err)
		require.Equal(t, []ledger.EngineCalls{{Hour: noon, Kind: "changes", Calls: 40}, {Hour: noon, Kind: "loads", Calls: 25}}, calls)
		reserve("loads", 100, 35, 100)
	})
}
