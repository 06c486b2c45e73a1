package pages

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/config/edit"
	"causeway.dev/console/session"
	"causeway.dev/internal/operator"
)

// opened is the configuration as it is on file at this moment.
type opened struct {
	draft *edit.Draft
	files map[string]string // digests by path
}

// openFiles opens the configuration of an instance to be edited.
func (p *Pages) openFiles(r *http.Request) (*opened, error) {
	d, err := edit.Open(p.instance(r).File)
	if err != nil {
		return nil, &operator.Error{Kind: operator.BadInput, Text: "the configuration cannot be edited from here: " + err.Error()}
	}
	out := &opened{d, map[string]string{}}
	for _, path := range d.Files() {
		data, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return nil, &operator.Error{Kind: operator.Failed, Text: err.Error()}
		}
		out.files[path] = edit.Digest(data)
	}
	return out, nil
}

// editMapping begins to edit a mapping that is on file.
func (p *Pages) editMapping(w http.ResponseWriter, r *http.Request) {
	t, ok := p.mappingOnFile(w, r)
	if !ok {
		return
	}
	at, err := p.openFiles(r)
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	d := draftOf(t)
	d.Began = began{At: p.now(), Files: at.files, Table: t}
	p.showEdit(w, r, http.StatusOK, d, editView{})
}

// postMapping is what a button of the form asks for. Nothing is kept but by a save: the form
// has all of the draft.
func (p *Pages) postMapping(w http.ResponseWriter, r *http.Request) {
	t, ok := p.mappingOnFile(w, r)
	if !ok {
		return
	}
	_ = r.ParseForm() // a form that is cut short has no button
	p.editDraft(w, r, draftFrom(r.PostForm, t, false))
}

// writes are the buttons that have to be pressed.
var writes = map[string]bool{"save": true, "download": true, "reveal": true}

// editDraft does what was asked for with a draft.
func (p *Pages) editDraft(w http.ResponseWriter, r *http.Request, d mappingDraft) {
	do := cmp.Or(r.URL.Query().Get("do"), r.PostForm.Get("do")) // a part of the page asks by its address
	if do != r.PostForm.Get("do") && writes[do] {
		do = "look"
	}
	switch {
	case do == "save":
		p.saveMapping(w, r, d)
	case do == "both":
		p.takeUpBoth(w, r, d)
	case do == "download":
		p.downloadMapping(w, r, d)
	case do == "try" || do == "reveal":
		p.tryDraft(w, r, d, do == "reveal")
	case do == "plan":
		p.planDraft(w, r, d)
	default:
		p.showEdit(w, r, http.StatusOK, d, editView{Focus: d.change(do, r.PostForm), Only: do})
	}
}

// described asks both systems about a draft, with all that could be chosen.
func (p *Pages) described(r *http.Request, t activities.Table) (i *operator.Instance, got activities.DescribeMappingResult, err error) {
	if i, err = p.operator(r); err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), askWithin)
		defer cancel()
		got, err = i.DescribeMapping(ctx, activities.DescribeMappingInput{Table: t, All: true, Limit: 1000})
	}
	return i, got, err
}

// showEdit renders the form, or what is beside its fields alone.
func (p *Pages) showEdit(w http.ResponseWriter, r *http.Request, status int, d mappingDraft, view editView) {
	instance, t := r.PathValue("instance"), d.mapping()
	view.Now, view.Draft, view.Table, view.New = p.here(r), d, t, d.New
	if d.New {
		view.Self, view.Back, view.Name = addURL(instance)+"/edit", addURL(instance), "a new table"
		view.Crumbs = []link{{URL: mappingsURL(instance), Label: "Mappings"}, {URL: addURL(instance), Label: "Add a mapping"}, {Label: "Edit"}}
	} else {
		view.Self, view.Back, view.Crumbs = mappingURL(instance, t.Name)+"/edit", mappingURL(instance, t.Name), mappingCrumbs(instance, t.Name, "Edit")
		view.Name = title(t.Name)
	}
	i, got, err := p.described(r, t)
	if err != nil {
		n := explain(err)
		view.Problem = &n
	} else {
		view.Known, view.At, view.ByEmail = true, got.At, t.Name == i.People()
	}
	problems := p.problemsOf(r, d)
	view.fill(p.instance(r).Filed(), d, got, append(problems, theirProblems(got, problems)...))
	for _, difference := range edit.TableDifferences(d.Began.Table, t) {
		view.Differences = append(view.Differences, difference.Sentence)
		view.changed(difference.Path)
	}
	if d.New {
		view.Differences = []string{"Mapping " + t.Name + " (" + t.Dynamics.Table + " → " + t.Campaign.Resource + ") is new"}
	}
	part := "layout"
	if inPart(r) {
		switch {
		case view.Only == "check":
			part = "checked"
		case strings.HasPrefix(view.Only, "offer-"):
			n, _ := strconv.Atoi(strings.TrimPrefix(view.Only, "offer-"))
			view.offer(n)
			part = "offer"
		}
	}
	p.part(w, r, status, "mappingedit", part, "Edit the mapping of "+view.Name, view)
}

// problemsOf are those that "causeway config validate" would have of the draft.
func (p *Pages) problemsOf(r *http.Request, d mappingDraft) []config.Problem {
	own := d.twice()
	at, err := p.openFiles(r)
	if err == nil {
		if err = put(at.draft, d); err == nil {
			_, err = at.draft.Check()
		}
	}
	return append(own, problemsIn(err)...)
}

// put writes a draft of a mapping into a draft of the files.
func put(files *edit.Draft, d mappingDraft) error {
	t := d.mapping()
	switch {
	case d.New && t.Name == "":
		return &config.Problems{{Path: "ingress.tables.name", Got: "nothing", Want: "a name for the mapping, such as vehicles"}}
	case d.New:
		return files.AddTable(t.Name, t, "")
	}
	return files.SetTable(t.Name, t)
}

// problemsIn are those of an error; any other one is a problem without a place.
func problemsIn(err error) (out []config.Problem) {
	if found, ok := errors.AsType[*config.Problems](err); ok {
		for _, one := range *found {
			out = append(out, config.Problem{Path: one.Path, Got: one.Got, Want: one.Want, Remedy: one.Remedy})
		}
		return out
	}
	if err != nil {
		out = append(out, config.Problem{Got: err.Error()})
	}
	return out
}

// theirProblems are those of both systems that are not known already.
func theirProblems(got activities.DescribeMappingResult, known []config.Problem) (out []config.Problem) {
	has := map[string]bool{}
	for _, one := range known {
		has[one.Path+"\n"+one.Got] = true
	}
	for _, one := range got.Problems {
		if !has[one.Path+"\n"+one.Got] {
			out = append(out, config.Problem{Path: one.Path, Got: one.Got, Want: one.Want, Remedy: one.Remedy})
		}
	}
	return out
}

// twice finds replacements of one value that are there twice, which no file could say.
func (d mappingDraft) twice() (out []config.Problem) {
	for n, p := range d.Pairs {
		seen := map[string]bool{}
		for _, r := range p.Replace {
			if seen[r.When] {
				what := strconv.Quote(r.When)
				if r.When == "" {
					what = "two for an empty column"
				}
				out = append(out, config.Problem{Path: edit.TablePath(d.Table.Name).And("fields", n, "replace").String(), Got: what + " twice", Want: "one replacement for each value", Remedy: "remove one of them"})
			}
			seen[r.When] = true
		}
	}
	return out
}

// tryDraft says what the draft would send of one record.
func (p *Pages) tryDraft(w http.ResponseWriter, r *http.Request, d mappingDraft, reveal bool) {
	t := d.mapping()
	i, err := p.operator(r)
	id := d.Tried
	if err == nil && uuid.Validate(id) != nil {
		id, err = p.whoIsTried(r, i, t.Name, id)
	}
	var got *operator.Tried
	if err == nil {
		got, err = i.TryMapping(r.Context(), t, id, reveal, d.Why)
	}
	if err != nil {
		n := explain(err)
		p.showEdit(w, r, statusOf(err), d, editView{Result: &n})
		return
	}
	view := tryView{Now: p.here(r), ID: got.ID, Where: whereIs(got.Live.InDynamics, got.Live.InCampaign), Live: got.Live, Why: sentence(got.Live.Why), Revealed: reveal, By: session.Of(r).Who.Name, At: got.At}
	view.rows(got)
	p.showEdit(w, r, http.StatusOK, d, editView{Try: &view})
}

// whoIsTried finds the one record of an e-mail address.
func (p *Pages) whoIsTried(r *http.Request, i *operator.Instance, table, text string) (string, error) {
	if table != i.People() || !strings.Contains(text, "@") {
		return "", &operator.Error{Kind: operator.BadInput, Text: "say the id of one record in Dynamics" + map[bool]string{true: ", or its e-mail address"}[table == i.People()]}
	}
	found, err := i.Find(r.Context(), table, activities.ByEmail, text)
	if err != nil {
		return "", err
	}
	var ids []string
	for _, h := range found.Hits {
		if h.ID != "" && h.InDynamics {
			ids = append(ids, h.ID)
		}
	}
	switch {
	case len(ids) == 0:
		return "", &operator.Error{Kind: operator.BadInput, Text: "Dynamics has no record with this e-mail address; it has to be whole"}
	case len(ids) > 1 || found.More:
		return "", &operator.Error{Kind: operator.BadInput, Text: "several records have this e-mail address; take the id of the one you mean: " + strings.Join(ids, ", ")}
	}
	return ids[0], nil
}

// planDraft says what a run by the draft would do.
func (p *Pages) planDraft(w http.ResponseWriter, r *http.Request, d mappingDraft) {
	t := d.mapping()
	sample, ok := samples[d.Sample]
	i, err := p.operator(r)
	if err == nil && !ok {
		err = &operator.Error{Kind: operator.BadInput, Text: "say how many records to read: 100, 1,000 or all"}
	}
	var got activities.PlanResult
	if err == nil {
		got, err = i.PlanDraft(r.Context(), t, activities.PlanInput{Sample: sample})
	}
	if err != nil {
		n := explain(err)
		if operator.KindOf(err) == operator.NoWorker {
			n.Title, n.Text = "No answer yet", []string{"A page waits some 20 seconds, and a plan of many records takes longer. Ask for fewer.", sentence(err.Error())}
		}
		p.showEdit(w, r, statusOf(err), d, editView{Result: &n})
		return
	}
	view := planOf(t.Name, sample, got)
	p.showEdit(w, r, http.StatusOK, d, editView{Plan: &view})
}

// beganAnew is what is on file now, for an edit that goes on from there.
func beganAnew(now time.Time, at *opened, t activities.Table) began {
	return began{At: now, Files: at.files, Table: t}
}
