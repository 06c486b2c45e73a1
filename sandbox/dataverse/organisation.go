package dataverse

// This file declares the tables around contacts: accounts, and who owns rows.

// Account is the table of companies.
func Account() Table {
	name := text("name", 160)
	name.Required = true
	columns := []Column{
		{Name: "accountid", Type: "Uniqueidentifier"}, name, text("accountnumber", 20), text("emailaddress1", 100), text("telephone1", 50), text("websiteurl", 200),
		text("address1_line1", 250), text("address1_city", 80), text("address1_country", 80), text("address1_postalcode", 20),
		{Name: "revenue", Type: "Money"}, {Name: "numberofemployees", Type: "Integer", Positive: true}, {Name: "description", Type: "Memo", MaxLength: 2000},
		boolean("donotemail"), boolean("donotbulkemail"), boolean("donotphone"), boolean("donotpostalmail"),
		{Name: "primarycontactid", Type: "Lookup", Targets: []Target{{Table: "contact", Nav: "primarycontactid", Relationship: "account_primary_contact"}}},
		{Name: "parentaccountid", Type: "Lookup", Targets: []Target{{Table: "account", Nav: "parentaccountid", Relationship: "account_parent_account"}}},
	}
	return WithSystemColumns(Table{LogicalName: "account", EntitySet: "accounts", Key: "accountid", Name: "name", Tracked: true, TypeCode: 1,
		Columns: append(columns, written()...)})
}

// written are the columns that say who wrote a row, and in whose name.
func written() []Column {
	by := func(name string) Column {
		return Column{Name: name, Type: "Lookup", ReadOnly: true, Targets: []Target{{Table: "systemuser", Nav: name}}}
	}
	return []Column{by("createdby"), by("modifiedby"), by("createdonbehalfby"), by("modifiedonbehalfby")}
}

// owning are the columns that follow from the owner: the user or the team, and the
// business unit. They are not stored.
func owning() []Column {
	return []Column{
		{Name: "owninguser", Type: "Lookup", ReadOnly: true, Derived: true, Targets: []Target{{Table: "systemuser", Nav: "owninguser"}}},
		{Name: "owningteam", Type: "Lookup", ReadOnly: true, Derived: true, Targets: []Target{{Table: "team", Nav: "owningteam"}}},
		{Name: "owningbusinessunit", Type: "Lookup", ReadOnly: true, Derived: true, Targets: []Target{{Table: "businessunit", Nav: "owningbusinessunit"}}},
	}
}

// derive is the value of a column that follows from the owner.
func (t *table) derive(column int, r *row) []byte {
	owner := r.storedAt(t.system.owner)
	if owner == nil {
		return nil
	}
	_, isTeam := t.server.teams.Load(linked(owner))
	switch name := t.Columns[column].Name; {
	case name == "owningbusinessunit":
		return []byte(`"` + t.server.unitOf(linked(owner)) + `"`)
	case (name == "owningteam") == isTeam:
		return owner
	}
	return nil
}

// teams is the table of the teams. The application user may only read it.
func teams() Table {
	return Table{LogicalName: "team", EntitySet: "teams", Key: "teamid", Name: "name", TypeCode: 9, Columns: []Column{
		{Name: "teamid", Type: "Uniqueidentifier"}, text("name", 160), boolean("isdefault"),
		{Name: "teamtype", Type: "Picklist", Default: "0", Options: []Option{{Value: 0, Label: "Owner"}, {Value: 1, Label: "Access"}}},
		inUnit(),
		{Name: "createdon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "modifiedon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "versionnumber", Type: "BigInt", ReadOnly: true},
	}}
}

// units is the table of the business units. The application user may only read it.
func units() Table {
	return Table{LogicalName: "businessunit", EntitySet: "businessunits", Key: "businessunitid", Name: "name", TypeCode: 10, Columns: []Column{
		{Name: "businessunitid", Type: "Uniqueidentifier"}, text("name", 160), boolean("isdisabled"),
		{Name: "parentbusinessunitid", Type: "Lookup", Targets: []Target{{Table: "businessunit", Nav: "parentbusinessunitid"}}},
		{Name: "createdon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "modifiedon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "versionnumber", Type: "BigInt", ReadOnly: true},
	}}
}

func inUnit() Column {
	return Column{Name: "businessunitid", Type: "Lookup", Targets: []Target{{Table: "businessunit", Nav: "businessunitid"}}}
}
