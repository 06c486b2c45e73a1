package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

// meterWithin bounds the question for the meter: a status without it is better
// than one that waits.
const meterWithin = 5 * time.Second

// meterEvery is how many looks of --watch one reading of the meter serves.
const meterEvery = 15

// meterReport is how many engine calls were made in the hour in hand.
type meterReport struct {
	Hour    time.Time `json:"hour"`
	Changes int64     `json:"changes"`
	Loads   int64     `json:"loads"`
	Budget  int64     `json:"budget,omitempty"` // 0 = none
}

// answered says that a worker carries out at least one of the flows.
func (r statusReport) answered() bool {
	for _, t := range r.Tables {
		if t.Answered {
			return true
		}
	}
	return false
}

// readMeter asks a worker; nil when none answers in time.
func readMeter(ctx context.Context, e *env, api operator.Temporal) *meterReport {
	ctx, cancel := context.WithTimeout(ctx, meterWithin)
	defer cancel()
	var result activities.MeterResult
	if err := api.Run(ctx, activities.Meter, activities.MeterInput{}, &result); err != nil {
		return nil
	}
	out := &meterReport{Hour: e.now().UTC().Truncate(time.Hour), Budget: result.Budget}
	for _, h := range result.Hours {
		if h.Hour.Equal(out.Hour) {
			out.Changes, out.Loads = h.Changes, h.Loads
		}
	}
	return out
}

// sentence gives one line for people.
func (m *meterReport) sentence() string {
	of := ""
	if m.Budget > 0 {
		of = " of " + humanize.Comma(m.Budget)
	}
	return fmt.Sprintf("Engine calls this hour: %s%s (%s for changes, %s for loads)",
		humanize.Comma(m.Changes+m.Loads), of, humanize.Comma(m.Changes), humanize.Comma(m.Loads))
}
