package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"causeway.dev/activities"
)

// step is one check. It begins when those that it needs have gone well.
type step struct {
	area, what string
	needs      []string // "area: what" of others
	look       func(ctx context.Context) finding
}

func (s step) name() string { return s.area + ": " + s.what }

// finding is what a look found.
type finding struct {
	state                 activities.CheckState
	found, wanted, remedy string
}

func ok(format string, args ...any) finding {
	return finding{state: activities.CheckOK, found: fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) finding {
	return finding{state: activities.CheckSkipped, found: fmt.Sprintf(format, args...)}
}

func fail(found, wanted, remedy string) finding {
	return finding{activities.CheckFail, found, wanted, remedy}
}

func warn(found, wanted, remedy string) finding {
	return finding{activities.CheckWarn, found, wanted, remedy}
}

// carryOut makes the steps of the areas, and those that they need, side by side. Of those
// that are only needed it tells what is not well.
func carryOut(ctx context.Context, steps []step, areas []string, each time.Duration) []activities.Check {
	byName := map[string]step{}
	for _, s := range steps {
		byName[s.name()] = s
	}
	wanted := map[string]bool{}
	var want func(s step)
	want = func(s step) {
		if wanted[s.name()] {
			return
		}
		wanted[s.name()] = true
		for _, n := range s.needs {
			want(byName[n])
		}
	}
	for _, s := range steps {
		if isIn(areas, s.area) {
			want(s)
		}
	}
	checks, ended := map[string]*activities.Check{}, map[string]chan struct{}{}
	for name := range wanted {
		checks[name], ended[name] = &activities.Check{}, make(chan struct{})
	}
	var all sync.WaitGroup
	for name := range wanted {
		all.Go(func() {
			defer close(ended[name])
			s := byName[name]
			for _, n := range s.needs {
				<-ended[n]
				if before := checks[n]; before.State != activities.CheckOK && before.State != activities.CheckWarn {
					*checks[name] = activities.Check{Area: s.area, What: s.what, State: activities.CheckSkipped, Found: "because of " + n}
					return
				}
			}
			*checks[name] = s.carryOut(ctx, each)
		})
	}
	all.Wait()
	var out []activities.Check
	for _, s := range steps {
		c := checks[s.name()]
		if c != nil && (isIn(areas, s.area) || c.State == activities.CheckFail) {
			out = append(out, *c)
		}
	}
	return out
}

func isIn(areas []string, area string) bool {
	return len(areas) == 0 || slices.Contains(areas, area)
}

// carryOut makes one check within its time. One that does not come back is left behind.
func (s step) carryOut(ctx context.Context, within time.Duration) activities.Check {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	found := make(chan finding, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				found <- fail("this check broke down, which is a fault of Causeway", "", "report it, with the worker's log")
			}
		}()
		found <- s.look(ctx)
	}()
	var f finding
	late := fail("no answer within "+within.String(), "", "look whether the network lets the worker reach it, and at the status page of the service")
	select {
	case f = <-found:
		if ctx.Err() != nil && f.state == activities.CheckFail {
			f = late
		}
	case <-ctx.Done():
		f = late
	}
	return activities.Check{Area: s.area, What: s.what, State: f.state, Found: f.found, Wanted: f.wanted, Remedy: f.remedy, TookMS: time.Since(began).Milliseconds()}
}

// sorted puts checks in the order of their areas.
func sorted(checks []activities.Check) []activities.Check {
	order := activities.Areas()
	slices.SortStableFunc(checks, func(a, b activities.Check) int {
		return cmp.Compare(slices.Index(order, a.Area), slices.Index(order, b.Area))
	})
	return checks
}

// once is something that several checks look at, and one of them reads.
type once[T any] struct {
	mu  sync.Mutex
	got map[string]T
}

func (o *once[T]) keep(name string, v T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.got == nil {
		o.got = map[string]T{}
	}
	o.got[name] = v
}

func (o *once[T]) of(name string) T {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.got[name]
}
