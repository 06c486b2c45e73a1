package campaign

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// table holds the records of one resource: values by field number, an index by
// key, and the order of insertion for paging.
type table struct {
	Resource
	byName map[string]int
	key    int

	mu     sync.RWMutex
	rows   map[string]*row // by key value, or by "#id" for rows without one
	order  []*row          // deleted rows stay as gaps
	nextID int64
	holes  int
}

type row struct {
	id      int64
	gone    bool
	values  []string // wire literals without quotes: text, true, 2
	writes  WriteCounts
	created time.Time
}

// WriteCounts says how often a record was written through the API.
type WriteCounts struct{ Inserts, Updates, Deletes int64 }

func newTable(r Resource) *table {
	t := &table{Resource: r, byName: map[string]int{}, rows: map[string]*row{}}
	for i, f := range r.Fields {
		t.byName[f.Name] = i
	}
	t.key = t.byName[r.Key]
	return t
}

const wireTime = "2006-01-02 15:04:05.000Z"

// problem is an error text of Campaign's with its status.
type problem struct {
	status int
	text   string
}

const restError = "RST-360011 An error has occurred - please contact your administrator. "

// change is one field of a request body.
type change struct {
	field int
	value string
}

// parseBody reads and checks the fields of a POST or PATCH.
func (t *table) parseBody(body []byte) ([]change, *problem) {
	if !gjson.ValidBytes(body) || !gjson.ParseBytes(body).IsObject() {
		return nil, &problem{500, fmt.Sprintf("'%.20s' is not a valid constant", body)}
	}
	var changes []change
	var bad *problem
	t.collect("", gjson.ParseBytes(body), &changes, &bad)
	return changes, bad
}

func (t *table) collect(prefix string, doc gjson.Result, changes *[]change, bad **problem) {
	doc.ForEach(func(name, v gjson.Result) bool {
		path := prefix + name.String()
		if v.IsObject() && prefix == "" && t.hasItem(path) {
			t.collect(path+".", v, changes, bad)
			return *bad == nil
		}
		i, ok := t.byName[path]
		if !ok {
			*bad = &problem{500, restError + fmt.Sprintf("'%s' property is not valid for the '%s' resource.", path, t.Name)}
			return false
		}
		if t.Fields[i].ReadOnly {
			*bad = &problem{500, restError + fmt.Sprintf("Cannot update the '%s' property that is read-only", path)}
			return false
		}
		value, p := t.check(t.Fields[i], v)
		if p != nil {
			*bad = p
			return false
		}
		*changes = append(*changes, change{i, value})
		return true
	})
}

func (t *table) hasItem(name string) bool {
	for _, f := range t.Fields {
		if strings.HasPrefix(f.Name, name+".") {
			return true
		}
	}
	return false
}

var (
	mailForm = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
	dateForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
)

// check converts a value to what the field stores, or says why not (§5.1).
func (t *table) check(f Field, v gjson.Result) (string, *problem) {
	text := v.String()
	if v.Type == gjson.Null {
		text = ""
	}
	convert := func(kind string) *problem {
		return &problem{500, fmt.Sprintf("BAS-010040 Cannot convert '%s' (type text) to %s type (bAS-010011 Invalid value).", text, kind)}
	}
	switch f.Type {
	case "boolean":
		switch strings.ToLower(text) {
		case "", "false", "0":
			return "false", nil
		case "true", "1":
			return "true", nil
		}
		return "", convert("boolean (1 byte)")
	case "number":
		if text == "" {
			return "0", nil
		}
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return "", convert("integer (8 bit)")
		}
		return text, nil
	case "date":
		if text == "" {
			return "", nil
		}
		if _, err := time.Parse(time.DateOnly, text); err != nil || !dateForm.MatchString(text) {
			return "", convert("date")
		}
		return text, nil
	case "enumeration":
		if text == "" {
			return f.Values[0], nil
		}
		for _, name := range f.Values {
			if name == text {
				return text, nil
			}
		}
		return "", &problem{500, restError + fmt.Sprintf("The value '%s' is not valid for the '%s:%s' enumeration of the '@%s' field", text, t.Schema, f.Name, f.Name)}
	}
	if f.Policy == "email" && text != "" && !mailForm.MatchString(text) {
		return "", &problem{500, restError + fmt.Sprintf("XTK-170024 The value '%s' of the '@%s' field is not a valid e-mail address", text, f.Name)}
	}
	if f.Policy == "smartCase" {
		text = smartCase(text)
	}
	if f.Length > 0 && utf8.RuneCountInString(text) > f.Length {
		return "", &problem{500, fmt.Sprintf("PGS-220000 PostgreSQL error: ERROR:  value too long for type character varying(%d)", f.Length)}
	}
	return text, nil
}

// smartCase is Campaign's transforming policy: the first letter of a word upper, the others lower.
func smartCase(s string) string {
	start := true
	return strings.Map(func(r rune) rune {
		defer func() { start = r == ' ' || r == '-' || r == '\'' }()
		if start {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, s)
}

func (t *table) duplicate(key string) *problem {
	return &problem{500, fmt.Sprintf("A '%s' with the same key '%s' already exists. PGS-220000 PostgreSQL error: ERROR:  duplicate key value violates unique constraint \"%s_%s\" DETAIL:  Key (s%s)=(%s) already exists.",
		t.Label, key, strings.ReplaceAll(t.Schema, ":", ""), t.Key, t.Key, key)}
}

func (t *table) missing(key string) *problem {
	return &problem{404, restError + fmt.Sprintf("Unable to find document with path '%s' from key '%s:0' (document with schema '%s' and name '%s')", t.Label, key, t.Name, key)}
}

func (t *table) insert(changes []change, now time.Time, api bool) (*row, *problem) {
	r := &row{values: make([]string, len(t.Fields)), created: now}
	for i, f := range t.Fields {
		r.values[i] = f.empty()
	}
	for _, c := range changes {
		r.values[c.field] = c.value
	}
	t.stampOptOuts(r, changes, nil, now)
	stamp := now.Format(wireTime)
	t.set(r, "created", stamp)
	t.set(r, "lastModified", stamp)
	key := r.values[t.key]
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nextID++
	r.id = t.nextID
	if key == "" {
		key = "#" + strconv.FormatInt(r.id, 10)
	}
	old, taken := t.rows[key]
	if taken && !old.gone {
		return nil, t.duplicate(key)
	}
	if taken {
		r.writes = old.writes
	}
	if api {
		r.writes.Inserts++
	}
	t.rows[key] = r
	t.order = append(t.order, r)
	return r, nil
}

func (t *table) set(r *row, field, value string) {
	if i, ok := t.byName[field]; ok {
		r.values[i] = value
	}
}

func (f Field) empty() string {
	switch f.Type {
	case "boolean":
		return "false"
	case "number":
		return "0"
	case "enumeration":
		return f.Values[0]
	}
	if f.Name == "preferredLanguage" || f.Name == "timeZone" {
		return "none"
	}
	return ""
}

// stampOptOuts moves the stamp of every opt-out whose value changes (§3.1).
func (t *table) stampOptOuts(r *row, changes []change, before []string, now time.Time) {
	for _, c := range changes {
		i, ok := t.byName[t.Fields[c.field].Name+"LastModified"]
		if ok && (before == nil && c.value == "true" || before != nil && before[c.field] != c.value) {
			r.values[i] = now.Format(wireTime)
		}
	}
}

func (t *table) update(key string, changes []change, now time.Time, api bool) *problem {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.rows[key]
	if !ok || r.gone {
		return t.missing(key)
	}
	for _, c := range changes {
		if c.field == t.key && c.value != key {
			return &problem{500, restError + fmt.Sprintf("RST-360012 Inconsistent operation on resource '%s' – Cannot update key '%s' to '%s'.", t.Name, key, c.value)}
		}
	}
	before := append([]string(nil), r.values...)
	for _, c := range changes {
		r.values[c.field] = c.value
	}
	t.stampOptOuts(r, changes, before, now)
	t.set(r, "lastModified", now.Format(wireTime))
	if api {
		r.writes.Updates++
	}
	return nil
}

func (t *table) remove(key string, api bool) *problem {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.rows[key]
	if !ok || r.gone {
		return t.missing(key)
	}
	r.gone = true
	if api {
		r.writes.Deletes++
	}
	t.holes++
	return nil
}

// get returns a copy of a record's values.
func (t *table) get(key string) (*row, *problem) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	r, ok := t.rows[key]
	if !ok || r.gone {
		return nil, t.missing(key)
	}
	return &row{id: r.id, values: append([]string(nil), r.values...)}, nil
}

// keyOf finds the key of a record by its internal id.
func (t *table) keyOf(id int64) (string, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if id < 1 || id > int64(len(t.order)) {
		return "", false
	}
	r := t.order[id-1]
	if r.gone {
		return "", false
	}
	if key := r.values[t.key]; key != "" {
		return key, true
	}
	return "#" + strconv.FormatInt(id, 10), true
}

func (t *table) count() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return int64(len(t.order) - t.holes)
}
