package activities

import "causeway.dev/internal/mapping"

// MappingDifference is one thing that two revisions of a mapping say differently, in words.
type MappingDifference = mapping.Difference

// CompareMappingInput asks what a mapping says differently than a revision that has run.
type CompareMappingInput struct {
	Table    Table  `json:"table"`    // as it is in the configuration
	Revision string `json:"revision"` // that runs
}

// CompareMappingResult says what would change with the next start. Without a known
// revision, which no start of this installation has resolved, there is nothing to say.
type CompareMappingResult struct {
	Revision    string              `json:"revision"` // of the configuration
	Runs        string              `json:"runs"`     // the revision that it is compared with
	Known       bool                `json:"known"`
	Differences []MappingDifference `json:"differences"`
}
