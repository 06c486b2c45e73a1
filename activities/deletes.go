package activities

import "time"

// DeleteListInput selects deletes that wait for an operator; empty fields match all.
type DeleteListInput struct {
	Table string `json:"table,omitempty"`
	Run   string `json:"run,omitempty"`
	Limit int    `json:"limit,omitempty"` // 1 to 10,000; default 100
}

// DeleteListResult is how many deletes wait, and the first of them.
type DeleteListResult struct {
	Total   int64           `json:"total"`
	Deletes []WaitingDelete `json:"deletes"`
}

// Why a record is to be deleted.
const (
	DeleteGone     = "gone"     // Dynamics does not have it any more
	DeleteFiltered = "filtered" // it does not match the filter any more
)

// WaitingDelete is a record that would be deleted in Campaign.
type WaitingDelete struct {
	Table string    `json:"table"`
	ID    string    `json:"id"` // Dynamics record id
	Run   string    `json:"run"`
	Why   string    `json:"why"` // DeleteGone or DeleteFiltered
	Since time.Time `json:"since"`
}
