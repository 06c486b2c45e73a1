package activities

import "time"

// EstimateInput asks what reading a whole table again costs.
type EstimateInput struct {
	Flow  string `json:"flow"` // in the ledger
	Table string `json:"table"`
	// Since of egress asks how many events were read since then instead.
	Since time.Time `json:"since,omitzero"`
}

// EstimateResult is what the ledger knows of such a run before it begins. Zero is not
// known.
type EstimateResult struct {
	Records int64 `json:"records,omitempty"` // to read: what the last whole run read, and at least what Campaign holds
	// Calls are engine calls of Campaign, by the share that the last runs wrote; nil when
	// nothing was read again yet. If every record differs, there is one for each.
	Calls *int64 `json:"calls,omitempty"`
	// Seconds are at the pace of the last runs over the whole table, the quickest and the
	// slowest of Runs.
	Runs    int   `json:"runs,omitempty"`
	Quick   int64 `json:"quick_seconds,omitempty"`
	Slow    int64 `json:"slow_seconds,omitempty"`
	PerHour int64 `json:"per_hour,omitempty"` // engine calls that loads may make; 0 = no limit
}
