package run_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// behaviour is how the target of these tests answers a key.
type behaviour int

const (
	fine     behaviour = iota
	busy               // fails for a passing reason, the first time
	refused            // always
	panics             // the program itself fails at it
	poisoned           // a group with it is refused as a whole
)

// target records what it was sent, and in which order.
type target struct {
	mu     sync.Mutex
	keys   map[string]behaviour
	busied map[string]bool
	wrote  map[string][]string // key -> versions, in order
	groups []int
	block  map[string]error // answered to any group that holds the key
}

// flow writes to target in groups of at most size.
type flow struct {
	*target
	lane   *ledger.Lane
	size   int
	counts map[run.Happened]int
}

func (f *flow) Units(context.Context, *run.Attempt[string]) ([]*run.Unit[string], error) {
	return run.Units(f.lane, func(key string) string { return key }), nil
}

func (f *flow) GroupSize() int { return f.size }

func (f *flow) Refuse(u *run.Unit[string], entry int, why *apierr.Error) ledger.Result {
	return ledger.Result{Outcome: ledger.Refused, Quarantine: &ledger.QuarantineItem{Key: f.lane.Entries[entry].Key, Class: string(why.Class), Code: why.Reason, Message: why.Message}}
}

func (f *flow) Count(what run.Happened, results ...ledger.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[what] += max(1, len(results))
}

func (f *flow) Write(ctx context.Context, a *run.Attempt[string], group []*run.Unit[string]) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups = append(f.groups, len(group))
	for _, u := range group {
		if err := f.block[u.State]; err != nil {
			return err
		}
		switch f.keys[u.State] {
		case panics:
			panic("out of range: " + u.State)
		case poisoned:
			return &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonInvalidValue, Message: "one of the group is bad"}
		}
	}
	for _, u := range group {
		switch kind := f.keys[u.State]; {
		case kind == busy && !f.busied[u.State]:
			f.busied[u.State] = true
			a.Fail(u, &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonServiceFault, Ambiguous: true})
			continue
		case kind == refused:
			a.Fail(u, &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonInvalidValue, Message: "bad"})
			continue
		}
		results := make([]ledger.Result, len(u.Entries))
		for n, i := range u.Entries {
			f.wrote[u.State] = append(f.wrote[u.State], f.lane.Entries[i].Version)
			results[n] = ledger.Result{Index: i, Outcome: ledger.Updated}
		}
		a.DoneTogether(u, results)
	}
	return nil
}

// world is a ledger with one staged lane.
type world struct {
	t     *testing.T
	books *ledger.Ledger
	lanes *run.Lanes
	target
	last *flow
	size int
}

func newWorld(t *testing.T, entries []ledger.Entry) *world {
	t.Helper()
	books, err := ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: filepath.Join(t.TempDir(), "ledger.db"), Synchronous: "normal", Keys: ledgertest.Keys})
	require.NoError(t, err)
	t.Cleanup(func() { _ = books.Close() })
	_, err = books.BeginRun(t.Context(), ledger.Run{ID: "r", Flow: "test", Table: "things", Kind: "delta", Started: time.Now()})
	require.NoError(t, err)
	_, err = books.StagePage(t.Context(), ledger.PageInput{Run: "r", Table: "things", Number: 1, Phase: "delta", Lanes: [][]ledger.Entry{entries}})
	require.NoError(t, err)
	return &world{t: t, books: books, size: 5, lanes: run.NewLanes(books, slog.New(slog.DiscardHandler), nil, 4, nil),
		target: target{keys: map[string]behaviour{}, busied: map[string]bool{}, wrote: map[string][]string{}, block: map[string]error{}}}
}

// write is one attempt of the activity.
func (w *world) write() (*activities.LaneResult, error) {
	w.t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	env.SetTestTimeout(time.Minute)
	do := func(ctx context.Context, in activities.LaneInput) (*activities.LaneResult, error) {
		return run.WriteLane(ctx, w.lanes, in, func(_ context.Context, lane *ledger.Lane) (run.Writer[string], error) {
			w.last = &flow{target: &w.target, lane: lane, size: w.size, counts: map[run.Happened]int{}}
			return w.last, nil
		})
	}
	env.RegisterActivity(do)
	val, err := env.ExecuteActivity(do, activities.LaneInput{RunRef: activities.RunRef{Run: "r", Table: "things"}, Page: 1})
	if err != nil {
		return nil, err
	}
	var out activities.LaneResult
	require.NoError(w.t, val.Get(&out))
	return &out, nil
}

// quarantined are the codes of the refused keys.
func (w *world) quarantined() map[string]string {
	w.t.Helper()
	items, err := w.books.Quarantined(w.t.Context(), ledger.QuarantineFilter{Flow: "test", Limit: 100})
	require.NoError(w.t, err)
	out := map[string]string{}
	for _, q := range items {
		out[q.Key] = q.Code
	}
	return out
}

func entry(key string, version int) ledger.Entry {
	return ledger.Entry{Key: key, Version: fmt.Sprint(version), Raw: []byte(`{}`)}
}

// Whatever the units do, each entry has one result in the end, those of a key in
// their order, and what is wrong with one holds no other up.
func TestEveryEntryOfALaneComesToAResult(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 1))
			var entries []ledger.Entry
			want := map[string][]string{}
			kinds := map[string]behaviour{}
			for i := range 1 + rng.IntN(60) {
				key := fmt.Sprint("k", rng.IntN(25))
				entries = append(entries, entry(key, i))
				want[key] = append(want[key], fmt.Sprint(i))
				kinds[key] = behaviour(rng.IntN(5))
				if rng.IntN(2) == 0 {
					kinds[key] = fine
				}
			}
			w := newWorld(t, entries)
			w.keys, w.size = kinds, 1+rng.IntN(12)
			got, err := w.write()
			require.NoError(t, err)
			require.EqualValues(t, len(entries), got.Counts.Read)
			require.Equal(t, got.Counts.Read, got.Counts.Settled())
			codes := map[string]string{}
			for key, kind := range kinds {
				switch kind {
				case fine, busy:
					require.Equal(t, want[key], w.wrote[key], key)
					continue
				case panics:
					codes[key] = run.CodePanic
				default:
					codes[key] = apierr.ReasonInvalidValue
				}
				require.Empty(t, w.wrote[key])
			}
			require.Equal(t, codes, w.quarantined())
			again, err := w.write()
			require.NoError(t, err)
			require.Equal(t, got.Counts, again.Counts, "a lane that is done is not written again")
		})
	}
}

// An attempt that fails leaves what it did in the ledger, and the next one does the rest.
func TestAnAttemptGoesOnWhereTheLastOneEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []ledger.Entry{entry("a", 1), entry("b", 2), entry("a", 3), entry("c", 4)})
	w.size = 1
	w.block["b"] = &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonCredentials, Message: "the secret has expired"}
	_, err := w.write()
	require.ErrorContains(t, err, "the secret has expired")
	lanes, err := w.books.UnknownOutcomes(t.Context(), "r")
	require.NoError(t, err)
	require.Empty(t, lanes, "it was released in good order")
	before := len(w.wrote["a"])
	delete(w.block, "b")
	got, err := w.write()
	require.NoError(t, err)
	require.Equal(t, activities.Counts{Read: 4, Updated: 4}, got.Counts)
	require.Equal(t, []string{"1", "3"}, w.wrote["a"], "written once, %d before", before)
	require.Equal(t, []string{"2"}, w.wrote["b"])
}

// A unit of which it is not known what became of its write says so to the ledger.
func TestAnUnknownOutcomeIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []ledger.Entry{entry("a", 1)})
	w.size = 1
	w.block["a"] = &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonNetwork, Ambiguous: true, Message: "the connection was reset"}
	_, err := w.write()
	require.ErrorContains(t, err, "1 of 1 records of the lane are still to be written")
	lanes, err := w.books.UnknownOutcomes(t.Context(), "r")
	require.NoError(t, err)
	require.Len(t, lanes, 1)
}

// openGate was never closed: another service than the target asks to wait.
type openGate struct{ made time.Time }

func (g openGate) Until() time.Time               { return g.made }
func (g openGate) Wait(ctx context.Context) error { return ctx.Err() }

// A service beside the target that asks to wait, such as the one that issues tokens,
// is waited for: the lane does not spin at the target's open gate.
func TestALaneWaitsForWhoeverAskedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []ledger.Entry{entry("a", 1), entry("b", 2)})
	w.size, w.lanes.Gate, w.lanes.Width = 1, openGate{time.Now()}, 2
	w.block["a"] = &apierr.Error{Class: apierr.Throttled, Reason: apierr.ReasonThrottled, RetryAfter: 10 * time.Minute, Message: "tokens are throttled"}
	_, err := w.write()
	require.ErrorContains(t, err, "tokens are throttled")
	require.Less(t, len(w.groups), 8, "tries of both")
	require.Equal(t, []string{"2"}, w.wrote["b"])
}
