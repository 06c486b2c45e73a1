package dataverse

import "slices"

// Column is one column of a table; Targets make it a lookup.
type Column struct {
	Name      string
	Type      string // String, Memo, Uniqueidentifier, Boolean, Integer, BigInt, Decimal, Double, Money, DateTime, Picklist, MultiSelectPicklist, State, Status, Lookup
	MaxLength int
	Behavior  string // of DateTime: UserLocal (default), DateOnly, TimeZoneIndependent
	ReadOnly  bool   // set by the service
	NoCreate  bool   // settable by update only
	Options   []Option
	Global    string // name of the global option set that Options are; "" = they are the column's own
	Property  string // name in JSON when it differs: _ownerid_value
	Targets   []Target
	OnDelete  OnDelete // of the row a lookup names
	Default   string   // JSON of a new row's value; "" = false, 0, 1 or null, by type
	Required  bool     // for applications; the service itself does not require it
	Positive  bool     // no Integer below 0
	Derived   bool     // follows from the owner, and is not stored
}

// Target is a table a lookup may name, and the navigation property that binds
// it. An inherited one is declared by activitypointer, not by the table.
type Target struct {
	Table, Nav   string
	Inherited    bool
	Relationship string // schema name, and the name of the collection at the other end; default: <table>_<Nav>
}

// OnDelete says what happens to a row when the row it looks up is deleted.
type OnDelete string

// The behaviours of a relationship.
const (
	RemoveLink OnDelete = "" // the lookup becomes null
	Cascade    OnDelete = "cascade"
	Restrict   OnDelete = "restrict"
)

// AlternateKey makes rows addressable by other columns than the primary key.
type AlternateKey struct {
	Name    string
	Columns []string
	Status  string // of its index: Active (default), Pending, InProgress, Failed
}

// Option is one value of a choice.
type Option struct {
	Value int
	Label string
	State int // of a Status option
}

// Table is one Dataverse table. Custom tables are declared the same way.
type Table struct {
	LogicalName, EntitySet, Key, Name string
	Tracked                           bool
	Activity                          bool // made by Activity
	TypeCode                          int  // ObjectTypeCode; default 10,000, a custom table's
	Columns                           []Column
	AlternateKeys                     []AlternateKey
}

func text(name string, length int) Column {
	return Column{Name: name, Type: "String", MaxLength: length}
}

func boolean(name string) Column { return Column{Name: name, Type: "Boolean"} }

func choice(name string, labels ...string) Column {
	c := Column{Name: name, Type: "Picklist"}
	for i, l := range labels {
		c.Options = append(c.Options, Option{Value: i + 1, Label: l})
	}
	return c
}

// Contact is the contact table (docs/protocol/dynamics.md §10).
func Contact() Table {
	cols := []Column{
		{Name: "contactid", Type: "Uniqueidentifier"},
		text("firstname", 50), text("middlename", 50), text("lastname", 50), {Name: "fullname", Type: "String", MaxLength: 160, ReadOnly: true},
		text("salutation", 100), text("nickname", 100), text("suffix", 10), text("jobtitle", 100), text("department", 100),
		text("emailaddress1", 100), text("emailaddress2", 100), text("emailaddress3", 100),
		text("telephone1", 50), text("telephone2", 50), text("mobilephone", 50), text("fax", 50),
		text("address1_line1", 250), text("address1_line2", 250), text("address1_line3", 250), text("address1_city", 80),
		text("address1_country", 80), text("address1_county", 50), text("address1_stateorprovince", 50), text("address1_postalcode", 20),
		{Name: "birthdate", Type: "DateTime", Behavior: "DateOnly"}, {Name: "anniversary", Type: "DateTime", Behavior: "DateOnly"},
		choice("gendercode", "Male", "Female"), choice("familystatuscode", "Single", "Married", "Divorced", "Widowed"),
		choice("preferredcontactmethodcode", "Any", "Email", "Phone", "Fax", "Mail"),
		{Name: "annualincome", Type: "Money"}, {Name: "creditlimit", Type: "Money"}, {Name: "numberofchildren", Type: "Integer"},
		text("externaluseridentifier", 50), text("employeeid", 50), text("governmentid", 50), text("websiteurl", 200),
		{Name: "description", Type: "Memo", MaxLength: 2000},
		boolean("donotemail"), boolean("donotbulkemail"), boolean("donotphone"), boolean("donotfax"), boolean("donotpostalmail"),
		boolean("donotbulkpostalmail"), boolean("donotsendmm"), {Name: "followemail", Type: "Boolean", Default: "true"}, boolean("creditonhold"),
		{Name: "merged", Type: "Boolean", ReadOnly: true},
		{Name: "masterid", Type: "Lookup", ReadOnly: true, Targets: []Target{{Table: "contact", Nav: "masterid", Relationship: "contact_master_contact"}}},
		{Name: "parentcustomerid", Type: "Customer", Targets: []Target{
			{Table: "account", Nav: "parentcustomerid_account", Relationship: "contact_customer_accounts"}, {Table: "contact", Nav: "parentcustomerid_contact", Relationship: "contact_customer_contacts"},
		}},
		owner(),
		{Name: "createdon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "modifiedon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "versionnumber", Type: "BigInt", ReadOnly: true},
		{Name: "statecode", Type: "State", NoCreate: true, Options: []Option{{Value: 0, Label: "Active"}, {Value: 1, Label: "Inactive"}}},
		{Name: "statuscode", Type: "Status", Options: []Option{{Value: 1, Label: "Active"}, {Value: 2, Label: "Inactive", State: 1}}},
	}
	cols = append(append(cols, written()...), owning()...)
	return Table{LogicalName: "contact", EntitySet: "contacts", Key: "contactid", Name: "fullname", Tracked: true, TypeCode: 2, Columns: cols}
}

// owner is bound by one navigation property, to a user or a team. A new row belongs to
// the user who created it.
func owner() Column {
	return Column{Name: "ownerid", Type: "Owner", Targets: []Target{{Table: "systemuser", Nav: "ownerid"}, {Table: "team", Nav: "ownerid"}}}
}

// WithSystemColumns adds the key and the columns that every custom table has, unless
// the table declares them.
func WithSystemColumns(t Table) Table {
	columns := []Column{
		{Name: t.Key, Type: "Uniqueidentifier"},
		owner(),
		{Name: "createdon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "modifiedon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "versionnumber", Type: "BigInt", ReadOnly: true},
		{Name: "statecode", Type: "State", NoCreate: true, Options: []Option{{Value: 0, Label: "Active"}, {Value: 1, Label: "Inactive"}}},
		{Name: "statuscode", Type: "Status", Options: []Option{{Value: 1, Label: "Active"}, {Value: 2, Label: "Inactive", State: 1}}},
	}
	for _, c := range append(columns, owning()...) {
		if !slices.ContainsFunc(t.Columns, func(have Column) bool { return have.Name == c.Name }) {
			t.Columns = append(t.Columns, c)
		}
	}
	return t
}

func (c *Column) property() string {
	if c.Property != "" {
		return c.Property
	}
	if len(c.Targets) > 0 {
		return "_" + c.Name + "_value"
	}
	return c.Name
}
