package simulation

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	oneSeed  = flag.Uint64("seed", 0, "the seed to repeat; 0 = several")
	lasting  = flag.Duration("for", 0, "try new seeds for so long")
	ofSeeds  = flag.Int("seeds", 0, "how many seeds to try; 0 = as many as CI has time for")
	whole    = flag.Bool("whole", false, "show all of a schedule that fails, not as short as possible")
	onlyFrom = flag.String("classes", "", "the classes of misfortunes, with commas; empty = all, with -for; else those without opt-outs, links and refusals")
)

var classes = []class{plain, marketing, interrupted, merging, undoing, staleWriter, standing, falseAnswer, falseRead, oddAnswer, restored}

// withChoices are the classes while people choose on both sides. Without them a schedule
// has no flow of opt-outs.
var withChoices = []class{plain, marketing, interrupted, merging, choosing, undoing, staleWriter, standing, falseAnswer, falseRead, oddAnswer, restored}

// withLinks are the classes while records that name others come, move and go.
var withLinks = []class{plain, interrupted, merging, undoing, staleWriter, standing, falseAnswer, falseRead, oddAnswer, linking, refusing}

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := template(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// result of a schedule.
type result struct {
	wrong []string
	trace []string
}

// What may be wrong, the worst first.
const (
	recordWrong  = `^[0-9a-f-]{36}(:| is (missing|too many|there twice))`
	notAtRest    = `not at rest`
	setAside     = `in quarantine`
	runOpen      = `settled`
	flowFailed   = `retryable: false|every attempt fails|INCOMPLETE|keeps losing`
	anythingElse = `.`
)

// is says that something is wrong of this kind.
func (r result) is(kind string) bool {
	return slices.ContainsFunc(r.wrong, regexp.MustCompile(kind).MatchString)
}

// kind is the worst that is wrong.
func (r result) kind() string {
	for _, kind := range []string{recordWrong, notAtRest, setAside, runOpen, flowFailed} {
		if r.is(kind) {
			return kind
		}
	}
	return anythingElse
}

// simulate runs a schedule in a bubble of its own.
func simulate(t *testing.T, steps []step, tracing bool) result {
	t.Helper()
	return simulateWith(t, steps, tracing, func(*world) {})
}

// simulateWith is simulate with something broken.
func simulateWith(t *testing.T, steps []step, tracing bool, broken func(*world)) (out result) {
	t.Helper()
	activityContext()
	_, err := template()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "simulation-")
	require.NoError(t, err)
	defer func() { _ = os.RemoveAll(dir) }()
	synctest.Test(t, func(t *testing.T) {
		w, err := newWorld(dir)
		require.NoError(t, err)
		w.tracing = tracing
		broken(w)
		w.running.Go(w.flow.run)
		for _, s := range steps {
			w.perform(s)
		}
		out.wrong = w.rest()
		out.trace = w.trace
		w.close()
	})
	return out
}

// shrink leaves out steps while the same is wrong.
func shrink(t *testing.T, steps []step, shows string, tries int) []step {
	t.Helper()
	for size := len(steps) / 2; size >= 1; size /= 2 {
		for again := true; again; {
			again = false
			for at := 0; at < len(steps) && tries > 0; {
				less := slices.Delete(slices.Clone(steps), at, min(at+size, len(steps)))
				tries--
				if simulate(t, less, false).is(shows) {
					steps, again = less, true
				} else {
					at += size
				}
			}
		}
	}
	return steps
}

// enabled are the classes of every schedule, or those that were asked for.
func enabled(t *testing.T) []class {
	t.Helper()
	if *onlyFrom == "" {
		return classes
	}
	var out []class
	for name := range strings.SplitSeq(*onlyFrom, ",") {
		require.Contains(t, append(slices.Clone(classes), choosing, linking, refusing), class(name))
		out = append(out, class(name))
	}
	return out
}

// report tells how a seed fails, as short as possible.
func report(t *testing.T, seed uint64, of []class, wrong result) string {
	t.Helper()
	shows := wrong.kind()
	steps := scheduleOf(seed, of)
	if !*whole {
		steps = shrink(t, steps, shows, 300)
	}
	short := simulate(t, steps, true)
	names := make([]string, len(of))
	for i, c := range of {
		names[i] = string(c)
	}
	return fmt.Sprintf("seed %d:\n%s\n\nrepeat it with: go test ./internal/simulation -run 'TestSimulation$' -seed %d -classes %q\n\nshrunk to %d steps: %v, with which\n%s\n\n%s",
		seed, strings.Join(wrong.wrong, "\n"), seed, strings.Join(names, ","), len(steps), steps, strings.Join(short.wrong, "\n"), strings.Join(short.trace, "\n"))
}

// In CI.
const (
	ciSeeds = 400
	ciTime  = 20 * time.Second
)

// TestSimulation tries seed after seed: the same ones in CI, new ones for as long as
// -for says, on all processors.
func TestSimulation(t *testing.T) {
	of := enabled(t)
	if *oneSeed != 0 {
		if got := simulate(t, scheduleOf(*oneSeed, of), false); len(got.wrong) > 0 {
			t.Error(report(t, *oneSeed, of, got))
		}
		return
	}
	s := &search{of: of, limit: ciSeeds, began: time.Now(), until: time.Now().Add(ciTime)}
	switch {
	case *lasting > 0:
		if *onlyFrom == "" {
			s.others = [][]class{withChoices, withLinks}
		}
		s.first, s.limit, s.until, s.all = rand.Uint64N(1<<40), math.MaxInt64, time.Now().Add(*lasting), true
	case *ofSeeds > 0:
		s.limit, s.until, s.all = int64(*ofSeeds), time.Now().Add(24*time.Hour), true
	case testing.Short(): // under the race detector
		s.until = time.Now().Add(ciTime / 4)
	}
	s.told.Store(s.began.Unix())
	t.Run("seeds", func(t *testing.T) {
		for n := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(n), s.run)
		}
	})
	t.Log(s.progress())
}

// TestSimulationOfOptOuts tries the seeds of TestSimulation with a flow of opt-outs.
func TestSimulationOfOptOuts(t *testing.T) {
	searchIn(t, withChoices, ciSeeds)
}

// TestSimulationOfLinks tries them with records that name others, and refusals.
func TestSimulationOfLinks(t *testing.T) {
	searchIn(t, withLinks, ciSeeds)
}

// searchIn tries the first seeds with other classes than TestSimulation's.
func searchIn(t *testing.T, of []class, seeds int64) {
	t.Helper()
	if *oneSeed != 0 || *lasting > 0 || *ofSeeds > 0 || *onlyFrom != "" {
		t.Skip("the flags are for TestSimulation; -classes names opt-outs, links and refusals there")
	}
	s := &search{of: of, limit: seeds, began: time.Now(), until: time.Now().Add(ciTime / 2)}
	if testing.Short() {
		s.until = time.Now().Add(ciTime / 4)
	}
	t.Run("seeds", func(t *testing.T) {
		for n := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(n), s.run)
		}
	})
	t.Log(s.progress())
}

// search is a walk through seeds by several workers.
type search struct {
	of     []class
	others [][]class // taken in turn with of

	first uint64
	limit int64
	all   bool // do not stop at the first seed that fails
	began time.Time
	until time.Time

	taken, done atomic.Int64
	failed      atomic.Bool
	told        atomic.Int64 // unix seconds
}

func (s *search) progress() string {
	n := s.done.Load()
	return fmt.Sprintf("%d seeds from %d, %.0f a minute", n, s.first+1, float64(n)/time.Since(s.began).Minutes())
}

func (s *search) run(t *testing.T) {
	t.Parallel()
	for time.Now().Before(s.until) && (s.all || !s.failed.Load()) {
		n := s.taken.Add(1)
		if n > s.limit {
			return
		}
		seed := s.first + uint64(n) //nolint:gosec // n counts from 1
		of := s.of
		if at := n % int64(len(s.others)+1); at > 0 {
			of = s.others[at-1]
		}
		if got := simulate(t, scheduleOf(seed, of), false); len(got.wrong) > 0 {
			s.failed.Store(true)
			t.Error(report(t, seed, of, got))
		}
		s.done.Add(1)
		if told := s.told.Load(); s.all && time.Now().Unix() >= told+60 && s.told.CompareAndSwap(told, time.Now().Unix()) {
			fmt.Println(s.progress())
		}
	}
}

// A seed that fails must fail again, so everything in a schedule is the seed's.
func TestScheduleRepeatsItself(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= 8; seed++ {
		of := classes
		switch {
		case seed > 6:
			of = withLinks
		case seed > 4:
			of = withChoices
		}
		steps := scheduleOf(seed, of)
		first := simulate(t, steps, true)
		require.NotEmpty(t, first.trace)
		require.Equal(t, first, simulate(t, steps, true), "seed %d", seed)
	}
}
