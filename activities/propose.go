package activities

import (
	"causeway.dev/internal/mapping"
)

// ProposeInput names the two tables to pair.
type ProposeInput struct {
	Name     string `json:"name"`          // of the mapping
	Table    string `json:"table"`         // in Dynamics
	API      string `json:"api,omitempty"` // of Campaign
	Resource string `json:"resource"`
}

// ProposeResult is a mapping for the operator to review.
type ProposeResult struct {
	Proposal *mapping.Proposal `json:"proposal"`
	YAML     string            `json:"yaml"` // to stand under ingress.tables
}
