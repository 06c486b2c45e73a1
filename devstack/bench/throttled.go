package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"causeway.dev/internal/ledger/ledgertest"
)

const (
	allowed  = 500.0 // calls per second
	lessOfIt = 300.0
)

// throttled measures how much of what Campaign permits is used by a worker that was told
// nothing, when that changes midway, and by two workers.
func throttled(ctx context.Context, o options) error {
	for _, c := range []struct {
		name    string
		workers int
		then    []float64 // what is permitted after each third
	}{
		{"one worker", 1, nil},
		{"one worker, less and more again", 1, []float64{lessOfIt, allowed}},
		{"two workers", 2, nil},
		{"two workers, less and more again", 2, []float64{lessOfIt, allowed}},
	} {
		if err := throttledLoad(ctx, o, c.name, c.workers, c.then); err != nil {
			return err
		}
	}
	return nil
}

func throttledLoad(ctx context.Context, o options, name string, workers int, then []float64) (err error) {
	ro := rigOptions{contacts: o.contacts, rate: allowed, synchronous: o.synchronous}
	if workers > 1 {
		if ro.edit, err = onPostgres(ctx); err != nil {
			return err
		}
	}
	r, err := newRig(ctx, ro)
	if err != nil {
		return err
	}
	defer r.done(&err)
	for range workers - 1 {
		if err := r.another(); err != nil {
			return err
		}
	}
	if err := r.started(ctx, workers); err != nil {
		return err
	}
	counting, stop := context.WithCancel(ctx)
	defer stop()
	count := r.throttle(counting, o.contacts, then)
	run, err := r.load(ctx)
	if err != nil {
		return err
	}
	stop()
	counted := <-count
	if err := whole(r, run, o.contacts); err != nil {
		return err
	}
	figure(name, "%.0f records/s; %.1f %% of what was allowed since the first call, %d requests refused in %d of %d seconds, none lost",
		perSecond(run), 100*float64(o.contacts)/counted.permitted, r.boxes.Campaign.Throttled(), counted.refusing, len(counted.taken))
	figure("  taken by second", "%s", strings.Trim(fmt.Sprint(counted.taken), "[]"))
	return nil
}

// onPostgres is an edit of a configuration that puts the ledger into a new database.
func onPostgres(ctx context.Context) (func(string) string, error) {
	dsn, err := ledgertest.NewDatabase(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.Setenv("BENCH_DSN", dsn); err != nil {
		return nil, err
	}
	return func(text string) string {
		from, to := strings.Index(text, "  driver: sqlite"), strings.Index(text, "\ntelemetry:")
		return text[:from] + fmt.Sprintf("  driver: postgres\n  dsn: %q", "env:BENCH_DSN") + text[to:]
	}, nil
}

// throttleCount is what Campaign took and refused from the first call to the last.
type throttleCount struct {
	taken     []int64 // by second
	refusing  int     // seconds in which it refused
	permitted float64 // calls
}

// throttle counts until ctx ends, and changes what is permitted after each equal part of
// the contacts.
func (r *rig) throttle(ctx context.Context, contacts int, then []float64) <-chan throttleCount {
	out := make(chan throttleCount, 1)
	go func() {
		var c throttleCount
		permits, part := allowed, contacts/(len(then)+1)
		taken, refused, at, next := int64(0), int64(0), time.Now(), time.Time{}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				out <- c
				return
			}
			n, now := r.boxes.Campaign.Count("profile"), time.Now()
			if n > 0 && n < int64(contacts) {
				c.permitted += permits * now.Sub(at).Seconds()
			}
			at = now
			if len(then) > 0 && n >= int64(contacts-part*len(then)) {
				permits, then = then[0], then[1:]
				r.boxes.Campaign.SetRate(permits, int(permits/10))
			}
			switch {
			case n == 0:
			case next.IsZero():
				next = now.Add(time.Second)
			case !now.Before(next) && taken < int64(contacts):
				c.taken, taken, next = append(c.taken, n-taken), n, next.Add(time.Second)
				if all := r.boxes.Campaign.Throttled(); all > refused {
					c.refusing, refused = c.refusing+1, all
				}
			}
		}
	}()
	return out
}
