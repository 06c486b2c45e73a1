package activities

// CheckFilterInput asks whether conditions can narrow a backfill. Columns comes
// first, without values, because what is sent here stays in Temporal.
type CheckFilterInput struct {
	Table   Table       `json:"table"`
	Columns []string    `json:"columns,omitempty"`
	Where   []Condition `json:"where,omitempty"`
}

// CheckFilterResult names the columns whose values may be personal.
type CheckFilterResult struct {
	Text []string `json:"text,omitempty"`
	// Misfit is what is wrong with the conditions, each by its column and comparison: the
	// values may be personal.
	Misfit string `json:"misfit,omitempty"`
}

// MostNamed is how many records a backfill may name.
const MostNamed = 1000

// CheckNamedInput asks which of some records there are, before a backfill reads them.
type CheckNamedInput struct {
	Table Table    `json:"table"`
	IDs   []string `json:"ids"` // 1 to MostNamed, in lower case
}

// CheckNamedResult says so.
type CheckNamedResult struct {
	Found    int      `json:"found"`
	NotFound []string `json:"not_found,omitempty"` // that Dynamics does not list
}

// CheckFolderInput asks whether exported files can be loaded from a folder.
type CheckFolderInput struct {
	Folder string `json:"folder"` // of a Window
}

// CheckFolderResult says so.
type CheckFolderResult struct {
	Files   int    `json:"files"`             // that hold events
	Problem string `json:"problem,omitempty"` // why there is nothing to load; "" = there is
}
