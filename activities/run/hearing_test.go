package run

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// listener is a wait with a clock that stands still.
type listener struct {
	*Hearing
	t   *testing.T
	at  time.Time
	all *Pushes
}

func listen(t *testing.T, l *ledger.Ledger) *listener {
	t.Helper()
	out := &listener{t: t, at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		all: NewPushes(PushOptions{Ledger: l, Every: 500 * time.Millisecond, Poll: time.Minute, Late: 10 * time.Second})}
	out.again()
	return out
}

// again is the next wait of the flow.
func (l *listener) again() {
	l.t.Helper()
	h, err := l.all.Listen(l.t.Context(), "contacts", 3*time.Second, l.at)
	require.NoError(l.t, err)
	h.now = func() time.Time { return l.at }
	l.Hearing = h
}

// look makes the next look, and says how long the wait for it was.
func (l *listener) look(found bool) time.Duration {
	l.t.Helper()
	rest, _ := l.Wait()
	l.at = l.at.Add(max(0, rest))
	require.True(l.t, l.Due())
	l.Begin()
	l.End(l.t.Context(), found)
	return rest
}

// push comes a while after the last look.
func (l *listener) push(after time.Duration) {
	l.at = l.at.Add(after)
	l.all.tell("contacts", l.at)
}

// Looks are made at the poll interval until a push has told of a change, then rarely, and at
// the poll interval again from the first change on that no push told of.
func TestAFlowLooksRarelyWhileItIsTold(t *testing.T) {
	t.Parallel()
	l := listen(t, ledgertest.Open(t, ledgertest.SQLite(t)))
	l.look(false)
	require.Equal(t, 3*time.Second, l.look(false), "nobody has told it anything")
	l.push(time.Second)
	require.LessOrEqual(t, l.look(true), time.Duration(0), "told")
	require.Equal(t, time.Minute, l.look(false), "it was told of the last change")
	require.Equal(t, time.Minute, l.look(true), "nobody told of this one")
	require.Equal(t, 3*time.Second, l.look(false), "so it cannot rely on being told")
	l.push(20 * time.Second)
	l.look(false)
	require.Equal(t, 3*time.Second, l.look(false), "a push that no change follows is no reason to rely on them")
	l.push(time.Second)
	l.look(true)
	l.again()
	l.look(false)
	require.Equal(t, time.Minute, l.look(false), "the next wait knows what the last one learnt")
}

// A push may come after the change was found by asking.
func TestAPushThatComesLateCounts(t *testing.T) {
	t.Parallel()
	l := listen(t, ledgertest.Open(t, ledgertest.SQLite(t)))
	l.look(true)
	l.push(2 * time.Second)
	l.look(false)
	require.Equal(t, 3*time.Second, l.look(false), "a look that a push asked for and that found nothing is made again")
	require.Equal(t, time.Minute, l.look(false))
}

// Pushes ask for no more looks than one every half second, and pushes that nothing follows for no
// more than asking as usual does.
func TestAFloodOfPushesAsksForFewLooks(t *testing.T) {
	t.Parallel()
	l := listen(t, ledgertest.Open(t, ledgertest.SQLite(t)))
	l.look(false)
	var rests []time.Duration
	for range 6 {
		for range 1000 {
			l.push(0)
			l.all.tell("contacts", l.at.Add(time.Nanosecond))
		}
		l.at = l.at.Add(time.Nanosecond)
		rests = append(rests, l.look(false).Round(time.Millisecond))
	}
	require.Equal(t, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second, 3 * time.Second}, rests)
	l.push(time.Nanosecond)
	require.Equal(t, 3*time.Second, l.look(true).Round(time.Millisecond))
	l.push(time.Nanosecond)
	require.Equal(t, 500*time.Millisecond, l.look(true).Round(time.Millisecond), "they are useful again")
}

// A look that fails is made again at the poll interval, and what it was told of still counts.
func TestALookThatFailsForgetsNoPush(t *testing.T) {
	t.Parallel()
	l := listen(t, ledgertest.Open(t, ledgertest.SQLite(t)))
	l.look(false)
	l.push(time.Second)
	l.look(true)
	l.push(time.Second)
	l.Begin()
	l.Failed()
	require.Equal(t, 3*time.Second, l.look(true))
	require.Equal(t, time.Minute, l.look(false), "it had been told")
}

// What one worker receives wakes a wait on another, however many calls there are, and a wait
// that begins later knows of it.
func TestAPushReachesTheOtherWorkers(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	o.Worker = true
	one, other := listen(t, ledgertest.Open(t, o)), listen(t, ledgertest.Open(t, o))
	var running sync.WaitGroup
	ctx, end := context.WithCancel(t.Context())
	defer running.Wait()
	defer end()
	for _, p := range []*Pushes{one.all, other.all} {
		running.Go(func() { p.Run(ctx) })
	}
	_, news := other.Wait()
	for range 100 {
		one.all.Came("contacts")
	}
	select {
	case <-news:
	case <-time.After(time.Minute):
		t.Fatal("the other worker was not told")
	}
	last, _ := other.last()
	require.False(t, last.IsZero())
	third := listen(t, ledgertest.Open(t, o))
	last, _ = third.last()
	require.False(t, last.IsZero(), "the ledger knows the last one")
}
