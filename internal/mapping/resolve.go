package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// defaultLength is how long Campaign text may be when the metadata says nothing
// (docs/protocol/campaign.md §10).
const defaultLength = 255

// Resolve checks a mapping against both data models and returns everything needed
// to map without them. A non-nil error is Problems. It lists all problems at once,
// each with its path in the configuration file, what was found, what is wanted and
// what to do.
func Resolve(t Table, src SourceSchema, dst TargetSchema) (*Plan, error) {
	r := &resolver{
		checker: checker{base: "ingress.tables." + t.Name + ".", problems: t.Check()},
		table:   t, src: src, dst: dst,
	}
	if !src.Tracked {
		r.add("dynamics.table", strconv.Quote(t.Dynamics.Table)+", a table without change tracking", "a table with change tracking", // R3.10
			"enable Track changes in the table's settings in Dynamics, publish, and start again")
	}
	r.resolveKey()
	r.resolveFields()
	r.conditions = r.resolveFilter()
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	slices.SortFunc(r.pairs, func(a, b PlanField) int { return strings.Compare(a.To, b.To) })
	return &Plan{Table: t, EntitySet: src.EntitySet, Key: src.Key, Select: r.selected(), Fields: r.pairs, Conditions: r.conditions,
		Merges: r.merges(), OptOuts: r.optOuts()}, nil
}

// resolver collects the parts of a plan, and the problems that prevent one.
type resolver struct {
	checker
	table Table
	src   SourceSchema
	dst   TargetSchema
	pairs []PlanField

	conditions []PlanCondition
}

// resolveKey checks the Campaign key against the data model and adds the key
// pair, which need not be listed among the fields.
func (r *resolver) resolveKey() {
	key := r.table.Campaign.Key
	if key == "" || slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Path == r.base+"campaign.key" }) {
		return
	}
	f, known := r.dst.Fields[key]
	if !known {
		r.unknownTarget("campaign.key", key)
		return
	}
	kind, writable := targetKind(f)
	switch {
	case !writable || kind != ToText:
		r.add("campaign.key", strconv.Quote(key)+", a field of type "+describeTarget(f), "a text field", "name a text field declared as custom identification key") // R10.7
		return
	case f.ReadOnly:
		r.add("campaign.key", strconv.Quote(key)+", a read-only field", "a writable text field", "name a text field declared as custom identification key") // R11.15
		return
	}
	pair := r.pair(Field{From: r.src.Key, To: key}, FromID, kind, Column{}, f)
	pair.Key = true
	if pair.Length != 0 && pair.Length < 36 {
		r.add("campaign.key", fmt.Sprintf("%q, a field of %d characters", key, pair.Length), "at least 36 characters for an id", "lengthen the field in Campaign or name another")
		return
	}
	r.pairs = append(r.pairs, pair)
}

// resolveFields checks every listed pair against the data models.
func (r *resolver) resolveFields() {
	seen := map[string]bool{}
	for i, f := range r.table.Fields {
		path := fmt.Sprintf("fields[%d]", i)
		if f.From == "" || f.To == "" || seen[f.To] {
			continue // Check has reported it
		}
		seen[f.To] = true
		if f.To != r.table.Campaign.Key {
			r.resolveField(path, f)
		} else if f.From != r.src.Key {
			r.add(path+".from", fmt.Sprintf("%q for the key field %s", f.From, f.To), r.src.Key+", which feeds the key", // R10.5
				"remove the field or choose another target; the key pair needs no entry")
		}
	}
}

// resolveField checks one pair other than the key.
func (r *resolver) resolveField(path string, f Field) {
	column, kind, okFrom := r.source(path+".from", f.From)
	target, targetK, okTo := r.target(path+".to", f.To, f.Parent != "")
	if !okFrom || !okTo {
		return
	}
	if f.Parent != "" && !r.checkParent(path, f, kind, column) {
		return
	}
	before := len(r.problems)
	if !slices.Contains(targets[kind], targetK) {
		r.add(path, fmt.Sprintf("%s (%s) to %s (%s)", f.From, column.Type, f.To, describeTarget(target)),
			"a Campaign field of type "+wantedTypes(kind), "choose another target; this conversion is not possible") // R11.13
		return
	}
	r.checkOptions(path, f, kind, targetK)
	pair := r.pair(f, kind, targetK, column, target)
	r.resolveReplace(path, f, &pair, column)
	r.checkChoice(path, pair, column)
	if len(r.problems) == before {
		r.pairs = append(r.pairs, pair)
	}
}

// source finds a Dynamics column. A lookup may be named by its column, ownerid, or
// by its property, _ownerid_value.
func (r *resolver) source(path, from string) (Column, SourceKind, bool) {
	column, known := r.src.Columns[r.columnName(from)]
	if !known {
		r.add(path, strconv.Quote(from), "a column of "+r.src.Table, remedyOr(didYouMean(from, slices.Collect(maps.Keys(r.src.Columns))), "names are logical names, in lower case"))
		return column, "", false
	}
	kind, ok := sourceKind(column)
	if !ok {
		r.add(path, fmt.Sprintf("%q, a column of type %s", from, column.Type), "a column that holds a value", "choose another column")
	}
	return column, kind, ok
}

// columnName returns the logical name of the column that the operator named.
func (r *resolver) columnName(from string) string {
	if _, known := r.src.Columns[from]; !known && strings.HasPrefix(from, "_") && strings.HasSuffix(from, "_value") && len(from) > len("__value") {
		return from[1 : len(from)-len("_value")]
	}
	return from
}

// target finds a Campaign field that can be written.
func (r *resolver) target(path, to string, link bool) (TargetField, TargetKind, bool) {
	f, known := r.dst.Fields[to]
	if !known {
		r.unknownTarget(path, to)
		return f, "", false
	}
	kind, ok := targetKind(f)
	if f.Type == "link" {
		kind, ok = ToLink, link
	}
	switch {
	case !ok && f.Type == "link":
		r.add(path, strconv.Quote(to)+", a link, without a parent", "parent: the mapping of the table that the lookup names", "add parent, or map to the text field that Campaign joins")
		return f, "", false
	case !ok:
		r.add(path, fmt.Sprintf("%q, a field of type %s", to, describeTarget(f)), "a field that holds a value", r.insteadOf(to))
		return f, "", false
	case f.ReadOnly:
		r.add(path, strconv.Quote(to)+", a read-only field", "a writable field", "remove the pair or choose another target") // R11.15
		return f, "", false
	}
	return f, kind, true
}

// insteadOf suggests a field inside an item to an operator who mapped the item
// itself.
func (r *resolver) insteadOf(item string) string {
	for _, name := range slices.Sorted(maps.Keys(r.dst.Fields)) {
		if strings.HasPrefix(name, item+".") {
			return "name a field inside it, such as " + name
		}
	}
	return "choose another target"
}

func (r *resolver) unknownTarget(path, name string) {
	remedy := didYouMean(name, slices.Collect(maps.Keys(r.dst.Fields)))
	if strings.HasPrefix(name, "cus") && r.dst.API == "profileAndServices" {
		remedy = "extension fields need api: profileAndServicesExt"
	}
	r.add(path, strconv.Quote(name), "a field of "+r.dst.Resource, remedyOr(remedy, "names are case-sensitive; an extension field must be published in Campaign"))
}

// checkOptions refuses options that have no effect on this pair.
func (r *resolver) checkOptions(path string, f Field, source SourceKind, target TargetKind) {
	becomes := string(source) + " to " + string(target)
	if f.OnTooLong == Truncate && (target != ToText || source != FromText && source != FromChoice && source != FromMultiChoice) {
		r.add(path+".on_too_long", "truncate for "+becomes, "truncate only where text becomes text", "remove on_too_long")
	}
	if f.LowerCase && (target != ToText || source != FromText) {
		r.add(path+".lower_case", "true for "+becomes, "lower case only where text becomes text", "remove lower_case")
	}
	if f.TimeZone != "" && (target != ToDate || source != FromInstant && source != FromText) {
		r.add(path+".time_zone", strconv.Quote(f.TimeZone)+" for "+becomes, "a time zone only where an instant becomes a date", "remove time_zone")
	}
}

// checkParent refuses a link that is not a lookup of one table.
func (r *resolver) checkParent(path string, f Field, kind SourceKind, column Column) bool {
	switch {
	case kind != FromLookup:
		r.add(path+".parent", fmt.Sprintf("%q for %s, a column of type %s", f.Parent, f.From, column.Type), "parent only for a lookup", "remove parent")
	case len(column.Targets) > 1:
		r.add(path+".parent", fmt.Sprintf("%q for %s, which may name %s", f.Parent, f.From, strings.Join(column.Targets, ", ")),
			"a lookup of one table", "remove parent: the id is then written without waiting for the parent")
	default:
		return true
	}
	return false
}

// checkChoice refuses a pair in which no option of the choice could be written.
func (r *resolver) checkChoice(path string, pair PlanField, column Column) {
	if pair.Source != FromChoice || len(column.Options) == 0 {
		return
	}
	if pair.Target == ToBoolean && len(pair.Replace) < len(column.Options) {
		_, zero := column.Options[0]
		_, one := column.Options[1]
		if len(column.Options) != 2 || !zero || !one {
			r.add(path, fmt.Sprintf("%s (%s with options %s) to %s (boolean)", pair.From, column.Type, optionNumbers(column), pair.To),
				"a choice with exactly the options 0 and 1", "choose another target") // R11.13
		}
		return
	}
	if !pair.Target.isEnum() {
		return
	}
	f := field{PlanField: pair, members: pair.memberIndex()}
	for option, label := range column.Options {
		if _, replaced := pair.Replace[strconv.Itoa(option)]; replaced {
			return // its new value has been checked
		}
		if pair.Technical {
			label = strconv.Itoa(option)
		}
		if _, bad := f.member(label); bad == nil {
			return
		}
	}
	what := "labels"
	if pair.Technical {
		what = "numbers"
	}
	r.add(path, fmt.Sprintf("%s, of which the option %s match no member of %s", pair.From, what, pair.To),
		"at least one option that is a name, value or label of: "+strings.Join(slices.Sorted(maps.Keys(pair.Values)), ", "),
		"set technical_values the other way, or rename the options on one side")
}

// linkKey is the property of a link object that names the target. It takes a
// business key as well as a PKey, and learning the PKey would cost a request
// (docs/protocol/campaign.md §4.4).
const linkKey = ".PKey"

// pair makes the planned field out of both models' metadata.
func (r *resolver) pair(f Field, source SourceKind, target TargetKind, column Column, field TargetField) PlanField {
	p := PlanField{
		From: r.columnName(f.From), To: f.To, Source: source, Target: target,
		OnTooLong: f.OnTooLong, TimeZone: f.TimeZone, Policy: field.DataPolicy,
		Parent: f.Parent, LowerCase: f.LowerCase, SkipUpdates: f.ApplyUpdates != nil && !*f.ApplyUpdates,
	}
	p.Property = r.property(f.From, source)
	if target == ToLink {
		p.To += linkKey
	}
	if target == ToText {
		p.Length = field.Length
		if p.Length <= 0 && (field.ResType == "string" || field.ResType == "" && field.Type == "string") {
			p.Length = defaultLength
		}
	}
	if source == FromChoice || source == FromMultiChoice {
		p.Technical, p.Options = r.table.TechnicalValues, maps.Clone(column.Options)
	}
	if target.isEnum() {
		p.Values = maps.Clone(field.Values)
	}
	return p
}

// property is a column's name in a row.
func (r *resolver) property(column string, kind SourceKind) string {
	name := r.columnName(column)
	if kind == FromLookup {
		return "_" + name + "_value"
	}
	return name
}

// selected lists the properties to request.
func (r *resolver) selected() []string {
	seen := map[string]bool{r.src.Key: true}
	var rest []string
	want := func(property string) {
		if !seen[property] {
			seen[property] = true
			rest = append(rest, property)
		}
	}
	for _, f := range r.pairs {
		want(f.Property)
	}
	for _, c := range r.conditions {
		want(c.Property)
	}
	for _, name := range []string{"modifiedon", "statecode"} {
		if _, known := r.src.Columns[name]; known {
			want(name)
		}
	}
	if r.merges() {
		want(mergedColumn)
		want(winnerProperty)
	}
	for _, o := range r.optOuts() {
		if o.Column != "" {
			want(o.Column)
		}
	}
	slices.Sort(rest)
	return append([]string{r.src.Key}, rest...)
}

// describeTarget names a field's type as Campaign's metadata does.
func describeTarget(f TargetField) string {
	if f.ResType == "" || f.ResType == f.Type {
		return f.Type
	}
	return f.Type + "/" + f.ResType
}

// wantedTypes lists what a kind of column can feed.
func wantedTypes(kind SourceKind) string {
	var names []string
	for _, k := range targets[kind] {
		name := string(k)
		switch {
		case k.bits() != 0:
			name = "integer"
		case k == ToNumericEnum:
			name = string(ToEnum)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func optionNumbers(c Column) string {
	var out []string
	for _, n := range slices.Sorted(maps.Keys(c.Options)) {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ", ")
}

func quoteOrNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return strconv.Quote(s)
}

func remedyOr(remedy, otherwise string) string {
	if remedy != "" {
		return remedy
	}
	return otherwise
}
