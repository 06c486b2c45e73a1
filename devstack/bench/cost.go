package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"

	"causeway.dev/workflows"
)

// cost is the time and CPU that a load took.
type cost struct {
	rate float64 // records/s
	cpu  float64 // of the process that loaded, µs per record
}

func newCost(records int, seconds, cpuSeconds float64) cost {
	return cost{rate: float64(records) / seconds, cpu: 1e6 * cpuSeconds / float64(records)}
}

func (c cost) String() string {
	return fmt.Sprintf("%.0f records/s, %.0f µs of CPU per record", c.rate, c.cpu)
}

// spread is what several measurements of one thing gave.
type spread []float64

func (s spread) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// String is the median, and behind it the lowest and the highest where there are several.
func (s spread) String() string {
	if len(s) == 1 {
		return fmt.Sprintf("%.0f", s[0])
	}
	return fmt.Sprintf("%.0f (%.0f to %.0f)", s.median(), slices.Min(s), slices.Max(s))
}

// costs are those of several loads.
type costs []cost

func (c costs) String() string {
	var cpu spread
	for _, one := range c {
		cpu = append(cpu, one.cpu)
	}
	return fmt.Sprintf("%s records/s, %s µs of CPU per record", rates(c), cpu)
}

func rates(c []cost) (out spread) {
	for _, one := range c {
		out = append(out, one.rate)
	}
	return out
}

func perSecond(run workflows.RunSummary) float64 {
	return float64(run.Counts.Settled()) / run.End.Sub(run.Start).Seconds()
}

// ownCPU is the CPU time of this process, s.
func ownCPU() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// cpuOf is the CPU time of another process, s; 0 where /proc does not say.
func cpuOf(pid int) float64 {
	const ticksPerSecond = 100 // USER_HZ
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(data, []byte(") ")) // the name may hold blanks
	fields := bytes.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return float64(ticks) / ticksPerSecond
}
