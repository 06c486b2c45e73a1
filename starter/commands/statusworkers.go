package commands

import (
	"fmt"
	"math"
	"strconv"

	"causeway.dev/activities"
)

// writeWorkers shows the workers with their shares of the limits that all keep together.
func writeWorkers(e *env, workers []activities.WorkerState) {
	if len(workers) == 0 {
		return
	}
	fmt.Fprintln(e.out)
	rows := [][]cell{header([]int{1, 2, 3, 4}, "WORKER", "CAMPAIGN REQUESTS", "A SECOND", "DYNAMICS REQUESTS", "LANES")}
	for _, w := range workers {
		lanes := "-"
		if len(workers) > 1 || w.Lanes > 0 {
			lanes = strconv.Itoa(w.Lanes)
		}
		rows = append(rows, []cell{
			text(w.Name), shareOf(w, "campaign.concurrency"), shareOf(w, "campaign.rate"), shareOf(w, "dynamics.concurrency"), cell{text: lanes, right: true},
		})
	}
	writeTable(e.out, e.colours(), rows)
}

// shareOf is what a worker may use of a limit, to a tenth.
func shareOf(w activities.WorkerState, limit string) cell {
	share, limited := w.Shares[limit]
	if !limited {
		return cell{text: "no limit", right: true}
	}
	return cell{text: strconv.FormatFloat(math.Round(10*share)/10, 'f', -1, 64), right: true}
}
