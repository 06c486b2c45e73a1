package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

const vehicles = "vehicles"

// child opens a lane of the child table.
func childLane(t testing.TB, l *ledger.Ledger, run string, n int) *ledger.Lane {
	t.Helper()
	_, err := l.BeginRun(t.Context(), ledger.Run{ID: run, Flow: flow, Table: vehicles, Kind: "delta", State: "RUNNING", Started: noon})
	require.NoError(t, err)
	_, err = l.StagePage(t.Context(), ledger.PageInput{Run: run, Table: vehicles, Number: 1, Lanes: [][]ledger.Entry{entries(0, n)}})
	require.NoError(t, err)
	return openLane(t, l, run, 1, 0)
}

// parks is the result of entry i of a lane as waiting for a contact.
func parks(ln *ledger.Lane, i int, parent string) ledger.Result {
	e := ln.Entries[i]
	return ledger.Result{Index: i, Outcome: ledger.ParkedOut,
		Record: &ledger.Record{Key: e.Key, Version: e.Version, State: ledger.Parked, Run: ln.ID.Run},
		Park:   &ledger.ParkedItem{Key: e.Key, Version: e.Version, Waits: ledger.WaitsForParent, Parent: ledger.Parent{Table: table, Key: parent}, Payload: e.Raw}}
}

// arrives is the result of entry i of a lane of contacts as now in the target.
func arrives(ln *ledger.Lane, i int) ledger.Result {
	s := created(ln, i)
	s.Arrived = true
	return s
}

func ready(t testing.TB, l *ledger.Ledger, of string) []string {
	t.Helper()
	found, err := l.Ready(t.Context(), of, 0)
	require.NoError(t, err)
	var keys []string
	for _, e := range found {
		keys = append(keys, e.Key)
	}
	return keys
}

func parkedCount(t testing.TB, l *ledger.Ledger) int64 {
	t.Helper()
	n, err := l.ParkedCount(t.Context(), vehicles)
	require.NoError(t, err)
	return n
}

// R17.7: what waits for a parent goes on when the parent comes, and only then.
func TestAParentWakesItsChildren(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		parents, children := lane(t, l, "p1", 2), childLane(t, l, "c1", 3)
		require.NoError(t, l.Commit(t.Context(), children.ID, children.Token, []ledger.Result{
			parks(children, 0, parents.Entries[0].Key), parks(children, 1, parents.Entries[1].Key), parks(children, 2, parents.Entries[0].Key),
		}))
		require.Empty(t, ready(t, l, vehicles))
		waiting, err := l.Parked(t.Context(), vehicles, []string{children.Entries[1].Key, "other"})
		require.NoError(t, err)
		require.Len(t, waiting, 1)
		require.Equal(t, ledger.Parent{Table: table, Key: parents.Entries[1].Key}, waiting[children.Entries[1].Key].Parent)
		require.False(t, waiting[children.Entries[1].Key].Ready)

		require.NoError(t, l.Commit(t.Context(), parents.ID, parents.Token, []ledger.Result{arrives(parents, 0)}))
		require.Equal(t, []string{children.Entries[0].Key, children.Entries[2].Key}, ready(t, l, vehicles))
		found, err := l.Ready(t.Context(), vehicles, 1)
		require.NoError(t, err)
		require.Equal(t, []ledger.Entry{children.Entries[0]}, found, "the change as it was staged")

		again := childLane(t, l, "c2", 1)
		done := created(again, 0)
		done.Resolve, done.Links = true, []ledger.Parent{{Table: table, Key: parents.Entries[0].Key}}
		require.NoError(t, l.Commit(t.Context(), again.ID, again.Token, []ledger.Result{done}))
		require.Equal(t, []string{children.Entries[2].Key}, ready(t, l, vehicles))
		require.EqualValues(t, 2, parkedCount(t, l))
		waiting, err = l.Parked(t.Context(), vehicles, []string{children.Entries[0].Key, children.Entries[2].Key})
		require.NoError(t, err)
		require.Len(t, waiting, 1)
		require.True(t, waiting[children.Entries[2].Key].Ready)

		kids, err := l.Children(t.Context(), table, []string{parents.Entries[0].Key, parents.Entries[1].Key})
		require.NoError(t, err)
		require.Equal(t, map[string]bool{parents.Entries[0].Key: true}, kids)
		holds, err := l.Holds(t.Context(), table, []string{parents.Entries[0].Key, parents.Entries[1].Key})
		require.NoError(t, err)
		require.Equal(t, map[string]bool{parents.Entries[0].Key: true}, holds)
	})
}

// A parent that came before its child was parked is not waited for.
func TestAChildIsReadyWhenItsParentIsThere(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		parents, children := lane(t, l, "p1", 1), childLane(t, l, "c1", 1)
		require.NoError(t, l.Commit(t.Context(), parents.ID, parents.Token, []ledger.Result{arrives(parents, 0)}))
		require.NoError(t, l.Commit(t.Context(), children.ID, children.Token, []ledger.Result{parks(children, 0, parents.Entries[0].Key)}))
		require.Len(t, ready(t, l, vehicles), 1)
	})
}

// A parent whose arrival told nobody is found all the same.
func TestReleaseUnblockedFindsWhatNobodyWoke(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		parents, children := lane(t, l, "p1", 1), childLane(t, l, "c1", 1)
		require.NoError(t, l.Commit(t.Context(), children.ID, children.Token, []ledger.Result{parks(children, 0, parents.Entries[0].Key)}))
		require.NoError(t, l.Commit(t.Context(), parents.ID, parents.Token, []ledger.Result{created(parents, 0)})) // not Arrived
		require.Empty(t, ready(t, l, vehicles))
		n, err := l.ReleaseUnblocked(t.Context(), vehicles)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.Len(t, ready(t, l, vehicles), 1)
	})
}

// A delete of a hidden record waits for its parent, until that is there or is
// known not to come any more; a change waits on, for the source will say more.
func TestAHiddenDeleteGoesOnWhenItsParentIsDeleted(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		parents, children := lane(t, l, "p1", 2), childLane(t, l, "c1", 4)
		hidden := func(i int, parent string) ledger.Result {
			s := parks(children, i, parent)
			s.Record.Payload, s.Record.Fingerprint = []byte(`{"a":"b"}`), []byte{1}
			s.Park.Deleted, s.Park.Payload = true, nil
			return s
		}
		a, b := parents.Entries[0].Key, parents.Entries[1].Key
		require.NoError(t, l.Commit(t.Context(), children.ID, children.Token, []ledger.Result{hidden(0, a), parks(children, 1, a), hidden(2, b), hidden(3, "nowhere")}))
		count := func(want int64) {
			t.Helper()
			n, err := l.HiddenDeletes(t.Context(), vehicles)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		count(3)
		gone := &ledger.Record{Key: a, State: ledger.Deleted, Run: "p1"}
		left := &ledger.Record{Key: b, State: ledger.Filtered, Run: "p1"}
		require.NoError(t, l.Commit(t.Context(), parents.ID, parents.Token, []ledger.Result{
			{Index: 0, Outcome: ledger.Removed, Record: gone}, {Index: 1, Outcome: ledger.FilteredOut, Record: left}}))
		n, err := l.ReleaseUnblocked(t.Context(), vehicles)
		require.NoError(t, err)
		require.Equal(t, int64(1), n)
		require.Equal(t, []string{children.Entries[0].Key}, ready(t, l, vehicles))
		count(2)
	})
}

// A delete waits until no child is left, or long enough.
func TestADeleteWaitsForItsChildren(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		now := noon
		l := open(func(o *ledger.Options) { o.Now = func() time.Time { return now } })
		parents, children := lane(t, l, "p1", 2), childLane(t, l, "c1", 2)
		var group []ledger.Result
		for i := range children.Entries {
			s := created(children, i)
			s.Links = []ledger.Parent{{Table: table, Key: parents.Entries[i].Key}}
			group = append(group, s)
		}
		require.NoError(t, l.Commit(t.Context(), children.ID, children.Token, group))
		group = nil
		for i, e := range parents.Entries {
			group = append(group, ledger.Result{Index: i, Outcome: ledger.ParkedOut,
				Record: &ledger.Record{Key: e.Key, State: ledger.Parked, Payload: []byte(`{}`)},
				Park:   &ledger.ParkedItem{Key: e.Key, Waits: ledger.WaitsForChildren, Deleted: true}})
		}
		require.NoError(t, l.Commit(t.Context(), parents.ID, parents.Token, group))
		_, err := l.ReleaseUnblocked(t.Context(), table)
		require.NoError(t, err)
		require.Empty(t, ready(t, l, table))

		gone := created(children, 0)
		gone.Record.State, gone.Record.Payload, gone.Links = ledger.Deleted, nil, []ledger.Parent{}
		require.NoError(t, l.Commit(t.Context(), children.ID, children.Token, []ledger.Result{gone}))
		_, err = l.ReleaseUnblocked(t.Context(), table)
		require.NoError(t, err)
		require.Equal(t, []string{parents.Entries[0].Key}, ready(t, l, table))

		now = now.Add(11 * time.Minute)
		_, err = l.ReleaseUnblocked(t.Context(), table)
		require.NoError(t, err)
		require.Len(t, ready(t, l, table), 2)
		found, err := l.Ready(t.Context(), table, 0)
		require.NoError(t, err)
		require.True(t, found[1].Deleted)
		require.Nil(t, found[1].Raw)
	})
}

// Of several results of one key in a group the last says whether it waits.
func TestTheLastChangeDecidesWhetherARecordWaits(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		children := childLane(t, l, "c1", 2)
		k := children.Entries[0].Key
		first, second := parks(children, 0, "nobody"), created(children, 1)
		second.Record.Key, second.Resolve = k, true
		require.NoError(t, l.Commit(t.Context(), children.ID, children.Token, []ledger.Result{first, second}))
		require.Zero(t, parkedCount(t, l))
		third := parks(children, 0, "nobody")
		require.NoError(t, l.Commit(t.Context(), children.ID, children.Token, []ledger.Result{third, third}))
		require.EqualValues(t, 1, parkedCount(t, l))
	})
}

// The children of a record that was created anew are looked at, once; what waits
// already stays as it is.
func TestChildrenOfARenewedRecordAreDoubtful(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		ctx, l := t.Context(), open()
		parents, children := lane(t, l, "p1", 2), childLane(t, l, "c1", 4)
		a, b := parents.Entries[0].Key, parents.Entries[1].Key
		child := func(i int) string { return children.Entries[i].Key }
		named := func(i int, parent string) ledger.Result {
			s := created(children, i)
			s.Links = []ledger.Parent{{Table: table, Key: parent}}
			return s
		}
		waits := parks(children, 2, "nowhere")
		waits.Links = []ledger.Parent{{Table: table, Key: a}}
		require.NoError(t, l.Commit(ctx, children.ID, children.Token, []ledger.Result{named(0, a), named(1, b), waits, named(3, a)}))
		doubtful := func() map[string]bool {
			due, err := l.DueDoubts(ctx, vehicles, 0)
			require.NoError(t, err)
			got := map[string]bool{}
			for key, why := range due {
				require.Len(t, why, 1)
				require.Equal(t, ledger.CarriesNothing, why[0].Carries)
				got[key] = true
			}
			return got
		}
		require.Empty(t, doubtful())
		require.NoError(t, l.Commit(ctx, parents.ID, parents.Token, []ledger.Result{arrives(parents, 1)}))
		require.Empty(t, doubtful(), "it was never away")
		renewed := arrives(parents, 0)
		renewed.Renewed = true
		for range 2 { // a retry
			require.NoError(t, l.Commit(ctx, parents.ID, parents.Token, []ledger.Result{renewed}))
		}
		require.Equal(t, map[string]bool{child(0): true, child(3): true}, doubtful())
		seen := created(children, 0)
		seen.Look = &ledger.Look{Key: child(0), At: l.Now()}
		require.NoError(t, l.Commit(ctx, children.ID, children.Token, []ledger.Result{seen}))
		require.Equal(t, map[string]bool{child(3): true}, doubtful())
	})
}

// A parent that somebody deleted in the target is waited for until it is created anew, or
// for a while.
func TestADeleteWaitsForAParentThatSomebodyErased(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		now := noon
		l := open(func(o *ledger.Options) { o.Now = func() time.Time { return now } })
		parents, children := lane(t, l, "p1", 2), childLane(t, l, "c1", 2)
		require.NoError(t, l.Commit(t.Context(), parents.ID, parents.Token, []ledger.Result{arrives(parents, 0), arrives(parents, 1)}))
		var group []ledger.Result
		for i := range children.Entries {
			s := parks(children, i, parents.Entries[i].Key)
			s.Park.Deleted, s.Park.ParentRun = true, "p1"
			group = append(group, s)
		}
		require.NoError(t, l.Commit(t.Context(), children.ID, children.Token, group))
		_, err := l.ReleaseUnblocked(t.Context(), vehicles)
		require.NoError(t, err)
		require.Empty(t, ready(t, l, vehicles))

		anew := created(parents, 0)
		anew.Record.CreatedRun, anew.Renewed = "p2", true
		require.NoError(t, l.Commit(t.Context(), parents.ID, parents.Token, []ledger.Result{anew}))
		require.Equal(t, []string{children.Entries[0].Key}, ready(t, l, vehicles))

		now = now.Add(61 * time.Minute)
		_, err = l.ReleaseUnblocked(t.Context(), vehicles)
		require.NoError(t, err)
		require.Len(t, ready(t, l, vehicles), 2)
	})
}

// A child whose request was under way while its parent was created anew is looked at.
func TestAChildThatWasUnderWayWhenItsParentWasRenewedIsDoubtful(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		parents, children := lane(t, l, "p1", 2), childLane(t, l, "c1", 2)
		renewed := created(parents, 0)
		renewed.Renewed = true
		require.NoError(t, l.Commit(t.Context(), parents.ID, parents.Token, []ledger.Result{renewed, arrives(parents, 1)}))
		var group []ledger.Result
		for i := range children.Entries {
			s := created(children, i)
			s.Links = []ledger.Parent{{Table: table, Key: parents.Entries[i].Key}}
			group = append(group, s)
		}
		require.NoError(t, l.Commit(t.Context(), children.ID, children.Token, group))
		n, err := l.DoubtCount(t.Context(), vehicles)
		require.NoError(t, err)
		require.Equal(t, int64(1), n)

		later := childLane(t, l, "c2", 2)
		s := created(later, 1)
		s.Links = []ledger.Parent{{Table: table, Key: parents.Entries[0].Key}}
		require.NoError(t, l.Commit(t.Context(), later.ID, later.Token, []ledger.Result{s}))
		n, err = l.DoubtCount(t.Context(), vehicles)
		require.NoError(t, err)
		require.Equal(t, int64(1), n, "one that was opened afterwards is not")
	})
}
