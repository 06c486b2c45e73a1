package mapping

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Kinds of differences.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Difference is one thing that two configurations say differently.
type Difference struct {
	Path     string `json:"path"` // as problems name it; where it is now, or where it was if it is gone
	Kind     string `json:"kind"` // added, removed or changed
	Before   string `json:"before,omitempty"`
	After    string `json:"after,omitempty"`
	Sentence string `json:"sentence"` // in plain words, without the name of the mapping
}

// Differences says what after does differently than before. It has no entry if and only if
// both are the same revision.
func Differences(before, after Table) []Difference {
	d := differences{root: "ingress.tables." + cmp.Or(after.Name, before.Name)}
	b, a := before.normal(), after.normal()
	d.text("dynamics.table", "The Dynamics table", b.Dynamics.Table, a.Dynamics.Table)
	d.text("campaign.api", "The Campaign API", b.Campaign.API, a.Campaign.API)
	d.text("campaign.resource", "The Campaign resource", b.Campaign.Resource, a.Campaign.Resource)
	d.text("campaign.key", "The key field", b.Campaign.Key, a.Campaign.Key)
	d.flag("apply_deletes", b.ApplyDeletes, a.ApplyDeletes, "Apply deletes")
	d.flag("technical_values", b.TechnicalValues, a.TechnicalValues, "Technical values")
	d.flag("clear_opt_outs", b.ClearOptOuts, a.ClearOptOuts, "Clear opt-outs")
	d.choice("merged", "What happens to the profile of a merged contact", b.Merged, a.Merged)
	d.choice("erased", "What happens to a record that somebody deleted in Campaign", b.Erased, a.Erased)
	d.filter(b.Filter, a.Filter)
	d.fields(b.Fields, a.Fields)
	if was, is := pairNames(b), pairNames(a); was != is { // of opt_out, which a mapping travels with
		d.found = append(d.found, Difference{"opt_out.pairs", Changed, was, is, fmt.Sprintf("The opt-outs that are kept in step are now: %s; they were: %s", cmp.Or(is, "none"), cmp.Or(was, "none"))})
	}
	return d.found
}

// pairNames lists the opt-outs that a mapping travels with.
func pairNames(t Table) string {
	names := make([]string, len(t.OptOuts))
	for i, p := range t.OptOuts {
		names[i] = p.Name()
	}
	return strings.Join(names, ", ")
}

type differences struct {
	root  string
	found []Difference
}

func (d *differences) add(path, kind, before, after, format string, args ...any) {
	d.found = append(d.found, Difference{d.root + "." + path, kind, before, after, fmt.Sprintf(format, args...)})
}

func (d *differences) text(path, what, before, after string) {
	if before != after {
		d.add(path, Changed, before, after, "%s is now %s; it was %s", what, after, before)
	}
}

func (d *differences) flag(path string, before, after bool, what string) {
	if before != after {
		d.add(path, Changed, strconv.FormatBool(before), strconv.FormatBool(after), "%s is now %s", what, onOff(after))
	}
}

// choice is text for a setting that may be left out.
func (d *differences) choice(path, what, before, after string) {
	switch {
	case before == after:
	case after == "":
		d.add(path, Removed, before, "", "%s is not set any more; it was %s", what, before)
	case before == "":
		d.add(path, Added, "", after, "%s is now set: %s", what, after)
	default:
		d.text(path, what, before, after)
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// filter compares the conditions one by one, whatever their order.
func (d *differences) filter(before, after Filter) {
	if before.Match != after.Match && len(before.Where) > 0 && len(after.Where) > 0 {
		was, is := cmp.Or(before.Match, "all"), cmp.Or(after.Match, "all")
		d.add("filter.match", Changed, was, is, "Filter: a record must now match %s of the conditions; it was %s", is, was)
	}
	gone, anew := slices.Clone(before.Where), slices.Clone(after.Where)
	for i, c := range after.Where {
		if at := slices.Index(gone, c); at >= 0 {
			gone = slices.Delete(gone, at, at+1)
			anew[i] = Condition{}
		}
	}
	if len(gone) == 0 && len(before.Where) == len(after.Where) && !slices.Equal(before.Where, after.Where) {
		d.add("filter.where", Changed, "", "", "Filter: the conditions stand in another order")
	}
	for _, c := range gone {
		i := slices.Index(before.Where, c)
		d.add(fmt.Sprintf("filter.where[%d]", i), Removed, c.words(), "", "Filter: the condition %s is gone", c.words())
	}
	for i, c := range anew {
		if c != (Condition{}) {
			d.add(fmt.Sprintf("filter.where[%d]", i), Added, "", c.words(), "Filter: the condition %s is new", c.words())
		}
	}
	d.flag("filter.delete_unmatched", before.DeleteUnmatched, after.DeleteUnmatched, "Deleting what does not match the filter any more")
}

// words is the condition as people say it: statecode equals "Active".
func (c Condition) words() string {
	out := c.Column + " " + strings.ReplaceAll(c.Is, "_", " ")
	if c.Is == isEmpty || c.Is == isNotEmpty {
		return c.Column + " is " + strings.ReplaceAll(c.Is, "_", " ")
	}
	return out + " " + strconv.Quote(c.Value)
}

// name is the pair as people say it.
func (f Field) name() string { return f.From + " -> " + f.To }

// fields compares the pairs. A pair of which one side changed is still that pair.
func (d *differences) fields(before, after []Field) {
	match := MatchFields(before, after)
	order := slices.DeleteFunc(slices.Clone(match), func(i int) bool { return i < 0 })
	for i, f := range before {
		if !slices.Contains(match, i) {
			d.add(fmt.Sprintf("fields[%d]", i), Removed, f.name(), "", "Field %s is gone", f.name())
		}
	}
	for i, f := range after {
		path := fmt.Sprintf("fields[%d]", i)
		if match[i] < 0 {
			d.add(path, Added, "", f.name(), "Field %s is new", f.name())
			continue
		}
		d.field(path, before[match[i]], f)
	}
	if !slices.IsSorted(order) {
		d.add("fields", Changed, "", "", "The fields stand in another order")
	}
}

// MatchFields says for each pair of after which one of before it is: -1 for a new one.
func MatchFields(before, after []Field) []int {
	out, taken := make([]int, len(after)), make([]bool, len(before))
	for i := range out {
		out[i] = -1
	}
	for _, same := range []func(a, b Field) bool{
		func(a, b Field) bool { return a.From == b.From && a.To == b.To },
		func(a, b Field) bool { return a.To == b.To },
		func(a, b Field) bool { return a.From == b.From },
	} {
		for i, a := range after {
			if out[i] >= 0 {
				continue
			}
			for at, b := range before {
				if !taken[at] && same(a, b) {
					out[i], taken[at] = at, true
					break
				}
			}
		}
	}
	return out
}

func (d *differences) field(path string, b, a Field) {
	if b.name() != a.name() {
		d.add(path, Changed, b.name(), a.name(), "Field %s is now %s", b.name(), a.name())
	}
	what := "Field " + a.name() + ": "
	applies := func(f Field) bool { return f.ApplyUpdates == nil || *f.ApplyUpdates }
	d.flag(path+".apply_updates", applies(b), applies(a), what+"apply updates")
	d.flag(path+".lower_case", b.LowerCase, a.LowerCase, what+"lower case")
	d.text(path+".on_too_long", what+"text that is too long", cmp.Or(b.OnTooLong, Reject), cmp.Or(a.OnTooLong, Reject))
	d.text(path+".time_zone", what+"the time zone", cmp.Or(b.TimeZone, "UTC"), cmp.Or(a.TimeZone, "UTC"))
	d.choice(path+".parent", what+"the parent", b.Parent, a.Parent)
	olds := slices.Collect(maps.Keys(b.Replace))
	for old := range a.Replace {
		if _, known := b.Replace[old]; !known {
			olds = append(olds, old)
		}
	}
	slices.Sort(olds)
	for _, old := range olds {
		was, before := b.Replace[old]
		is, now := a.Replace[old]
		at := path + ".replace." + old
		switch {
		case !now:
			d.add(at, Removed, was, "", "%s%q is not replaced by %q any more", what, old, was)
		case !before:
			d.add(at, Added, "", is, "%s%q is now replaced by %q", what, old, is)
		case was != is:
			d.add(at, Changed, was, is, "%s%q is now replaced by %q; it was %q", what, old, is, was)
		}
	}
}
