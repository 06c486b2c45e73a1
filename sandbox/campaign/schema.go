package campaign

import "strings"

// Types of a field, as metadata names them (§2.1). A Datetime is shown as type
// date with resType datetime.
const (
	String      = "string"
	Boolean     = "boolean"
	Number      = "number"
	Date        = "date"
	Datetime    = "datetime"
	Enumeration = "enumeration"
	Link        = "link"
	Collection  = "collection"
	Item        = "item"
)

// Field is one field of a resource.
type Field struct {
	Name     string // dotted when it is inside an item: location.city
	Type     string
	ResType  string // string, byte, short, long, double, boolean, date, datetime, link
	Length   int    // characters; 0 = no limit
	Label    string // default: the name
	ReadOnly bool
	Policy   string   // email, smartCase
	Values   []string // names of an enumeration; the first is its empty value
	Stored   []string // what an enumeration stores by name; default: the position
	Target   string   // resource of a link or collection
	Ext      bool     // visible through profileAndServicesExt only
	Hidden   bool     // visible to workflows and the admin port, not through the API
	Default  string   // what an empty field reads as; default "", 0 or false
	Computed string   // title, domain, age: derived from other fields at each read
}

// Resource is one table of Campaign. Custom resources are declared the same way.
type Resource struct {
	Name, Label string
	Schema      string // nms:recipient
	Key         string // field of the custom identification key
	API         string // profileAndServices, customResources, privacy, within, or "" for profileAndServicesExt alone
	Fields      []Field
	Joins       []Join

	Auto      string              // begins the key that a record without one gets: SVC12; "" = it gets none
	Rekey     bool                // the key may be changed, in a record that is named by its PKey
	Mandatory []string            // fields that a new record must have
	Brief     []string            // fields that a link to a record shows, besides its PKey, title and href
	Can       []string            // methods that are imitated besides GET; nil = all
	Seed      []map[string]string // records of a new instance
}

// within is the API of resources that are reached through the records of others only.
const within = "-"

// servedBy says whether an API exposes the resource. Linked resources are in the Ext
// tree only, unlinked ones under customResources only (§2).
func (r Resource) servedBy(api string) bool {
	switch r.API {
	case "profileAndServices":
		return api == "profileAndServices" || api == "profileAndServicesExt"
	case "customResources", "privacy", within:
		return api == r.API
	}
	return api == "profileAndServicesExt"
}

func (f Field) label() string {
	if f.Label != "" {
		return f.Label
	}
	return f.leaf()
}

// leaf is the name of the property inside its item.
func (f Field) leaf() string { return f.Name[strings.LastIndexByte(f.Name, '.')+1:] }

// item is the name of the item that the field is in; "" for most fields.
func (f Field) item() string {
	item, _, nested := strings.Cut(f.Name, ".")
	if !nested {
		return ""
	}
	return item
}

// blank is the value that an empty field reads as (§3.2).
func (f Field) blank() string {
	switch {
	case f.Default != "":
		return f.Default
	case f.Type == Boolean:
		return "false"
	case f.Type == Number:
		return "0"
	case f.Type == Enumeration:
		return f.Values[0]
	}
	return ""
}

// bare says that the field's value is written without quotes.
func (f Field) bare() bool { return f.Type == Boolean || f.Type == Number }
