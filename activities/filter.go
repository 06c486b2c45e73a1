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
}
