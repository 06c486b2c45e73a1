package mapping

// Plan is a checked mapping with everything needed to apply it. A run keeps its plan
// from start to end, so a change of the metadata in between does not change how it
// maps. Resolve makes plans; the ledger stores them as JSON by revision.
type Plan struct {
	Table     Table       `json:"table"`
	EntitySet string      `json:"entity_set"` // Dynamics collection to read
	Key       string      `json:"key"`        // Dynamics primary key column
	Select    []string    `json:"select"`     // Dynamics properties to request, key first
	Fields    []PlanField `json:"fields"`     // sorted by To; the key pair is one of them

	Conditions []PlanCondition `json:"conditions,omitempty"` // of Table.Filter, in its order

	Merges  bool         `json:"merges,omitempty"`   // rows say whether they were merged into another one
	OptOuts []PlanOptOut `json:"opt_outs,omitempty"` // the opt-out attributes of a profile, as the instance names them
}

// PlanOptOut is an opt-out attribute of the profile. Its Column is that of the pair
// that opt_out keeps in step; "" when there is none.
type PlanOptOut struct {
	Attribute string `json:"attribute"` // canonical
	To        string `json:"to"`
	Column    string `json:"column,omitempty"`
	Inverted  bool   `json:"inverted,omitempty"`
}

// PlanField is one pair with the metadata of both its fields.
type PlanField struct {
	From        string               `json:"from"`     // Dynamics column
	Property    string               `json:"property"` // its name in a row: _ownerid_value for ownerid
	To          string               `json:"to"`       // Campaign field, dotted
	Key         bool                 `json:"key,omitempty"`
	Source      SourceKind           `json:"source"`
	Target      TargetKind           `json:"target"`
	OnTooLong   string               `json:"on_too_long,omitempty"`
	TimeZone    string               `json:"time_zone,omitempty"`
	Length      int                  `json:"length,omitempty"`    // longest text the target takes, in characters
	Technical   bool                 `json:"technical,omitempty"` // a choice's number rather than its label
	Policy      string               `json:"policy,omitempty"`    // Campaign's data policy
	Options     map[int]string       `json:"options,omitempty"`
	Values      map[string]EnumValue `json:"values,omitempty"`
	Parent      string               `json:"parent,omitempty"` // mapping of the table the lookup names
	LowerCase   bool                 `json:"lower_case,omitempty"`
	SkipUpdates bool                 `json:"skip_updates,omitempty"` // apply_updates: false
	Replace     map[string]string    `json:"replace,omitempty"`      // new text by existing value, in the form raw() gives
}

// PlanCondition is one condition of a filter with the metadata of its column.
type PlanCondition struct {
	Rule     string     `json:"rule"`     // filter.where[0]: statecode equals Active
	Property string     `json:"property"` // the column's name in a row
	Source   SourceKind `json:"source"`
	Is       string     `json:"is"`
	Value    string     `json:"value,omitempty"`   // in the form raw() gives
	Options  []int      `json:"options,omitempty"` // numbers of the choices meant
}

// Revision is the revision of the mapping the plan was made from.
func (p *Plan) Revision() string { return p.Table.Revision() }
