package dataverse

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/btree"
	"github.com/tidwall/gjson"
)

// table holds the rows of a table, with values as JSON literals by column number. It
// keeps them in key order, and has a log of changes by version, from which deltas are
// read.
type table struct {
	Table
	byProp  map[string]int
	byNav   map[string]int // navigation property of a lookup -> column
	links   []int          // lookups, without owners
	blank   [][]byte       // values of a new row
	system  system
	tracked bool
	scratch [][]byte // of put
	stored  int      // how many columns are
	union   *union   // for a view: where its rows are; nil for a table
	back    []backward
	server  *Server
	enrols  bool     // its rows are users, teams or business units
	closed  *refusal // the answer to writes through the Web API; nil when they are allowed

	mu     sync.RWMutex
	rows   map[string]*row
	keys   btree.Set[string]
	byAlt  []map[string]string   // by alternate key: its value -> key
	byLink []map[string][]string // by links: key of the row looked up -> keys
	log    []logged              // ascending versions; an older entry of a row is stale
}

func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// system holds the numbers of the columns that the service fills in; -1 when the table
// does not have one.
type system struct {
	key, createdOn, createdBy, createdFor, modifiedFor, modifiedOn, modifiedBy, version, owner, fullName int
}

// row is never changed, only replaced. Its values are in one text, because a sandbox
// holds millions of them, and as texts of their own they would take far more memory.
type row struct {
	key     string
	version int64
	data    []byte // where the value of each column ends, in 2 or 4 bytes; then the values
	table   *table
	columns *[]int // for a view: the number of each of its columns in the row
	wide    bool   // the values are more than 2 bytes can count
}

// end is where the value of a column ends in data.
func (r *row) end(column int) uint32 {
	if r.wide {
		return binary.LittleEndian.Uint32(r.data[4*column:])
	}
	return uint32(binary.LittleEndian.Uint16(r.data[2*column:]))
}

// head is where the values begin in data.
func (r *row) head() uint32 {
	if r.wide {
		return 4 * uint32(r.table.stored) //nolint:gosec // a table has some hundred columns
	}
	return 2 * uint32(r.table.stored) //nolint:gosec // a table has some hundred columns
}

// value is the JSON literal of a column; nil = null.
func (r *row) value(column int) []byte {
	if r.columns != nil {
		column = (*r.columns)[column]
	}
	if column >= r.table.stored {
		return r.table.derive(column, r)
	}
	return r.storedAt(column)
}

// storedAt is the literal of a column by its number in the table that holds the row.
func (r *row) storedAt(column int) []byte {
	head, start := r.head(), uint32(0)
	if column > 0 {
		start = r.end(column - 1)
	}
	if end := r.end(column); end > start {
		return r.data[head+start : head+end : head+end]
	}
	return nil
}

// values returns all literals, in the table's order.
func (r *row) values() [][]byte {
	out := make([][]byte, r.table.stored)
	for i := range out {
		out[i] = r.value(i)
	}
	return out
}

func (t *table) newRow(key string, version int64, values [][]byte) *row {
	size := 0
	for _, v := range values {
		size += len(v)
	}
	r := &row{key: key, version: version, table: t, wide: size > math.MaxUint16}
	r.data = make([]byte, 0, int(r.head())+size)
	end := 0
	for _, v := range values {
		if end += len(v); r.wide {
			r.data = binary.LittleEndian.AppendUint32(r.data, uint32(end)) //nolint:gosec // a request is 128 MB at most
		} else {
			r.data = binary.LittleEndian.AppendUint16(r.data, uint16(end)) //nolint:gosec // it is not wide
		}
	}
	for _, v := range values {
		r.data = append(r.data, v...)
	}
	return r
}

type logged struct {
	version int64
	key     string
	at      int64 // Unix time in nanoseconds
	deleted bool
}

func newTable(t Table) *table {
	columns := slices.Clone(t.Columns)
	slices.SortStableFunc(columns, func(a, b Column) int { return cmp.Compare(asInt(a.Derived), asInt(b.Derived)) })
	t.Columns = columns
	out := &table{Table: t, byProp: map[string]int{}, byNav: map[string]int{}, tracked: t.Tracked, rows: map[string]*row{}}
	for i := range t.Columns {
		c := &t.Columns[i]
		c.Property = c.property()
		out.stored += 1 - asInt(c.Derived)
		out.byProp[c.property()] = i
		for _, l := range c.Targets {
			out.byNav[l.Nav] = i
		}
		if slices.ContainsFunc(c.Targets, func(l Target) bool { return l.Table != "systemuser" && l.Table != "team" && l.Table != "businessunit" }) {
			out.links, out.byLink = append(out.links, i), append(out.byLink, map[string][]string{})
		}
		out.blank = append(out.blank, c.initial())
	}
	out.enrols = t.LogicalName == "team" || t.LogicalName == "systemuser" || t.LogicalName == "businessunit"
	out.scratch = make([][]byte, len(t.Columns))
	for range t.AlternateKeys {
		out.byAlt = append(out.byAlt, map[string]string{})
	}
	at := func(property string) int {
		if i, ok := out.byProp[property]; ok {
			return i
		}
		return -1
	}
	out.system = system{key: at(t.Key), createdOn: at("createdon"), createdBy: at("_createdby_value"),
		createdFor: at("_createdonbehalfby_value"), modifiedFor: at("_modifiedonbehalfby_value"), modifiedOn: at("modifiedon"),
		modifiedBy: at("_modifiedby_value"), version: at("versionnumber"), owner: at("_ownerid_value"), fullName: at("fullname")}
	return out
}

// refusal is an error answer of the service.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

type assignment struct {
	column int
	value  []byte // nil = null
}

var (
	guidForm  guidMatcher
	undeclare = "Error identified in Payload provided by the user for Entity :'%s'. An undeclared property '%s' which only has property annotations in the payload but no property value was found in the payload."
)

// binder resolves the row that an @odata.bind names and returns its key.
type binder func(value string, targets []Target) (string, *refusal)

// parse checks the body of a write against the table (§2.2, §2.3, §9).
func (t *table) parse(body []byte, create bool, bind binder) ([]assignment, *refusal) {
	doc := gjson.ParseBytes(body)
	if !gjson.ValidBytes(body) || !doc.IsObject() {
		return nil, &refusal{400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'" + t.EntitySet + "'"}
	}
	var out []assignment
	var bad *refusal
	doc.ForEach(func(name, v gjson.Result) bool {
		if strings.HasPrefix(name.Str, "@odata.") {
			return true
		}
		if nav, isBind := strings.CutSuffix(name.Str, "@odata.bind"); isBind {
			a, r := t.bind(nav, v, bind)
			bad = r
			out = append(out, a)
			return bad == nil
		}
		i, ok := t.byProp[name.Str]
		switch {
		case !ok:
			bad = &refusal{400, "0x80048d19", fmt.Sprintf(undeclare, t.EntitySet, name.Str)}
		case t.Columns[i].ReadOnly, len(t.Columns[i].Targets) > 0, create && t.Columns[i].NoCreate:
			bad = &refusal{400, "0x80040203", "The property '" + name.Str + "' cannot be set."}
		default:
			value, r := t.check(t.Columns[i], v)
			bad = r
			out = append(out, assignment{i, value})
		}
		return bad == nil
	})
	return out, bad
}

func (t *table) bind(nav string, v gjson.Result, bind binder) (assignment, *refusal) {
	i, ok := t.byNav[nav]
	if !ok || bind == nil {
		return assignment{}, &refusal{400, "0x80048d19", fmt.Sprintf(undeclare, t.EntitySet, nav)}
	}
	if t.Columns[i].ReadOnly {
		return assignment{}, &refusal{400, "0x80040203", "The property '" + nav + "' cannot be set."}
	}
	if v.Type == gjson.Null {
		return assignment{column: i}, nil
	}
	targets := slices.DeleteFunc(slices.Clone(t.Columns[i].Targets), func(l Target) bool { return l.Nav != nav })
	key, bad := bind(v.String(), targets)
	return assignment{i, []byte(`"` + key + `"`)}, bad
}

// put creates or updates a row. The caller holds mu and has drawn version.
func (t *table) put(key string, set []assignment, version int64, now time.Time, by, behalf string) *row {
	old, existed := t.rows[key]
	at, user := []byte(now.Format(`"2006-01-02T15:04:05Z"`)), []byte(`"`+by+`"`)
	var really []byte // who made the request in the name of user
	if behalf != "" {
		really = []byte(`"` + behalf + `"`)
	}
	values := t.scratch
	fill := func(column int, literal []byte) {
		if column >= 0 {
			values[column] = literal
		}
	}
	if existed {
		for i := range t.stored {
			values[i] = old.storedAt(i)
		}
	} else {
		copy(values, t.blank)
		fill(t.system.key, []byte(`"`+key+`"`))
		fill(t.system.createdOn, at)
		fill(t.system.createdBy, user)
		fill(t.system.createdFor, really)
		fill(t.system.owner, user)
	}
	for _, a := range set {
		values[a.column] = a.value
	}
	fill(t.system.modifiedOn, at)
	fill(t.system.modifiedBy, user)
	fill(t.system.modifiedFor, really)
	fill(t.system.version, strconv.AppendInt(nil, version, 10))
	if t.LogicalName == "contact" {
		first, last := values[t.byProp["firstname"]], values[t.byProp["lastname"]]
		fill(t.system.fullName, quote(strings.TrimSpace(gjson.ParseBytes(first).String()+" "+gjson.ParseBytes(last).String())))
	}
	r := t.newRow(key, version, values[:t.stored])
	clear(values)
	t.set(r)
	t.log = append(t.log, logged{version: version, key: key, at: now.UnixNano()})
	return r
}

func (c Column) initial() []byte {
	switch {
	case c.Default != "":
		return []byte(c.Default)
	case c.Type == "Boolean":
		return []byte("false")
	case c.Type == "State":
		return []byte("0")
	case c.Type == "Status":
		return []byte("1")
	}
	return nil
}

func (t *table) str(r *row, property string) string {
	i, ok := t.byProp[property]
	if !ok {
		return ""
	}
	return gjson.ParseBytes(r.value(i)).String()
}

// remove deletes a row and leaves a tombstone. The caller holds mu.
func (t *table) remove(key string, version int64, now time.Time) bool {
	if _, ok := t.rows[key]; !ok {
		return false
	}
	t.unset(key)
	t.log = append(t.log, logged{version: version, key: key, deleted: true, at: now.UnixNano()})
	return true
}

func newKey() string { return uuid.NewString() }
