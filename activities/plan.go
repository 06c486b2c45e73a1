package activities

// PlanInput asks what a run over a whole table would do with a mapping.
type PlanInput struct {
	Table    Table `json:"table"`
	Sample   int   `json:"sample,omitempty"`   // how many records to read; 0 = all
	AllNew   bool  `json:"all_new,omitempty"`  // take for granted that Campaign has nothing of what the ledger does not know
	Examples int   `json:"examples,omitempty"` // records to show of each outcome; default 3
	Baseline bool  `json:"baseline,omitempty"` // predict a new baseline, also where a replay would do
}

// PlanResult predicts a run: counts, ids and names of fields, no values.
type PlanResult struct {
	Run          string        `json:"run"` // initial load, new baseline or replay
	Revision     string        `json:"revision"`
	Sampled      bool          `json:"sampled,omitempty"` // Read is not the whole table
	Counts       Counts        `json:"counts"`
	Adopted      int64         `json:"adopted,omitempty"`  // of Updated and Unchanged: in Campaign already, unknown here
	Fields       []PlanCount   `json:"fields,omitempty"`   // how often each Campaign field changes, most often first
	Rules        []PlanCount   `json:"rules,omitempty"`    // why records are left out
	Refusals     []PlanCount   `json:"refusals,omitempty"` // why records would be refused
	Examples     []PlanExample `json:"examples,omitempty"`
	EngineCalls  int64         `json:"engine_calls"`
	Short        *ShortLoad    `json:"short,omitempty"`         // Dynamics counts more records than it showed: what counts as deleted may be hidden
	NeedApproval bool          `json:"need_approval,omitempty"` // the deletes would wait for an operator
}

// PlanCount is a reason or field and how many records it concerns.
type PlanCount struct {
	What    string `json:"what"`
	Records int64  `json:"records"`
}

// PlanExample is one record that would be written, with what changes in each
// field in general terms: "text of 6 -> text of 9".
type PlanExample struct {
	ID      string            `json:"id"`
	Outcome string            `json:"outcome"` // created, updated, deleted, refused, filtered
	Changes map[string]string `json:"changes,omitempty"`
	Why     string            `json:"why,omitempty"`
}

// WouldWrite says whether the run would change anything in Campaign.
func (r PlanResult) WouldWrite() bool {
	return r.Counts.Created+r.Counts.Updated+r.Counts.Deleted > 0
}

// CheckMappingResult is that a mapping fits both systems, and what ran before under its name.
type CheckMappingResult struct {
	Revision string `json:"revision"`
}
