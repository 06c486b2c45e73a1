package pages

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/config/edit"
)

// editView is the form of a mapping.
type editView struct {
	Now           time.Time
	Crumbs        []link
	Self, Back    string
	Name          string
	New           bool
	Draft         mappingDraft
	Table         activities.Table
	Key, KeyType  string
	Problem       *notice
	Known         bool
	At            time.Time
	ByEmail       bool
	General       []string // problems of no field
	NameProblems  []string
	KeyProblems   []string
	KeyDoubt      string // of whoever proposed the key
	Count         int64
	Pairs         []editPair
	Conditions    []editCondition
	Columns       []offered // for a pair
	FilterColumns []offered
	Offered       []offered // fields that a pair may be written to
	Keys          []offered
	Lists         []optionList
	Replaceable   []offered
	Contacts      bool
	Links         int
	Differences   []string
	Focus, Only   string
	Try           *tryView
	Plan          *planView
	Result        *notice
	Conflict      *conflictView
	ReadOnly      *notice
	Nothing       bool // there was nothing to save
	Refused       bool // nothing was saved, because of problems
	fields        []activities.ModelField
	columns       map[string]activities.ModelColumn
	taken         map[string]bool
	base          string
}

// editPair is a pair of the form.
type editPair struct {
	draftPair
	N                         int
	FromType, Label, ToType   string
	Changed, Last             bool
	Long, Lower, Zone, More   bool // what the kinds have a choice for
	Parents                   []string
	Link                      string // what the link means
	WhenList, WriteList       string // ids of lists of values
	Replace                   []editReplacement
	Problems, ReplaceProblems []string
}

type editReplacement struct {
	draftReplacement
	N, M  int
	Field string
	Of    editOf
}

// editOf are the lists of values of a replacement.
type editOf struct{ When, Write string }

// editCondition is a condition of the filter.
type editCondition struct {
	activities.Condition
	N           int
	Type        string
	Comparisons []pick
	NoValue     bool
	Problems    []string
}

// pick is an entry of a choice.
type pick struct {
	Value, Text string
	Here        bool
}

// optionList are the values of a column or field, to choose from.
type optionList struct {
	ID      string
	Options []offered
}

// allComparisons in the order in which they are offered.
var allComparisons = []string{"equals", "not_equals", "greater", "greater_or_equal", "less", "less_or_equal", "contains", "begins_with", "empty", "not_empty"}

// fill makes the form of a draft, with what is known of both sides and each problem at its field.
func (v *editView) fill(cfg *config.Config, d mappingDraft, got activities.DescribeMappingResult, problems []config.Problem) {
	t := d.Table
	v.base = edit.TablePath(t.Name).String() + "."
	v.fields, v.columns, v.taken = got.Fields, map[string]activities.ModelColumn{}, map[string]bool{}
	fields := map[string]activities.ModelField{}
	for _, c := range got.Columns {
		v.columns[c.Name] = c
		if len(c.Takes) > 0 && c.Name != got.Key {
			v.Columns = append(v.Columns, offered{c.Name, strings.Join(slices.DeleteFunc([]string{c.Label, columnWords(c)}, func(s string) bool { return s == "" }), ", ")})
		}
		if len(c.Comparisons) > 0 {
			v.FilterColumns = append(v.FilterColumns, offered{c.Name, cmp.Or(c.Label, columnWords(c))})
		}
	}
	for _, f := range got.Fields {
		fields[f.Name] = f
		if f.Key && !f.ReadOnly {
			v.Keys = append(v.Keys, offered{f.Name, fieldWords(f)})
		}
	}
	v.Key, v.KeyType = cmp.Or(got.Key, t.Dynamics.Table+"id"), fieldWords(fields[t.Campaign.Key])
	v.Contacts = t.Dynamics.Table == "contact"
	v.taken[t.Campaign.Key] = true
	for _, p := range d.Pairs {
		v.taken[p.To] = true
	}
	for n, p := range d.Pairs {
		v.pair(cfg, n, p, fields[p.To], n == len(d.Pairs)-1)
	}
	for n, c := range t.Filter.Where {
		v.condition(n, c)
	}
	v.offer(-1)
	for _, one := range problems {
		v.place(one)
	}
}

// pair adds a pair, with the choices that its kinds have.
func (v *editView) pair(cfg *config.Config, n int, p draftPair, f activities.ModelField, last bool) {
	c := v.columns[p.From]
	e := editPair{draftPair: p, N: n, FromType: columnWords(c), Label: c.Label, ToType: fieldWords(f), Last: last}
	known := c.Type != "" && f.Type != ""
	e.Long = p.OnTooLong != "" || !known || f.Kind == "text" && f.Length > 0 && (c.Length == 0 || c.Length > f.Length)
	e.Lower = p.LowerCase || !known || c.Kind == "text" && f.Kind == "text"
	e.Zone = p.TimeZone != "" || known && c.Kind == "instant" && f.Kind == "date"
	for _, name := range sortedTables(cfg) {
		if parent := cfg.Ingress.Tables[name]; name == p.Parent || slices.Contains(c.Targets, parent.Dynamics.Table) {
			e.Parents = append(e.Parents, name)
		}
	}
	if p.Parent != "" {
		if !slices.Contains(e.Parents, p.Parent) { // its mapping is gone
			e.Parents = append(e.Parents, p.Parent)
		}
		e.Link = "Campaign takes the record also before its parent is there."
		if f.Kind == "link" {
			e.Link = "Required: a record waits until its parent is in Campaign."
		}
	}
	e.More = e.Long || e.Lower || e.Zone || len(e.Parents) > 0
	of := editOf{v.options("o-", p.From, columnOptions(c, v.Draft.Table.TechnicalValues)), v.options("f-", p.To, f.Options)}
	for m, r := range p.Replace {
		e.Replace = append(e.Replace, editReplacement{r, n, m, p.From, of})
	}
	if p.From != "" && p.Parent == "" {
		v.Replaceable = append(v.Replaceable, offered{strconv.Itoa(n), p.From + " → " + p.To})
	}
	v.Pairs = append(v.Pairs, e)
}

// columnOptions are the existing values of a column, as a replacement or a filter names them.
func columnOptions(c activities.ModelColumn, technical bool) (out []activities.ModelOption) {
	if c.Kind == "boolean" && len(c.Options) == 0 {
		return []activities.ModelOption{{Value: "true"}, {Value: "false"}}
	}
	for _, o := range c.Options {
		switch {
		case technical || o.Label == "" || c.Kind == "boolean":
			out = append(out, o)
		default:
			out = append(out, activities.ModelOption{Value: o.Label})
		}
	}
	return out
}

// options makes a list of values; "" when there are none.
func (v *editView) options(prefix, name string, options []activities.ModelOption) string {
	if len(options) == 0 {
		return ""
	}
	id := prefix + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '-'
	}, name)
	if slices.ContainsFunc(v.Lists, func(l optionList) bool { return l.ID == id }) {
		return id
	}
	list := optionList{ID: id}
	for _, o := range options {
		list.Options = append(list.Options, offered{o.Value, o.Label})
	}
	v.Lists = append(v.Lists, list)
	return id
}

// condition adds a condition with the comparisons that fit its column.
func (v *editView) condition(n int, c activities.Condition) {
	column := v.columns[c.Column]
	e := editCondition{Condition: c, N: n, Type: columnWords(column), NoValue: c.Is == "empty" || c.Is == "not_empty"}
	v.options("c-", strconv.Itoa(n), columnOptions(column, false))
	for _, is := range allComparisons {
		if len(column.Comparisons) == 0 || slices.Contains(column.Comparisons, is) || is == c.Is {
			e.Comparisons = append(e.Comparisons, pick{is, comparisonWords[is], is == c.Is})
		}
	}
	v.Conditions = append(v.Conditions, e)
}

// offer lists the fields that the column of pair n may be written to and that no other pair
// has; for a pair that there is not, those that any may be written to.
func (v *editView) offer(n int) {
	v.Offered = nil
	now, from := "", activities.ModelColumn{}
	if n >= 0 && n < len(v.Pairs) {
		now, from = v.Pairs[n].To, v.columns[v.Pairs[n].From]
	}
	for _, f := range v.fields {
		if f.ReadOnly || f.Kind == "" || v.taken[f.Name] && f.Name != now || len(from.Takes) > 0 && !slices.Contains(from.Takes, f.Kind) {
			continue
		}
		v.Offered = append(v.Offered, offered{f.Name, fieldWords(f)})
	}
}

// place puts a problem beside its field.
func (v *editView) place(one config.Problem) {
	v.Count++
	if one.Path == "" {
		v.General = append(v.General, sentence(one.Got))
		return
	}
	text := strings.TrimPrefix(one.String(), v.base)
	if n, rest, ok := numbered(text, "fields["); ok && n < len(v.Pairs) {
		if strings.HasPrefix(rest, "replace") {
			v.Pairs[n].ReplaceProblems = append(v.Pairs[n].ReplaceProblems, rest)
			return
		}
		v.Pairs[n].Problems = append(v.Pairs[n].Problems, rest)
		return
	}
	if n, rest, ok := numbered(text, "filter.where["); ok && n < len(v.Conditions) {
		v.Conditions[n].Problems = append(v.Conditions[n].Problems, rest)
		return
	}
	switch {
	case strings.HasPrefix(text, "campaign.key"):
		v.KeyProblems = append(v.KeyProblems, text)
	case v.New && (one.Path == "ingress.tables.name" || one.Path == strings.TrimSuffix(v.base, ".")):
		v.NameProblems = append(v.NameProblems, text)
	default:
		v.General = append(v.General, text)
	}
}

// changed marks the pair of a difference.
func (v *editView) changed(path string) {
	if n, _, ok := numbered(strings.TrimPrefix(path, v.base)+":", "fields["); ok && n < len(v.Pairs) && !v.New {
		v.Pairs[n].Changed = true
	}
}

// Whole says how many edits there are, for the bar below.
func (v editView) Whole() string {
	if len(v.Differences) == 0 {
		return "Nothing is changed yet."
	}
	if len(v.Differences) == 1 {
		return "1 edit is not saved."
	}
	return fmt.Sprintf("%d edits are not saved.", len(v.Differences))
}

func sortedTables(cfg *config.Config) []string {
	var names []string
	for name := range cfg.Ingress.Tables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
