package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"causeway.dev/internal/ledger/ledgertest"
)

const (
	workersWait  = 150 * time.Millisecond
	workersTimes = 3 // each is measured
	// workersConns are few, so that a worker is bounded by them and not by this machine.
	workersConns = 8
	// workersWidth is enough for three workers.
	workersWidth = 3 * 4 * workersConns
	workersLoad  = 4_000 // contacts for each worker
)

// workers measures what further workers add where one is bounded by its connections to the
// ledger, and answers take long.
func workers(ctx context.Context, o options) error {
	figure("each worker", "%d connections, so %d requests in flight; %d for all", workersConns, 4*workersConns, workersWidth)
	var one float64
	for n := 1; n <= 3; n++ {
		rate, spread, err := medianOf(func() (float64, error) { return loadBy(ctx, n) })
		if err != nil {
			return err
		}
		if n == 1 {
			one = rate
		}
		figure(fmt.Sprintf("%d at once", n), "%.0f records/s (%s), %.2f times one", rate, spread, rate/one)
	}
	rate, spread, err := medianOf(func() (float64, error) { return loadWithLateOnes(ctx) })
	if err != nil {
		return err
	}
	figure("1, and 2 that come later", "%.0f records/s once they are there (%s), %.2f times one", rate, spread, rate/one)
	return nil
}

func medianOf(measure func() (float64, error)) (median float64, spread string, err error) {
	var got []float64
	for range workersTimes {
		rate, err := measure()
		if err != nil {
			return 0, "", err
		}
		got = append(got, rate)
	}
	slices.Sort(got)
	return got[len(got)/2], fmt.Sprintf("%.0f to %.0f", got[0], got[len(got)-1]), nil
}

// newCrewRig is a rig on PostgreSQL with one worker.
func newCrewRig(ctx context.Context, contacts int) (*rig, error) {
	dsn, err := ledgertest.NewDatabase(ctx)
	if err != nil {
		return nil, err
	}
	return newRig(ctx, rigOptions{contacts: contacts, latency: workersWait, settings: "\n  lanes: 24", edit: func(text string) string {
		from, to := strings.Index(text, "  driver: sqlite"), strings.Index(text, "\ntelemetry:")
		text = text[:from] + fmt.Sprintf("  driver: postgres\n  dsn: %q\n  connections: %d", "env:BENCH_DSN", workersConns) + text[to:]
		text = strings.Replace(text, "instance_discovery: false,", "instance_discovery: false, page_size: 1000,", 1)
		return strings.Replace(text, "concurrency: 64,", fmt.Sprintf("concurrency: %d,", workersWidth), 1)
	}, prepare: func(*rig) error { return os.Setenv("BENCH_DSN", dsn) }})
}

// loadBy is what n workers that are there from the beginning load.
func loadBy(ctx context.Context, n int) (rate float64, err error) {
	contacts := n * workersLoad
	r, err := newCrewRig(ctx, contacts)
	if err != nil {
		return 0, err
	}
	defer r.done(&err)
	for range n - 1 {
		if err := r.another(); err != nil {
			return 0, err
		}
	}
	if err := r.started(ctx, n); err != nil {
		return 0, err
	}
	run, err := r.load(ctx)
	if err != nil {
		return 0, err
	}
	return perSecond(run), whole(r, run, contacts)
}

// loadWithLateOnes is what three workers load of which two come while the first one is at it.
func loadWithLateOnes(ctx context.Context) (rate float64, err error) {
	const contacts = 5 * workersLoad
	r, err := newCrewRig(ctx, contacts)
	if err != nil {
		return 0, err
	}
	defer r.done(&err)
	loaded, failed := make(chan struct{}), error(nil)
	go func() {
		defer close(loaded)
		_, failed = r.load(ctx)
	}()
	if err := r.profiles(ctx, workersLoad/2); err != nil {
		return 0, err
	}
	for range 2 {
		if err := r.another(); err != nil {
			return 0, err
		}
	}
	if err := r.started(ctx, 3); err != nil {
		return 0, err
	}
	// What they need to take to their shares and lanes is not measured.
	if err := r.profiles(ctx, r.boxes.Campaign.Count("profile")+workersLoad); err != nil {
		return 0, err
	}
	began, from := time.Now(), r.boxes.Campaign.Count("profile")
	if err := r.profiles(ctx, contacts-workersLoad/2); err != nil { // the last lanes are few
		return 0, err
	}
	rate = float64(r.boxes.Campaign.Count("profile")-from) / time.Since(began).Seconds()
	<-loaded
	return rate, failed
}

// started waits until so many workers work.
func (r *rig) started(ctx context.Context, n int) error {
	return r.poll(ctx, func() bool {
		log, err := os.ReadFile(filepath.Join(r.dir, "worker.log"))
		return err == nil && strings.Count(string(log), "worker started") >= n
	})
}

// profiles waits until Campaign has so many profiles.
func (r *rig) profiles(ctx context.Context, n int64) error {
	return r.poll(ctx, func() bool { return r.boxes.Campaign.Count("profile") >= n })
}

func (r *rig) poll(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return errors.New("nothing came of it in ten minutes")
		}
	}
	return nil
}
