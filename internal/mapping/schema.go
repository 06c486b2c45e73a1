package mapping

// SourceSchema is the metadata of a Dynamics table that Resolve needs.
type SourceSchema struct {
	// Table is the logical name, EntitySet the name in URLs, Key the primary key column.
	Table, EntitySet, Key string
	// Tracked says that change tracking is enabled (R3.10).
	Tracked bool
	// Columns by logical name.
	Columns map[string]Column
}

// Column is one column of a Dynamics table.
type Column struct {
	// Type is the attribute type name without its suffix: String, DateTime, MultiSelectPicklist.
	Type string
	// MaxLength is the longest text, in characters; 0 when not applicable.
	MaxLength int
	// DateTimeBehavior is UserLocal, DateOnly or TimeZoneIndependent for a DateTime.
	DateTimeBehavior string
	// Options are the labels of a choice by value.
	Options map[int]string
	// Targets are the tables a lookup may name.
	Targets []string
	// TrueLabel and FalseLabel are the labels of a Boolean.
	TrueLabel, FalseLabel string
}

// TargetSchema is the metadata of a Campaign resource that Resolve needs.
type TargetSchema struct {
	API, Resource string
	// Fields by name; those inside an item have dotted names: location.city.
	Fields map[string]TargetField
}

// TargetField is one field of a Campaign resource.
type TargetField struct {
	// Type is Campaign's high-level type: string, number, enumeration, link.
	Type string
	// ResType is the technical type: string, byte, long, double, datetime.
	ResType string
	// Length is the longest text, in characters; 0 when the metadata gives none.
	Length    int
	ReadOnly  bool
	Mandatory bool
	// DataPolicy names what Campaign checks or changes on write: email, smartCase.
	DataPolicy string
	// Values are the members of an enumeration by name.
	Values map[string]EnumValue
}

// EnumValue is one member of an enumeration.
type EnumValue struct {
	Label string `json:"label,omitempty"`
	Value string `json:"value,omitempty"`
}
