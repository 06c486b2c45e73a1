package mapping

import "strings"

// SourceKind is the kind of value that a Dynamics column holds. It decides how the
// value is converted.
type SourceKind string

// The kinds of Dynamics columns that can be mapped (docs/protocol/campaign.md §10).
const (
	FromBoolean     SourceKind = "boolean"
	FromInteger     SourceKind = "integer" // Integer, BigInt
	FromDecimal     SourceKind = "decimal" // Decimal, Money, Double
	FromInstant     SourceKind = "instant" // DateTime in UTC
	FromLiteralTime SourceKind = "literal-time"
	FromDate        SourceKind = "date"
	FromText        SourceKind = "text"
	FromChoice      SourceKind = "choice" // Picklist, State, Status
	FromMultiChoice SourceKind = "multi-choice"
	FromID          SourceKind = "id" // Uniqueidentifier
	FromLookup      SourceKind = "lookup"
)

// TargetKind is the kind of value that a Campaign field holds.
type TargetKind string

// The kinds of Campaign fields that can be written.
const (
	ToBoolean  TargetKind = "boolean"
	ToInt8     TargetKind = "int8"
	ToInt16    TargetKind = "int16"
	ToInt32    TargetKind = "int32"
	ToInt64    TargetKind = "int64"
	ToFloat    TargetKind = "float"
	ToDate     TargetKind = "date"
	ToDateTime TargetKind = "datetime"
	ToText     TargetKind = "text"
	// ToEnum and ToNumericEnum differ in how the unset member is found.
	ToEnum        TargetKind = "enumeration"
	ToNumericEnum TargetKind = "numeric-enumeration"
	ToLink        TargetKind = "link" // by the target's key; only with a parent
)

// sourceKind returns the kind of a column. ok is false for types whose values no
// Campaign field can take: Image, File, PartyList and the like.
func sourceKind(c Column) (kind SourceKind, ok bool) {
	switch strings.TrimSuffix(c.Type, "Type") {
	case "Boolean":
		return FromBoolean, true
	case "Integer", "BigInt":
		return FromInteger, true
	case "Decimal", "Money", "Double":
		return FromDecimal, true
	case "DateTime":
		switch c.DateTimeBehavior {
		case "DateOnly":
			return FromDate, true
		case "TimeZoneIndependent":
			return FromLiteralTime, true
		}
		return FromInstant, true
	case "String", "Memo", "EntityName":
		return FromText, true
	case "Picklist", "State", "Status":
		return FromChoice, true
	case "MultiSelectPicklist":
		return FromMultiChoice, true
	case "Uniqueidentifier":
		return FromID, true
	case "Lookup", "Customer", "Owner":
		return FromLookup, true
	}
	return "", false
}

// targetKind returns the kind of a Campaign field. ok is false for links, collections
// and items, which hold no value of their own.
func targetKind(f TargetField) (kind TargetKind, ok bool) {
	switch f.Type {
	case "enumeration":
		switch f.ResType {
		case "byte", "short", "long", "int64":
			return ToNumericEnum, true
		}
		return ToEnum, true
	case "link", "collection", "item":
		return "", false
	}
	name := f.ResType
	if name == "" {
		name = f.Type
	}
	switch strings.ToLower(name) {
	case "boolean":
		return ToBoolean, true
	case "byte":
		return ToInt8, true
	case "short":
		return ToInt16, true
	case "long", "integer", "int":
		return ToInt32, true
	case "int64":
		return ToInt64, true
	case "double", "float", "number", "decimal":
		return ToFloat, true
	case "date":
		return ToDate, true
	case "datetime", "date-time", "datetimetz":
		return ToDateTime, true
	case "string", "memo", "html", "uuid":
		return ToText, true
	}
	return "", false
}

// targets lists what each kind of column may be written to. Any other pair is
// refused when the mapping is checked (R11.13).
var targets = map[SourceKind][]TargetKind{
	FromBoolean:     {ToBoolean, ToInt8, ToInt16, ToInt32, ToInt64, ToFloat, ToText, ToEnum, ToNumericEnum},
	FromInteger:     {ToBoolean, ToInt8, ToInt16, ToInt32, ToInt64, ToFloat, ToText, ToEnum, ToNumericEnum},
	FromDecimal:     {ToInt8, ToInt16, ToInt32, ToInt64, ToFloat, ToText},
	FromInstant:     {ToDate, ToDateTime, ToText},
	FromLiteralTime: {ToDate, ToDateTime, ToText},
	FromDate:        {ToDate, ToDateTime, ToText},
	FromText:        {ToBoolean, ToInt8, ToInt16, ToInt32, ToInt64, ToFloat, ToDate, ToDateTime, ToText, ToEnum, ToNumericEnum},
	FromChoice:      {ToBoolean, ToInt8, ToInt16, ToInt32, ToInt64, ToFloat, ToText, ToEnum, ToNumericEnum},
	FromMultiChoice: {ToText},
	FromID:          {ToText},
	FromLookup:      {ToText, ToLink},
}

// isEnum says that a field is an enumeration of either kind.
func (k TargetKind) isEnum() bool { return k == ToEnum || k == ToNumericEnum }

// bits is the width of an integer kind, 0 for others.
func (k TargetKind) bits() int {
	switch k {
	case ToInt8:
		return 8
	case ToInt16:
		return 16
	case ToInt32:
		return 32
	case ToInt64:
		return 64
	}
	return 0
}
