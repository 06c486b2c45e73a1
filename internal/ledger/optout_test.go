package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// chosen is the result of entry i of a lane with what is known of its contact.
func chosen(ln *ledger.Lane, i int, o ledger.OptOutResult) ledger.Result {
	o.State.Contact = ln.Entries[i].Key
	return ledger.Result{Index: i, Outcome: ledger.Updated, OptOut: &o}
}

func decided(pair string, at time.Time, effect string) ledger.OptOutDecision {
	return ledger.OptOutDecision{At: at, Pair: pair, Rule: "campaign-newer", Out: true, Effect: effect,
		Dynamics: ledger.Seen{Known: true, At: noon.Add(-time.Hour)}, Campaign: ledger.Seen{Known: true, Out: true, At: noon}}
}

// R19: what is known of a contact and the evidence commit with the outcome.
func TestOptOutsAreKeptWithTheirEvidence(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "a")
		stage(t, l, "a", 1, 3)
		ln := openLane(t, l, "a", 1, 0)
		stale := ln.Token
		ln = openLane(t, l, "a", 1, 0)
		err := l.Commit(t.Context(), ln.ID, stale, []ledger.Result{chosen(ln, 0, ledger.OptOutResult{State: ledger.OptOut{Doc: []byte("old")}})})
		require.ErrorIs(t, err, ledger.ErrFenced)

		first := chosen(ln, 0, ledger.OptOutResult{State: ledger.OptOut{Doc: []byte("1")}, Decisions: []ledger.OptOutDecision{decided("a=b", noon, "dynamics")}})
		again := chosen(ln, 0, ledger.OptOutResult{State: ledger.OptOut{Doc: []byte("2")}, Decisions: []ledger.OptOutDecision{
			decided("a=b", noon.Add(time.Minute), "both"), decided("c=d", noon.Add(time.Minute), "")}})
		other := chosen(ln, 1, ledger.OptOutResult{State: ledger.OptOut{Doc: []byte("3"), Waits: ledger.WaitsForProfile, Due: noon},
			Decisions: []ledger.OptOutDecision{{At: noon, Pair: "a=b", Rule: "only-dynamics", Out: true, Dynamics: ledger.Seen{Known: true, Out: true, At: noon}, Effect: "waits"}}})
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{first, again, other, {Index: 2, Outcome: ledger.Unchanged}}))
		_, err = l.CloseLane(t.Context(), ln.ID, ln.Token)
		require.NoError(t, err)

		keys := []string{ln.Entries[0].Key, ln.Entries[1].Key, ln.Entries[2].Key}
		known, err := l.OptOuts(t.Context(), keys)
		require.NoError(t, err)
		require.Len(t, known, 2)
		require.Equal(t, "2", string(known[keys[0]].Doc), "the last of a group counts")
		require.Equal(t, "a", known[keys[0]].Run)
		require.Equal(t, ledger.WaitsForProfile, known[keys[1]].Waits)

		all, err := l.OptOutDecisions(t.Context(), ledger.DecisionFilter{})
		require.NoError(t, err)
		require.Len(t, all, 4)
		for before, want := range map[time.Duration]bool{30 * time.Second: false, time.Hour: true} {
			changed, err := l.ProfilesChanged(t.Context(), noon.Add(-time.Hour), noon.Add(before))
			require.NoError(t, err)
			require.Equal(t, want, changed, "what goes to Dynamics changes no profile")
		}
		var paged []ledger.OptOutDecision
		for f := (ledger.DecisionFilter{Limit: 1}); ; {
			got, err := l.OptOutDecisions(t.Context(), f)
			require.NoError(t, err)
			if len(got) == 0 {
				break
			}
			paged = append(paged, got...)
			f.After = &got[0]
		}
		require.Equal(t, all, paged)
		one, err := l.OptOutDecisions(t.Context(), ledger.DecisionFilter{Contact: keys[1]})
		require.NoError(t, err)
		require.Len(t, one, 1)
		require.Equal(t, ledger.OptOutDecision{Contact: keys[1], At: noon, Run: "a", Pair: "a=b", Rule: "only-dynamics", Out: true,
			Dynamics: ledger.Seen{Known: true, Out: true, At: noon}, Effect: "waits"}, one[0])
		window, err := l.OptOutDecisions(t.Context(), ledger.DecisionFilter{Since: noon.Add(time.Second), Until: noon.Add(time.Hour)})
		require.NoError(t, err)
		require.Len(t, window, 2)

		n, err := l.PruneOptOutDecisions(t.Context(), noon.Add(time.Second))
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		n, err = l.PruneOptOutDecisions(t.Context(), noon)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// An opt-out without a profile is looked at again once ingress has written one;
// a refused one, when its time has come.
func TestOptOutsThatWait(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		now := noon
		l := open(func(o *ledger.Options) { o.Now = func() time.Time { return now } })
		begin(t, l, "a")
		stage(t, l, "a", 1, 4)
		ln := openLane(t, l, "a", 1, 0)
		waits := func(i int, what ledger.OptOutWaits, due time.Time) ledger.Result {
			return chosen(ln, i, ledger.OptOutResult{State: ledger.OptOut{Doc: []byte("{}"), Waits: what, Due: due}})
		}
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{
			waits(0, ledger.WaitsForProfile, noon), waits(1, ledger.WaitsForProfile, noon.Add(time.Hour)),
			waits(2, ledger.WaitsForRetry, noon.Add(time.Hour)), waits(3, "", time.Time{}),
		}))
		due := func(table string) []string {
			got, err := l.OptOutsDue(t.Context(), table, nil, 10)
			require.NoError(t, err)
			return got
		}
		require.Empty(t, due(table))
		require.Equal(t, []string{ln.Entries[0].Key}, due(""), "nobody says when a profile comes")
		now = noon.Add(2 * time.Hour)
		require.Equal(t, []string{ln.Entries[2].Key}, due(table))
		begin(t, l, "b")
		_, err := l.StagePage(t.Context(), ledger.PageInput{Run: "b", Table: table, Number: 1, Lanes: [][]ledger.Entry{ln.Entries[:2]}})
		require.NoError(t, err)
		written := openLane(t, l, "b", 1, 0)
		require.NoError(t, l.Commit(t.Context(), written.ID, written.Token, allCreated(written)))
		require.Equal(t, []string{ln.Entries[0].Key, ln.Entries[1].Key, ln.Entries[2].Key}, due(table))
		n, err := l.OptOutsWaiting(t.Context(), ledger.WaitsForProfile)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
	})
}

// Since when a choice is refused does not move with each try.
func TestSinceWhenAChoiceIsRefused(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l, pass := ledgerAndClock(open)
		begin(t, l, "a")
		stage(t, l, "a", 1, 2)
		ln := openLane(t, l, "a", 1, 0)
		is := func(entry int, waits ledger.OptOutWaits) {
			require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{
				chosen(ln, entry, ledger.OptOutResult{State: ledger.OptOut{Doc: []byte("1"), Waits: waits, Due: noon}})}))
		}
		oldest := func() time.Time {
			at, err := l.OldestRefused(t.Context())
			require.NoError(t, err)
			return at
		}
		is(1, ledger.WaitsForProfile)
		require.Zero(t, oldest(), "without a profile there is nothing to carry to")
		is(0, ledger.WaitsForRetry)
		pass(time.Hour)
		is(0, ledger.WaitsForRetry)
		is(1, ledger.WaitsForRetry)
		require.Equal(t, noon, oldest())
		is(0, "")
		require.Equal(t, noon.Add(time.Hour), oldest())
		is(1, "")
		require.Zero(t, oldest())
	})
}
