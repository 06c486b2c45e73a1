package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Proposal is a mapping that was guessed from both data models, for a person to
// check.
type Proposal struct {
	Table  Table           `json:"table"`
	Pairs  []ProposedField `json:"pairs"`            // of Table.Fields, in its order
	Key    string          `json:"key,omitempty"`    // why the key is doubtful; "" when it is not
	Unused []string        `json:"unused,omitempty"` // Campaign fields that can be written and have no partner
}

// ProposedField is what was found about a pair.
type ProposedField struct {
	Source string   `json:"source"`           // String(100)
	Target string   `json:"target"`           // string(128)
	Doubts []string `json:"doubts,omitempty"` // why the pair is doubtful
}

// knownPairs are the usual partners of contact and profile, by Campaign field.
var knownPairs = map[string]string{
	"email": "emailaddress1", "firstName": "firstname", "middleName": "middlename", "lastName": "lastname", "salutation": "salutation",
	"birthDate": "birthdate", "gender": "gendercode", "mobilePhone": "mobilephone", "phone": "telephone1", "fax": "fax",
	"location.address1": "address1_line1", "location.address2": "address1_line2", "location.address3": "address1_line3",
	"location.city": "address1_city", "location.zipCode": "address1_postalcode", "location.stateCode": "address1_stateorprovince",
}

// Propose pairs the columns of a table with the fields of a resource. It takes the
// pairs that are usual for contacts, then equal names, then similar names, which it
// calls doubtful. Resolve accepts every pair.
func Propose(name string, src SourceSchema, dst TargetSchema) *Proposal {
	p := &proposer{src: src, dst: dst, used: map[string]bool{src.Key: true}}
	p.out.Table = Table{Name: name, Dynamics: SourceTable{Table: src.Table}, Campaign: TargetTable{API: dst.API, Resource: dst.Resource}, ApplyDeletes: true}
	p.key()
	names := slices.Sorted(maps.Keys(dst.Fields))
	partner := map[string]string{}
	for _, find := range []func(to string) string{p.known, p.equal, p.parent, p.near} {
		for _, to := range names {
			if partner[to] != "" || to == p.out.Table.Campaign.Key || !p.writable(to) {
				continue
			}
			if from := find(to); from != "" {
				partner[to], p.used[from] = from, true
			}
		}
	}
	for _, to := range names {
		switch {
		case to == p.out.Table.Campaign.Key || !p.writable(to):
		case partner[to] == "" || len(p.out.Table.Fields) == p.out.Table.maxFields():
			p.out.Unused = append(p.out.Unused, to)
		default:
			p.add(partner[to], to)
		}
	}
	return &p.out
}

type proposer struct {
	src  SourceSchema
	dst  TargetSchema
	used map[string]bool // columns
	out  Proposal
}

// key chooses externalId, else a text field that looks like a key.
func (p *proposer) key() {
	fits := func(name string) bool {
		f := p.dst.Fields[name]
		kind, ok := targetKind(f)
		return ok && kind == ToText && !f.ReadOnly && (f.Length == 0 || f.Length >= 36)
	}
	if fits("externalId") {
		p.out.Table.Campaign.Key = "externalId"
		if p.src.Table != "contact" || p.dst.Resource != "profile" {
			p.out.Key = "declare it as custom identification key in Campaign"
		}
		return
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(p.dst.Fields)), func(name string) bool {
		return !strings.HasSuffix(strings.ToLower(name), "id") || strings.Contains(name, ".") || !fits(name)
	})
	for _, like := range []func(name string) bool{
		func(name string) bool { return plainName(name) == plainName(p.src.Key) },
		func(name string) bool { return !strings.HasSuffix(name, "ExternalId") }, // that is mostly the key of a parent
	} {
		if i := slices.IndexFunc(names, like); i >= 0 {
			p.out.Table.Campaign.Key = names[i]
			p.out.Key = "guessed by its name; it must be the custom identification key, without duplicates"
			return
		}
	}
	p.out.Key = "no text field of 36 characters or more looks like a key; name the custom identification key"
}

func (p *proposer) writable(to string) bool {
	f := p.dst.Fields[to]
	_, ok := targetKind(f)
	return ok && !f.ReadOnly
}

func (p *proposer) known(to string) string {
	if p.src.Table != "contact" || p.dst.Resource != "profile" {
		return ""
	}
	return p.usable(knownPairs[to], to)
}

func (p *proposer) equal(to string) string {
	for _, from := range slices.Sorted(maps.Keys(p.src.Columns)) {
		if plainName(from) == plainName(to) {
			if from := p.usable(from, to); from != "" {
				return from
			}
		}
	}
	return ""
}

// parent pairs a lookup with the text column that Campaign joins to the parent's
// key: ProfileExternalId, VehicleExternalId.
func (p *proposer) parent(to string) string {
	stem, ok := strings.CutSuffix(strings.ToLower(to), "externalid")
	if !ok || stem == "" {
		return ""
	}
	stem = strings.TrimPrefix(stem, "cus")
	for _, from := range slices.Sorted(maps.Keys(p.src.Columns)) {
		for _, target := range p.src.Columns[from].Targets {
			if len(p.src.Columns[from].Targets) == 1 && (plainName(target) == stem || target == "contact" && stem == "profile") {
				if from := p.usable(from, to); from != "" {
					return from
				}
			}
		}
	}
	return ""
}

// near finds a name with few differences. It must have four letters or more, because
// short names are similar to everything.
func (p *proposer) near(to string) string {
	plain := plainName(to)
	if len(plain) < 4 {
		return ""
	}
	best, bestDistance := "", len(plain)/5+1
	for _, from := range slices.Sorted(maps.Keys(p.src.Columns)) {
		if d := distance(plainName(from), plain); d <= bestDistance && p.usable(from, to) != "" {
			best, bestDistance = from, d-1
		}
	}
	return best
}

// usable returns a column that may feed a field, "" otherwise.
func (p *proposer) usable(from, to string) string {
	column, exists := p.src.Columns[from]
	if !exists || p.used[from] {
		return ""
	}
	source, okSource := sourceKind(column)
	target, okTarget := targetKind(p.dst.Fields[to])
	if !okSource || !okTarget || !slices.Contains(targets[source], target) {
		return ""
	}
	one := p.out.Table
	if one.Fields = []Field{{From: from, To: to}}; one.Campaign.Key == "" {
		return from // without a key nothing resolves, so a trial would say nothing
	}
	src := p.src
	src.Tracked = true
	if _, err := Resolve(one, src, p.dst); err != nil {
		return ""
	}
	return from
}

// add puts a pair into the mapping, with the reasons why it is doubtful.
func (p *proposer) add(from, to string) {
	column, target := p.src.Columns[from], p.dst.Fields[to]
	kind, _ := sourceKind(column)
	into, _ := targetKind(target)
	f := Field{From: from, To: to}
	pair := ProposedField{Source: sized(column.Type, column.MaxLength), Target: sized(describeTarget(target), 0)}
	doubt := func(format string, args ...any) { pair.Doubts = append(pair.Doubts, fmt.Sprintf(format, args...)) }
	if knownPairs[to] != from && plainName(from) != plainName(to) && kind != FromLookup {
		doubt("the names are only alike")
	}
	length := target.Length
	if length == 0 && into == ToText {
		length = defaultLength
	}
	if kind == FromText && into == ToText && column.MaxLength > length {
		if loose(to) {
			f.OnTooLong = Truncate
			doubt("%d characters into %d: longer text is cut", column.MaxLength, length)
		} else {
			doubt("%d characters into %d: longer text is refused; on_too_long: truncate cuts it", column.MaxLength, length)
		}
	}
	if kind == FromChoice && into.isEnum() {
		pf := PlanField{Source: kind, Target: into, Values: target.Values}
		member := field{PlanField: pf, members: pf.memberIndex()}
		var lost []string
		for _, n := range slices.Sorted(maps.Keys(column.Options)) {
			if _, bad := member.member(column.Options[n]); bad != nil {
				lost = append(lost, column.Options[n])
			}
		}
		if len(lost) > 0 {
			doubt("no member for %s: replace them, or set technical_values", strings.Join(lost, ", "))
		}
	}
	if kind == FromInstant && into == ToDate {
		doubt("an instant becomes a date in UTC; set time_zone")
	}
	if kind == FromDecimal && into.bits() != 0 {
		doubt("decimals are refused by a field of whole numbers")
	}
	if kind == FromLookup {
		doubt("the id of a %s; set parent to its mapping to make it a link", strings.Join(column.Targets, " or "))
	}
	p.out.Table.Fields, p.out.Pairs = append(p.out.Table.Fields, f), append(p.out.Pairs, pair)
}

// loose says that text for this field may be cut to fit. Half an e-mail address, phone
// number, key or URL is worse than none.
func loose(to string) bool {
	low := strings.ToLower(to)
	for _, strict := range []string{"mail", "phone", "fax", "id", "code", "key", "url"} {
		if strings.Contains(low, strict) {
			return false
		}
	}
	return true
}

// plainName is a name without publisher prefix, item, case and underscores.
func plainName(name string) string {
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		name = name[dot+1:]
	}
	if prefix, rest, found := strings.Cut(name, "_"); found && len(prefix) <= 8 && rest != "" && !strings.HasPrefix(prefix, "address") {
		name = rest
	}
	if rest, found := strings.CutPrefix(name, "cus"); found && rest != "" && unicode.IsUpper(rune(rest[0])) {
		name = rest
	}
	return strings.ToLower(strings.ReplaceAll(name, "_", ""))
}

func sized(kind string, length int) string {
	if length > 0 {
		return fmt.Sprintf("%s(%d)", kind, length)
	}
	return kind
}

// YAML writes the proposal in the form it has under ingress.tables, with the doubts
// as comments.
func (p *Proposal) YAML() []byte {
	var b strings.Builder
	t := p.Table
	fmt.Fprintf(&b, "%s:\n  dynamics: { table: %s }\n  campaign:\n    api: %s\n    resource: %s\n    key: %s%s\n",
		t.Name, t.Dynamics.Table, t.Campaign.API, t.Campaign.Resource, quoted(t.Campaign.Key), doubtful([]string{p.Key}))
	b.WriteString("  apply_deletes: true # delete the record when the one in Dynamics is deleted\n")
	if len(t.Fields) == 0 {
		b.WriteString("  fields: [] # no two names are alike; pair them by hand\n")
	} else {
		b.WriteString("  fields:\n")
	}
	for i, f := range t.Fields {
		extra := ""
		if f.OnTooLong != "" {
			extra = ", on_too_long: " + f.OnTooLong
		}
		fmt.Fprintf(&b, "    - { from: %s, to: %s%s } # %s -> %s%s\n", quoted(f.From), quoted(f.To), extra, p.Pairs[i].Source, p.Pairs[i].Target,
			strings.Replace(doubtful(p.Pairs[i].Doubts), " # ", "; ", 1))
	}
	if len(p.Unused) > 0 {
		b.WriteString("    # Campaign fields without a partner:\n")
		for _, to := range p.Unused {
			fmt.Fprintf(&b, "    # - { from: , to: %s }\n", quoted(to))
		}
	}
	return []byte(b.String())
}

// doubtful is a comment; "" without doubts.
func doubtful(doubts []string) string {
	if all := strings.TrimSpace(strings.Join(doubts, "; ")); all != "" {
		return " # doubtful: " + all
	}
	return ""
}

// quoted puts a name into quotes if YAML would read it as something else than text.
func quoted(name string) string {
	switch strings.ToLower(name) {
	case "", "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return `"` + name + `"`
	}
	return name
}
