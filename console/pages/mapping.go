package pages

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
)

// mappingView is one mapping as it is on file, compared with both systems.
type mappingView struct {
	Now          time.Time
	Crumbs       []link
	Self         string
	Name         string
	Table        activities.Table
	TableLabel   string
	State        word
	Revision     string // what is to be said about it, in a sentence
	Differences  []string
	FlowURL      string
	Problem      *notice
	Known        bool // both systems were asked
	At           time.Time
	Problems     []string // of no field
	Count        int64    // of all problems
	Pairs        []pairView
	Replacements []replacement
	Match        string
	Conditions   []conditionView
	Choices      []ruling
	MayTry       bool
	ByEmail      bool
	MayPlan      bool
	MayEdit      bool
	History      string // address
	Saved        []string
	Start        *action // what makes a save run
}

// pairView is a column and the field that it is written to.
type pairView struct {
	ID             string // on the page
	From, FromType string
	Label          string // what people call the column
	To, ToType     string
	Fixed, Updates bool
	Chips          []string
	Parent         link
	Problems       []string
}

type replacement struct{ Field, When, Write string }

type conditionView struct {
	Text     string
	Problems []string
}

// ruling is a setting of the mapping in words.
type ruling struct{ Text, Note string }

// mappingOnFile finds the mapping of a request; it has answered when ok is false.
func (p *Pages) mappingOnFile(w http.ResponseWriter, r *http.Request) (t activities.Table, ok bool) {
	if t, ok = p.instance(r).Filed().Ingress.Tables[r.PathValue("mapping")]; !ok {
		p.Refuse(w, r, http.StatusNotFound, "There is no such mapping", "The configuration has none of this name", "It may have been removed.")
	}
	return t, ok
}

func mappingCrumbs(instance, name string, last ...string) []link {
	out := []link{{URL: mappingsURL(instance), Label: "Mappings"}, {URL: mappingURL(instance, name), Label: title(name)}}
	for _, label := range last {
		out = append(out, link{Label: label})
	}
	out[len(out)-1].URL = ""
	return out
}

// mapping shows one.
func (p *Pages) mapping(w http.ResponseWriter, r *http.Request) {
	t, ok := p.mappingOnFile(w, r)
	if !ok {
		return
	}
	instance := r.PathValue("instance")
	view := mappingView{
		Now: p.here(r), Crumbs: mappingCrumbs(instance, t.Name), Self: mappingURL(instance, t.Name), Name: title(t.Name), Table: t, FlowURL: flowURL(instance, t.Name),
		History: mappingURL(instance, t.Name) + "/history", MayEdit: p.may(r, access.Admin), Saved: savedText(r),
		State: word{"off", "wait", "Not known"}, MayTry: p.may(r, access.Support), MayPlan: p.may(r, access.Operator),
	}
	i, err := p.operator(r)
	var got activities.DescribeMappingResult
	if err == nil {
		var asking sync.WaitGroup
		asking.Go(func() {
			if report, err := i.Status(r.Context(), t.Name); err == nil && len(report.Flows) > 0 {
				view.state(r.Context(), i, report.Flows[0], p.may(r, access.Support))
				if len(view.Saved) > 0 && p.may(r, access.Operator) {
					view.Start = startsIt(i, report.Flows[0])
				}
			}
		})
		got, err = i.DescribeMapping(r.Context(), activities.DescribeMappingInput{Table: t, Fresh: r.URL.Query().Get("fresh") != ""})
		asking.Wait()
		view.ByEmail = t.Name == i.People()
	}
	if err != nil {
		n := explain(err)
		view.Problem = &n
	} else {
		view.Known, view.At, view.TableLabel = true, got.At, got.TableLabel
	}
	view.fill(instance, t, got, p.may(r, access.Support))
	p.render(w, r, http.StatusOK, "mapping", "Mapping of "+title(t.Name), view)
}

// state says whether what runs is what is on file, and else what is different.
func (v *mappingView) state(ctx context.Context, i *operator.Instance, f operator.FlowReport, texts bool) {
	v.State = revisionWord(f)
	v.State.Text = capital(v.State.Text)
	if f.Status == nil || f.Status.Revision == "" {
		return
	}
	r := revisionOf(f, texts)
	if r.Runs == r.Filed {
		return
	}
	v.Revision = r.Text
	if got, err := i.CompareMapping(ctx, f.Flow); err == nil {
		v.Differences = differing(got.Differences, texts)
	}
}

// fill says what the mapping says, with the types of both sides where they are known.
// Texts of filters and replacements are left out where they are not for who looks.
func (v *mappingView) fill(instance string, t activities.Table, got activities.DescribeMappingResult, texts bool) {
	columns, fields := map[string]activities.ModelColumn{}, map[string]activities.ModelField{}
	for _, c := range got.Columns {
		columns[c.Name] = c
	}
	for _, f := range got.Fields {
		fields[f.Name] = f
	}
	base := "ingress.tables." + t.Name + "."
	ofField, ofCondition := map[int][]string{}, map[int][]string{}
	for _, p := range got.Problems {
		v.Count++
		if !texts && withTexts.MatchString(p.Path) {
			p.Got = "something else"
		}
		text := strings.TrimPrefix(p.String(), base)
		if n, rest, ok := numbered(text, "fields["); ok {
			ofField[n] = append(ofField[n], rest)
		} else if n, rest, ok := numbered(text, "filter.where["); ok {
			ofCondition[n] = append(ofCondition[n], rest)
		} else {
			v.Problems = append(v.Problems, text)
		}
	}
	v.Pairs = []pairView{{ID: fieldID(t.Campaign.Key), From: cmp.Or(got.Key, t.Dynamics.Table+"id"), FromType: "unique id", To: t.Campaign.Key, ToType: fieldWords(fields[t.Campaign.Key]), Fixed: true}}
	for n, f := range t.Fields {
		column := columns[f.From]
		pair := pairView{ID: fieldID(f.To), From: f.From, FromType: columnWords(column), Label: column.Label, To: f.To, ToType: fieldWords(fields[f.To]), Updates: f.ApplyUpdates == nil || *f.ApplyUpdates, Problems: ofField[n]}
		if f.OnTooLong == "truncate" {
			pair.Chips = append(pair.Chips, "too long: cut")
		} else if fields[f.To].Length > 0 && column.Length > fields[f.To].Length {
			pair.Chips = append(pair.Chips, "too long: refused")
		}
		if !pair.Updates {
			pair.Chips = append(pair.Chips, "when created or replayed only")
		}
		if f.LowerCase {
			pair.Chips = append(pair.Chips, "in lower case")
		}
		if f.TimeZone != "" {
			pair.Chips = append(pair.Chips, "day in "+f.TimeZone)
		}
		for _, when := range sortedKeys(f.Replace) {
			one := replacement{Field: f.From, When: optionWords(column, when, t.TechnicalValues), Write: cmp.Or(f.Replace[when], "nothing")}
			if !texts && !listed(string(column.Kind), column.Options, when) {
				one.When = hiddenText(when)
			}
			if !texts && !listed(string(column.Kind), fields[f.To].Options, f.Replace[when]) {
				one.Write = hiddenText(f.Replace[when])
			}
			v.Replacements = append(v.Replacements, one)
		}
		if len(f.Replace) > 0 {
			pair.Chips = append(pair.Chips, strconv.Itoa(len(f.Replace))+" replaced")
		}
		if f.Parent != "" {
			pair.Parent = link{URL: mappingURL(instance, f.Parent), Label: "link to " + title(f.Parent)}
		}
		v.Pairs = append(v.Pairs, pair)
	}
	v.Match = "all of these hold"
	if t.Filter.Match == "any" {
		v.Match = "one of these holds"
	}
	for n, c := range t.Filter.Where {
		if column := columns[c.Column]; !texts && !listed(string(column.Kind), column.Options, c.Value) {
			c.Value = hiddenText(c.Value)
		}
		v.Conditions = append(v.Conditions, conditionView{Text: conditionWords(c), Problems: ofCondition[n]})
	}
	v.Choices = choicesOf(t)
}

// numbered takes "fields[3].to: …" apart.
func numbered(text, list string) (n int, rest string, ok bool) {
	after, found := strings.CutPrefix(text, list)
	number, rest, closed := strings.Cut(after, "]")
	n, err := strconv.Atoi(number)
	return n, strings.TrimPrefix(strings.TrimPrefix(rest, "."), ": "), found && closed && err == nil
}

func sortedKeys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
