package activities

import "time"

// SeriesInput asks for what a chart shows: what became of records from a time to another, in
// steps, and how much waited.
type SeriesInput struct {
	Flow  string        `json:"flow,omitempty"`  // "" = all that carry records
	Table string        `json:"table,omitempty"` // with Flow
	From  time.Time     `json:"from"`
	To    time.Time     `json:"to"`
	Step  time.Duration `json:"step"` // whole minutes; at most MaxSeriesPoints in all
}

// MaxSeriesPoints is how many points may be asked for at once.
const MaxSeriesPoints = 1500

// SeriesResult holds counts and durations, nothing of a person.
type SeriesResult struct {
	Points []SeriesPoint `json:"points"` // at which anything is known, oldest first
	// Calls are the engine calls of all flows, by the hour.
	Calls []MeterCalls `json:"calls,omitempty"`
}

// SeriesPoint is one step of a chart.
type SeriesPoint struct {
	At      time.Time `json:"at"`     // its beginning
	Counts  Counts    `json:"counts"` // what became of records in it; Read adds them up
	Looked  bool      `json:"looked,omitempty"`
	Backlog int64     `json:"backlog,omitempty"`     // at most, where somebody looked
	Lag     *int64    `json:"lag_seconds,omitempty"` // at most; nil = not known
}
