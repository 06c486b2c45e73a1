package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// sealed is what one installation of the measurement of sealing costs.
type sealed struct {
	load, again []float64 // the worker's CPU, µs per record
	rate        []float64 // of the load, records/s
	size        int64     // of the ledger, bytes
}

// sealing measures what sealing costs the worker. What is sealed differs from load to load,
// in turns, so that whatever else the machine does falls on all alike; the median counts.
func sealing(ctx context.Context, o options) error {
	variants := []struct {
		name            string
		ledger, history bool
	}{{"in clear", false, false}, {"the ledger sealed", true, false}, {"Temporal sealed", false, true}}
	found := make([]sealed, len(variants))
	for round := range o.rounds {
		for i := range variants {
			v := variants[(i+round)%len(variants)]
			err := loadSealed(ctx, rigOptions{contacts: o.contacts, synchronous: o.synchronous, sealLedger: v.ledger, sealHistory: v.history}, &found[(i+round)%len(variants)])
			if err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
		}
	}
	clear := found[0]
	for i, v := range variants {
		f := found[i]
		figure(v.name, "load %.0f µs of CPU per record (%+.1f %%), unchanged %.0f µs (%+.1f %%), %.0f records/s, ledger %d MB",
			median(f.load), above(f.load, clear.load), median(f.again), above(f.again, clear.again), median(f.rate), f.size>>20)
	}
	return nil
}

// loadSealed loads everything, then all of it again unchanged.
func loadSealed(ctx context.Context, o rigOptions, f *sealed) (err error) {
	r, err := newRig(ctx, o)
	if err != nil {
		return err
	}
	defer r.done(&err)
	pid := r.worker.Process.Pid
	begin := cpuOf(pid)
	run, err := r.load(ctx)
	if err != nil {
		return err
	}
	loaded := cpuOf(pid)
	if err := whole(r, run, o.contacts); err != nil {
		return err
	}
	if _, err := r.backfill(ctx); err != nil {
		return err
	}
	f.load = append(f.load, newCost(o.contacts, 1, loaded-begin).cpu)
	f.again = append(f.again, newCost(o.contacts, 1, cpuOf(pid)-loaded).cpu)
	f.rate = append(f.rate, perSecond(run))
	info, err := os.Stat(filepath.Join(r.dir, "ledger.db"))
	if err != nil {
		return err
	}
	f.size = info.Size()
	return nil
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// above is by how many percent the median is above another.
func above(all, other []float64) float64 { return 100 * (median(all)/median(other) - 1) }
