package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"causeway.dev/workflows"
)

func latency(ctx context.Context, o options) error {
	const wait, width = 20 * time.Millisecond, 64
	ideal := width / wait.Seconds()
	flow, err := repeatBesideLoop(ctx, o, rigOptions{contacts: o.contacts, latency: wait, synchronous: o.synchronous}, nil)
	if err == nil {
		figure("flow, of the ideal", "%.1f %% of %.0f/s", 100*flow/ideal, ideal)
	}
	return err
}

func full(ctx context.Context, o options) error {
	_, err := repeatBesideLoop(ctx, o, rigOptions{contacts: o.contacts, synchronous: o.synchronous}, func(r *rig) error {
		before := total(r.boxes.Campaign.Meter())
		run, err := r.backfill(ctx)
		if err != nil {
			return err
		}
		figure("unchanged, all again", "%.0f records/s, %d Campaign calls, %d of %d unchanged",
			perSecond(run), total(r.boxes.Campaign.Meter())-before, run.Counts.Unchanged, run.Counts.Read)
		return nil
	})
	return err
}

// repeatBesideLoop measures the flow beside the bare loop as often as the options say, and
// prints medians. The ratio is that of each time by itself, so that what else the machine
// does at the time matters less. It returns the median of the flow's records/s.
func repeatBesideLoop(ctx context.Context, o options, ro rigOptions, then func(*rig) error) (float64, error) {
	var flows, loops []cost
	for range max(o.repeat, 1) {
		flow, loop, err := loadBesideLoop(ctx, ro, then)
		if err != nil {
			return 0, err
		}
		flows, loops = append(flows, flow), append(loops, loop)
	}
	var ratio spread
	for i := range flows {
		ratio = append(ratio, 100*flows[i].rate/loops[i].rate)
	}
	figure("bare loop", "%s", costs(loops))
	figure("flow", "%s", costs(flows))
	figure("flow, of the bare loop", "%s %%", ratio)
	return rates(flows).median(), nil
}

// loadBesideLoop measures the flow, then the bare loop on the same machine.
func loadBesideLoop(ctx context.Context, o rigOptions, then func(*rig) error) (flow, loop cost, err error) {
	r, err := newRig(ctx, o)
	if err != nil {
		return flow, loop, err
	}
	defer r.done(&err)
	own := ownCPU()
	if flow, err = r.measuredLoad(ctx, o.contacts); err != nil {
		return flow, loop, err
	}
	figure("sandboxes and Temporal", "%.0f µs of CPU per record", 1e6*(ownCPU()-own)/float64(o.contacts))
	figure("worker's peak memory", "%d MB", procStatus(r.worker.Process.Pid, "VmHWM:")>>20)
	if then != nil {
		if err := then(r); err != nil {
			return flow, loop, err
		}
	}
	loop, err = bareLoop(ctx, r, o)
	return flow, loop, err
}

// measuredLoad loads contacts and says what that cost the worker.
func (r *rig) measuredLoad(ctx context.Context, contacts int) (cost, error) {
	before := cpuOf(r.worker.Process.Pid)
	run, err := r.load(ctx)
	if err != nil {
		return cost{}, err
	}
	c := newCost(contacts, run.End.Sub(run.Start).Seconds(), cpuOf(r.worker.Process.Pid)-before)
	return c, whole(r, run, contacts)
}

// whole checks that the load which was measured is complete.
func whole(r *rig, run workflows.RunSummary, contacts int) error {
	if n := r.boxes.Campaign.Count("profile"); n != int64(contacts) || run.State != "COMPLETED" {
		return fmt.Errorf("run %s is %s with %d of %d profiles", run.Run, run.State, n, contacts)
	}
	return nil
}

func total(meter map[string]int64) int64 {
	var n int64
	for _, calls := range meter {
		n += calls
	}
	return n
}

func arrival(ctx context.Context, o options) (err error) {
	const edits = 200
	r, err := newRig(ctx, rigOptions{contacts: 10_000, synchronous: o.synchronous})
	if err != nil {
		return err
	}
	defer r.done(&err)
	if _, err := r.load(ctx); err != nil {
		return err
	}
	var delays []time.Duration
	for i, id := range r.boxes.Dynamics.Keys("contacts")[:edits] {
		city := fmt.Sprintf("Bench %d", i)
		if err := r.boxes.Dynamics.Update("contacts", id, map[string]any{"address1_city": city}); err != nil {
			return err
		}
		began := time.Now()
		for {
			location, _ := r.boxes.Campaign.Profile(id)["location"].(map[string]any)
			if location["city"] == city {
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			time.Sleep(2 * time.Millisecond)
		}
		delays = append(delays, time.Since(began))
		time.Sleep(time.Duration(i*37%400) * time.Millisecond) // at any moment between two polls
	}
	slices.Sort(delays)
	figure("edit to arrival", "median %s, p99 %s, longest %s of %d edits",
		delays[edits/2].Round(time.Millisecond), delays[edits*99/100].Round(time.Millisecond), delays[edits-1].Round(time.Millisecond), edits)
	return nil
}

func million(ctx context.Context, o options) (err error) {
	r, err := newRig(ctx, rigOptions{contacts: o.million, synchronous: o.synchronous})
	if err != nil {
		return err
	}
	defer r.done(&err)
	sampling, stop := context.WithCancel(ctx)
	defer stop()
	memory := r.memory(sampling)
	run, err := r.load(ctx)
	if err != nil {
		return err
	}
	stop()
	samples := <-memory
	if err := whole(r, run, o.million); err != nil {
		return err
	}
	figure("flow", "%.0f records/s, %d contacts in %s", perSecond(run), o.million, run.End.Sub(run.Start).Round(time.Second))
	figure("worker's peak memory", "%d MB", procStatus(r.worker.Process.Pid, "VmHWM:")>>20)
	for i := range 10 {
		part := samples[i*len(samples)/10 : (i+1)*len(samples)/10]
		if len(part) > 0 {
			figure(fmt.Sprintf("worker's memory, tenth %d", i+1), "%d MB at most", slices.Max(part)>>20)
		}
	}
	events, bytes, err := r.history(ctx, workflows.TableFlow(r.cfg.Instance, "contacts").PassID(run.Kind, run.Run), "")
	if err != nil {
		return err
	}
	figure("history of the run's last execution", "%d events, %.1f MB", events, float64(bytes)/(1<<20))
	return nil
}

func idle(ctx context.Context, o options) (err error) {
	r, err := newRig(ctx, rigOptions{contacts: 10_000, synchronous: o.synchronous})
	if err != nil {
		return err
	}
	defer r.done(&err)
	if _, err := r.load(ctx); err != nil {
		return err
	}
	before, _, err := r.history(ctx, r.flowID(), "")
	if err != nil {
		return err
	}
	requests, calls, cpu := r.boxes.Dynamics.Requests(), total(r.boxes.Campaign.Meter()), cpuOf(r.worker.Process.Pid)
	rows, bytes, err := ledgerSize(ctx, r)
	if err != nil {
		return err
	}
	figure("ledger", "%d bytes per contact after the load", bytes/10_000)
	select {
	case <-time.After(o.idle):
	case <-ctx.Done():
		return ctx.Err()
	}
	after, _, err := r.history(ctx, r.flowID(), "")
	if err != nil {
		return err
	}
	used := cpuOf(r.worker.Process.Pid) - cpu
	rowsNow, _, err := ledgerSize(ctx, r)
	if err != nil {
		return err
	}
	days := o.idle.Hours() / 24
	aDay := func(n int64) string { return fmt.Sprintf("%d in %s, %.0f a day", n, o.idle, float64(n)/days) }
	figure("CPU of the worker", "%.2f %% of one", 100*used/o.idle.Seconds())
	figure("events added to the history", "%s", aDay(after-before))
	figure("requests to Dynamics", "%s", aDay(int64(r.boxes.Dynamics.Requests()-requests)))
	figure("requests to Campaign", "%s", aDay(int64(total(r.boxes.Campaign.Meter())-calls)))
	figure("rows added to the ledger", "%s", aDay(rowsNow-rows))
	return nil
}
