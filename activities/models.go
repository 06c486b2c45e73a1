package activities

import (
	"encoding/json"
	"time"

	"causeway.dev/internal/mapping"
)

// ListModelsInput asks which tables and resources there are to map.
type ListModelsInput struct {
	Find  string `json:"find,omitempty"`  // that the name or the label has; "" = all
	Limit int    `json:"limit,omitempty"` // of each side, 1 to 500; default 100
	Fresh bool   `json:"fresh,omitempty"` // ask both systems, also when it was read a moment ago
}

// ListModelsResult lists both sides, by name.
type ListModelsResult struct {
	Tables        []ModelName `json:"tables"` // of Dynamics
	MoreTables    int         `json:"more_tables,omitempty"`
	Resources     []ModelName `json:"resources"` // of Campaign
	MoreResources int         `json:"more_resources,omitempty"`
	At            time.Time   `json:"at"` // when it was read
}

// ModelName is a table or a resource.
type ModelName struct {
	Name    string `json:"name"`
	Label   string `json:"label,omitempty"`
	Tracked bool   `json:"tracked,omitempty"` // of a table: its changes can be read
}

// DescribeMappingInput asks for the definitions of both sides of a mapping, on file or a
// draft, and whether it fits them.
type DescribeMappingInput struct {
	Table Table `json:"table"`
	// All asks for every column and field, and not for those that the mapping names alone.
	All   bool   `json:"all,omitempty"`
	Find  string `json:"find,omitempty"`  // with All: that the name or the label has
	Limit int    `json:"limit,omitempty"` // of each side, 1 to 1,000; default 500
	Fresh bool   `json:"fresh,omitempty"` // ask both systems, also when it was read a moment ago
}

// DescribeMappingResult describes both sides, by name. A table that there is not is among
// Problems, and its side is empty.
type DescribeMappingResult struct {
	TableLabel  string            `json:"table_label,omitempty"`
	Key         string            `json:"key,omitempty"` // column
	Tracked     bool              `json:"tracked,omitempty"`
	Columns     []ModelColumn     `json:"columns"`
	MoreColumns int               `json:"more_columns,omitempty"`
	Fields      []ModelField      `json:"fields"`
	MoreFields  int               `json:"more_fields,omitempty"`
	Problems    []mapping.Problem `json:"problems"`
	At          time.Time         `json:"at"` // when the older side was read
}

// ModelColumn is a column of a Dynamics table.
type ModelColumn struct {
	Name        string               `json:"name"`
	Label       string               `json:"label,omitempty"`
	Type        string               `json:"type"`           // as Dynamics names it
	Kind        mapping.SourceKind   `json:"kind,omitempty"` // "" = no mapping can use it
	Length      int                  `json:"length,omitempty"`
	Required    bool                 `json:"required,omitempty"`
	Options     []ModelOption        `json:"options,omitempty"`
	Targets     []string             `json:"targets,omitempty"`     // tables that a lookup may name
	Takes       []mapping.TargetKind `json:"takes,omitempty"`       // kinds of fields that it may be written to
	Comparisons []string             `json:"comparisons,omitempty"` // that a filter may use
}

// ModelField is a field of a Campaign resource; one inside another has dots in its name.
type ModelField struct {
	Name      string             `json:"name"`
	Type      string             `json:"type"`           // as Campaign names it
	Kind      mapping.TargetKind `json:"kind,omitempty"` // "" = nothing can be written to it
	Length    int                `json:"length,omitempty"`
	ReadOnly  bool               `json:"read_only,omitempty"`
	Mandatory bool               `json:"mandatory,omitempty"`
	Policy    string             `json:"policy,omitempty"`
	Link      string             `json:"link,omitempty"` // resource that a link leads to
	Key       bool               `json:"key,omitempty"`  // it could hold the id of Dynamics
	Options   []ModelOption      `json:"options,omitempty"`
}

// ModelOption is a value of a choice or of an enumeration.
type ModelOption struct {
	Value string `json:"value"`
	Label string `json:"label,omitempty"`
}

// TryMappingInput asks what would be sent of one record by a mapping, on file or a draft.
type TryMappingInput struct {
	Table Table  `json:"table"`
	ID    string `json:"id"` // Dynamics record id
	// RevealTo is the X25519 public key of whoever asks, made for this question: values come
	// sealed to it, because results are kept in Temporal. None: no values.
	RevealTo []byte `json:"reveal_to,omitempty"`
	Reason   string `json:"reason,omitempty"` // why values are revealed
	By       string `json:"by,omitempty"`
}

// TryMappingResult is what would be sent: shapes, rules and names of fields, no values but in
// Sealed.
type TryMappingResult struct {
	ID     string       `json:"id"`
	Live   ExplainLive  `json:"live"`
	Fields []TriedField `json:"fields"` // none when Dynamics does not have the record
	Sealed []byte       `json:"sealed,omitempty"`
	At     time.Time    `json:"at"`
}

// TriedField is one pair, in general terms.
type TriedField struct {
	From       string   `json:"from"`
	To         string   `json:"to"`
	InDynamics string   `json:"in_dynamics"`
	WouldSend  string   `json:"would_send"` // "" when it cannot be written
	InCampaign string   `json:"in_campaign"`
	Changes    bool     `json:"changes,omitempty"` // a run would write it
	Differs    bool     `json:"differs,omitempty"` // Campaign has something else
	Notes      []string `json:"notes,omitempty"`   // rules that applied
	Problem    string   `json:"problem,omitempty"` // why it cannot be written
}

// TriedValues are the values of one of Fields. Sealed is the JSON of a list of these, in the
// order of Fields.
type TriedValues struct {
	InDynamics json.RawMessage `json:"in_dynamics,omitempty"`
	WouldSend  json.RawMessage `json:"would_send,omitempty"`
	InCampaign json.RawMessage `json:"in_campaign,omitempty"`
}

// RevealTried opens what TryMapping sealed to a pair of keys.
func RevealTried(sealed []byte, public, private *[32]byte) ([]TriedValues, error) {
	return reveal[[]TriedValues](sealed, public, private)
}
