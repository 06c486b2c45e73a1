package activities

import "time"

// TotalsInput asks what all flows did so far.
type TotalsInput struct{}

// TotalsResult is that, by flow and table, as the ledger has it: it outlives the memory of
// the owners.
type TotalsResult struct {
	Flows []FlowTotals `json:"flows"`
	// Typology says who has looked at Campaign's typology rules, and when; nil: nobody has
	// said so.
	Typology *Operation `json:"typology,omitempty"`
}

// FlowTotals is what the runs of a flow that have ended did together, and what waits or was
// refused now.
type FlowTotals struct {
	Flow        string `json:"flow"`  // ingress, egress, optout
	Table       string `json:"table"` // as operators type it
	Runs        int64  `json:"runs"`
	Counts      Counts `json:"counts"`
	Quarantined int64  `json:"quarantined"`
	Parked      int64  `json:"parked"`
	// RefusedLately is how many records went to quarantine within the last hour.
	RefusedLately int64 `json:"refused_lately,omitempty"`
	// CarriedUpTo is the time up to which every opt-out choice that was seen is held by both
	// systems; of the opt-out flow only.
	CarriedUpTo time.Time `json:"carried_up_to,omitzero"`
}
