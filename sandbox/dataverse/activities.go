package dataverse

import (
	"slices"
	"strings"
)

// regarding is the column that names the row an activity is about.
const regarding = "regardingobjectid"

// pointerColumns are the columns that every activity table inherits (§6).
func pointerColumns() []Column {
	status := []Option{{Value: 1, Label: "Open"}, {Value: 2, Label: "Completed", State: 1}, {Value: 3, Label: "Canceled", State: 2}, {Value: 4, Label: "Scheduled", State: 3}}
	subject := text("subject", 400)
	subject.Required = true
	columns := []Column{
		{Name: "activityid", Type: "Uniqueidentifier"}, subject, {Name: "description", Type: "Memo", MaxLength: 2000},
		moment("actualstart"), moment("actualend"), moment("scheduledstart"), moment("scheduledend"),
		{Name: "actualdurationminutes", Type: "Integer", Positive: true}, {Name: "scheduleddurationminutes", Type: "Integer", Positive: true},
		{Name: "prioritycode", Type: "Picklist", Default: "1", Options: []Option{{Value: 0, Label: "Low"}, {Value: 1, Label: "Normal"}, {Value: 2, Label: "High"}}},
		moment("sortdate"), {Name: "activityadditionalparams", Type: "Memo", MaxLength: 8192},
		{Name: regarding, Type: "Lookup", OnDelete: Cascade, Targets: []Target{
			{Table: "contact", Nav: regarding + "_contact", Inherited: true}, {Table: "account", Nav: regarding + "_account", Inherited: true},
		}},
		owner(),
		{Name: "activitytypecode", Type: "EntityName", ReadOnly: true},
		{Name: "createdon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "modifiedon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "versionnumber", Type: "BigInt", ReadOnly: true},
		{Name: "statecode", Type: "State", NoCreate: true, Options: []Option{{Value: 0, Label: "Open"}, {Value: 1, Label: "Completed"}, {Value: 2, Label: "Canceled"}, {Value: 3, Label: "Scheduled"}}},
		{Name: "statuscode", Type: "Status", Options: status},
	}
	return append(append(columns, written()...), owning()...)
}

func moment(name string) Column { return Column{Name: name, Type: "DateTime", Behavior: "UserLocal"} }

// Activity makes a table an activity type. It adds the inherited columns, and the key
// becomes activityid and the name subject, whatever the table declares.
//
// The contact that an activity regards can be bound by a navigation property of the
// table and by the inherited one (§6.1). A table that declares regardingobjectid
// chooses the name of the former itself, as some tables of Microsoft do.
func Activity(t Table) Table {
	own := t.Columns
	declared := func(name string) int { return slices.IndexFunc(own, func(c Column) bool { return c.Name == name }) }
	t.Columns = nil
	for _, c := range pointerColumns() {
		at := declared(c.Name)
		switch {
		case c.Name == regarding && at < 0:
			c.Targets = append([]Target{
				{Table: "contact", Nav: regarding + "_contact_" + t.LogicalName, Relationship: t.regardingOf("contact")},
				{Table: "account", Nav: regarding + "_account_" + t.LogicalName, Relationship: t.regardingOf("account")},
			}, c.Targets...)
		case c.Name == regarding:
			c.Targets = append(slices.Clone(own[at].Targets), c.Targets...)
		case c.Name == "activitytypecode":
			c.Default = `"` + t.LogicalName + `"`
		case at >= 0:
			c = own[at]
		}
		t.Columns = append(t.Columns, c)
	}
	for _, c := range own {
		if !slices.ContainsFunc(t.Columns, func(have Column) bool { return have.Name == c.Name }) {
			t.Columns = append(t.Columns, c)
		}
	}
	t.Key, t.Name, t.Activity = "activityid", "subject", true
	return t
}

// Task is the built-in table of things to do.
func Task() Table {
	subject := text("subject", 200)
	subject.Required = true
	return Activity(Table{LogicalName: "task", EntitySet: "tasks", Tracked: true, TypeCode: 4212,
		Columns: []Column{subject, {Name: "percentcomplete", Type: "Integer", Positive: true}}})
}

// regardingOf is the name of the activities of a type, as a collection of the row that
// they regard.
func (t Table) regardingOf(table string) string {
	if t.LogicalName == "task" {
		return strings.ToUpper(table[:1]) + table[1:] + "_Tasks"
	}
	return table + "_" + t.EntitySet
}

// pointers is the view of all activities.
func pointers() Table {
	return Table{LogicalName: "activitypointer", EntitySet: "activitypointers", Key: "activityid", Name: "subject", TypeCode: 4200, Columns: inherited()}
}

// inherited are the columns of the activity pointer itself. It declares their
// navigation properties, so they do not count as inherited there.
func inherited() []Column {
	columns := pointerColumns()
	for i := range columns {
		for j := range columns[i].Targets {
			columns[i].Targets[j].Inherited = false
			if columns[i].Name == regarding {
				to := columns[i].Targets[j].Table
				columns[i].Targets[j].Relationship = strings.ToUpper(to[:1]) + to[1:] + "_ActivityPointers"
			}
		}
	}
	return columns
}

// union says where the rows of a view are. A view has no rows; it shows those of its
// parts. columns maps the columns of the view to those of each part.
type union struct {
	parts   []*table // by logical name, the order in which tables are locked
	columns [][]int
}

// view makes t the union of the activity tables.
func (t *table) view(parts []*table) {
	t.union = &union{parts: parts}
	for _, p := range parts {
		columns := make([]int, len(t.Columns))
		for i, c := range t.Columns {
			columns[i] = p.byProp[c.property()]
		}
		t.union.columns = append(t.union.columns, columns)
	}
}

func (u *union) project(part int, r *row) *row {
	return &row{key: r.key, version: r.version, data: r.data, wide: r.wide, table: r.table, columns: &u.columns[part]}
}

// rlock locks t for a read. For a view it locks the parts.
func (t *table) rlock() {
	if t.union == nil {
		t.mu.RLock()
		return
	}
	for _, p := range t.union.parts {
		p.mu.RLock()
	}
}

func (t *table) runlock() {
	if t.union == nil {
		t.mu.RUnlock()
		return
	}
	for _, p := range t.union.parts {
		p.mu.RUnlock()
	}
}

// find returns a row. The caller holds the lock of t.
func (t *table) find(key string) (*row, bool) {
	if t.union == nil {
		r, ok := t.rows[key]
		return r, ok
	}
	for i, p := range t.union.parts {
		if r, ok := p.rows[key]; ok {
			return t.union.project(i, r), true
		}
	}
	return nil, false
}

// size is the number of rows. The caller holds the lock of t.
func (t *table) size() int {
	if t.union == nil {
		return len(t.rows)
	}
	n := 0
	for _, p := range t.union.parts {
		n += len(p.rows)
	}
	return n
}

// scan calls f with the rows after a key, in key order, until f returns false. The
// caller holds the lock of t.
func (t *table) scan(after string, f func(*row) bool) {
	if t.union == nil {
		t.keys.Ascend(after, func(key string) bool { return key == after || f(t.rows[key]) })
		return
	}
	parts := t.union.parts
	next := make([]func() (string, bool), len(parts))
	heads := make([]string, len(parts))
	for i, p := range parts {
		next[i] = p.keysAfter(after)
		heads[i], _ = next[i]()
	}
	for {
		first := -1
		for i, key := range heads {
			if key != "" && (first < 0 || key < heads[first]) {
				first = i
			}
		}
		if first < 0 || !f(t.union.project(first, parts[first].rows[heads[first]])) {
			return
		}
		heads[first], _ = next[first]()
	}
}

// keysAfter returns a function that gives the keys after one, in order.
func (t *table) keysAfter(after string) func() (string, bool) {
	i := t.keys.Iter()
	ok := i.Seek(after)
	if ok && i.Key() == after {
		ok = i.Next()
	}
	return func() (string, bool) {
		if !ok {
			return "", false
		}
		key := i.Key()
		ok = i.Next()
		return key, true
	}
}

// activityCreated does what follows the creation of an activity. The process that
// waits for its type runs. With ActivityMovesContact the contact gets a new row
// version (§6.2).
func (x *tx) activityCreated(t *table, r *row) *refusal {
	if bad := x.runProcess(t, r); bad != nil || !x.s.o.ActivityMovesContact {
		return bad
	}
	contact := linked(r.value(t.byProp["_"+regarding+"_value"]))
	if _, regards := x.s.names["contact"].rows[contact]; regards {
		_, bad := x.put(x.s.names["contact"], contact, nil)
		return bad
	}
	return nil
}
