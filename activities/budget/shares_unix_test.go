//go:build unix

package budget

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
	"causeway.dev/internal/transport"
)

// sharer is what a process of these tests is to be: a worker that sends as much as it may.
type sharer struct {
	DSN, URL string
	InFlight int
	Rate     float64
	Every    time.Duration
}

const sharerEnv = "CAUSEWAY_BUDGET_SHARER"

func TestMain(m *testing.M) {
	if text := os.Getenv(sharerEnv); text != "" {
		var s sharer
		err := json.Unmarshal([]byte(text), &s)
		if err == nil {
			err = s.work(context.Background())
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// work sends until the process is killed.
func (s sharer) work(ctx context.Context) error {
	l, err := ledger.Open(ctx, ledger.Options{Driver: "postgres", DSN: s.DSN, Worker: true})
	if err != nil {
		return err
	}
	limiter := transport.NewLimiter(transport.LimiterOptions{Max: s.InFlight, RatePerSecond: s.Rate, LearnRate: s.Rate > 0})
	gate := transport.NewGate()
	client := transport.New(transport.Options{Service: "campaign", Gate: gate, Limiter: limiter, Timeout: time.Minute})
	shares := NewShares(SharesOptions{
		Ledger: l, Worker: l.Worker(), Name: "acme@host:1", Every: s.Every, Logger: slog.Default(),
		Limits: []Shared{{Name: "campaign", Limiter: limiter, InFlight: s.InFlight, Rate: s.Rate}}, Gates: map[string]*transport.Gate{"campaign": gate},
	})
	for range 3 * s.InFlight {
		go func() {
			for gate.Wait(ctx) == nil {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader("{}"))
				if err != nil {
					return
				}
				req.Header.Set("Worker", string(l.Worker()))
				_, _ = client.Do(ctx, "write", req) // the service counts
			}
		}()
	}
	shares.Run(ctx)
	return ctx.Err()
}

// service counts what workers send.
type service struct {
	t      *testing.T
	url    string
	answer time.Duration

	mu       sync.Mutex
	inFlight map[string]int
	most     int // requests in flight at once, ever
	came     []arrival
	refuses  time.Time // requests are told to wait until then
}

type arrival struct {
	at     time.Time
	worker string
}

func newService(t *testing.T, answer time.Duration) *service {
	s := &service{t: t, answer: answer, inFlight: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	worker := r.Header.Get("Worker")
	s.mu.Lock()
	s.inFlight[worker]++
	all := 0
	for _, n := range s.inFlight {
		all += n
	}
	s.most = max(s.most, all)
	s.came = append(s.came, arrival{time.Now(), worker})
	wait := time.Until(s.refuses)
	s.mu.Unlock()
	if wait > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int(wait/time.Second)+1))
		w.WriteHeader(http.StatusTooManyRequests)
	} else {
		time.Sleep(s.answer)
	}
	s.mu.Lock()
	s.inFlight[worker]--
	s.mu.Unlock()
}

// busy says whether so many workers had n requests in flight each, at least, at a moment.
func (s *service) busy(workers, n int) func() bool {
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		have := 0
		for _, inFlight := range s.inFlight {
			if inFlight >= n {
				have++
			}
		}
		return have >= workers
	}
}

func (s *service) mostInFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// within is the most requests that came in any stretch of time so long.
func (s *service) within(d time.Duration) (most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := 0
	for i, a := range s.came {
		for a.at.Sub(s.came[first].at) > d {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.came)
}

// start starts a worker process.
func (s sharer) start(t *testing.T) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(s)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), sharerEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	return cmd
}

const patience = time.Minute

// However workers come, stop, wake and die, the service never sees more requests at a time
// than are allowed to all of them; and what one does not use any more the others do.
func TestWorkersNeverHaveMoreInFlightThanAllMay(t *testing.T) {
	t.Parallel()
	const limit = 6
	s := newService(t, 20*time.Millisecond)
	one := sharer{DSN: ledgertest.Postgres(t).DSN, URL: s.url, InFlight: limit, Every: 200 * time.Millisecond}
	first := one.start(t)
	require.Eventually(t, s.busy(1, limit), patience, time.Millisecond, "one uses all of it")
	one.start(t)
	one.start(t)
	require.Eventually(t, s.busy(3, limit/3), patience, time.Millisecond, "each has a third")

	require.NoError(t, first.Process.Signal(syscall.SIGSTOP))
	require.Eventually(t, s.busy(2, limit/2), patience, time.Millisecond, "the share of one that stands still lapses")
	require.NoError(t, first.Process.Signal(syscall.SIGCONT))
	require.Eventually(t, s.busy(3, limit/3), patience, time.Millisecond, "it gets a share again")

	require.NoError(t, first.Process.Kill())
	require.Eventually(t, s.busy(2, limit/2), patience, time.Millisecond, "the share of one that was killed is the others'")
	require.LessOrEqual(t, s.mostInFlight(), limit)
}

// The rate is that of all workers together, also while they come.
func TestWorkersKeepTheRateTogether(t *testing.T) {
	t.Parallel()
	const perSecond, workers = 30, 3
	s := newService(t, time.Millisecond)
	one := sharer{DSN: ledgertest.Postgres(t).DSN, URL: s.url, InFlight: 12, Rate: perSecond, Every: 200 * time.Millisecond}
	for i := range workers {
		one.start(t)
		before := s.count()
		require.Eventually(t, func() bool { return s.count() > before+perSecond*(i+1) }, patience, time.Millisecond)
	}
	for _, d := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		// Each may be at the beginning of its pause at both ends; arrivals are not departures.
		require.LessOrEqual(t, s.within(d), int(perSecond*d.Seconds())+2*workers+perSecond/10, d)
	}
}

// What the service asks of one worker all keep to.
func TestARefusalStopsAllWorkers(t *testing.T) {
	t.Parallel()
	const workers, limit = 3, 6
	s := newService(t, 20*time.Millisecond)
	one := sharer{DSN: ledgertest.Postgres(t).DSN, URL: s.url, InFlight: limit, Every: 10 * time.Second} // only what is told at once counts
	for range workers {
		one.start(t)
	}
	require.Eventually(t, s.busy(workers, 1), patience, time.Millisecond)
	s.mu.Lock()
	s.refuses = time.Now().Add(3 * time.Second)
	before := len(s.came)
	s.mu.Unlock()
	require.Eventually(t, func() bool { return s.count() > before+100 }, patience, time.Millisecond, "they go on afterwards")
	s.mu.Lock()
	defer s.mu.Unlock()
	refused := 0
	for _, a := range s.came[before:] {
		if a.at.Before(s.refuses) {
			refused++
		}
	}
	require.LessOrEqual(t, refused, 5*limit, "each had what it could send before it was told")
	require.Positive(t, refused)
}
