package pages

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/config/edit"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// savesAtOnce is how many saves a page looks through.
const savesAtOnce = 50

// historyView are the saved changes of the configuration, the newest first.
type historyView struct {
	Now     time.Time
	Crumbs  []link
	Title   string
	About   string
	Saves   []saveView
	Older   string // address; "" = there are none
	Files   []link
	Problem *notice
	Done    string
}

// saveView is one save for people.
type saveView struct {
	ID, By, Reason string
	Verified       bool
	At             time.Time
	Files          []string
	Differences    []string
	Others         int64 // differences that are about something else
	Restore, Undo  *action
}

func historyURL(instance string) string { return home(instance) + "history" }

// history lists what was saved: of everything, of one file, or of one mapping.
func (p *Pages) history(w http.ResponseWriter, r *http.Request) {
	instance, q, name := r.PathValue("instance"), r.URL.Query(), r.PathValue("mapping")
	view := historyView{Now: p.here(r), Title: "History of the configuration", Crumbs: []link{{URL: mappingsURL(instance), Label: "Mappings"}, {Label: "History"}}, About: "What was saved through Causeway, by whom, and why. Edits with a text editor are not among it."}
	file := q.Get("file")
	if name != "" {
		view.Title, view.Crumbs, view.About = "History of "+title(name), mappingCrumbs(instance, name, "History"), "What was saved of this mapping through Causeway, by whom, and why."
	} else if file != "" {
		view.Title = "History of " + file
	}
	if q.Get("restored") != "" {
		view.Done = "It was restored, as a new save. It runs after Stop and start."
	}
	in := activities.ListSavesInput{Limit: savesAtOnce}
	if before, err := time.Parse(time.RFC3339Nano, q.Get("before")); err == nil {
		in.Before = before
	}
	i, err := p.operator(r)
	var got activities.ListSavesResult
	if err == nil {
		got, err = i.Saves(r.Context(), in)
	}
	if err != nil {
		n := explain(err)
		view.Problem = &n
	}
	if len(got.Saves) == savesAtOnce {
		next := url.Values{"before": {got.Saves[0].At.Format(time.RFC3339Nano)}}
		if file != "" {
			next.Set("file", file)
		}
		view.Older = r.URL.Path + "?" + next.Encode()
	}
	files := map[string]bool{}
	for _, s := range slices.Backward(got.Saves) {
		for _, path := range s.Paths {
			if !files[path] {
				files[path] = true
				view.Files = append(view.Files, link{URL: historyURL(instance) + "?" + url.Values{"file": {path}}.Encode(), Label: path})
			}
		}
		if one, ok := saveOf(s, name, file, p.may(r, access.Support)); ok {
			if p.may(r, access.Admin) {
				one.restorable(instance, view.Now)
			}
			view.Saves = append(view.Saves, one)
		}
	}
	status := http.StatusOK
	if err != nil {
		status = statusOf(err)
	}
	p.render(w, r, status, "history", view.Title, view)
}

// saveOf is a save as far as it is about a mapping or a file; "" is everything.
func saveOf(s activities.ConfigSave, name, file string, texts bool) (saveView, bool) {
	v := saveView{ID: s.ID, By: cmp.Or(phrase.OneLine(s.By), "somebody"), Verified: s.Verified, Reason: s.Reason, At: s.At, Files: s.Paths}
	if file != "" && !slices.Contains(s.Paths, file) {
		return v, false
	}
	about := s.Differences
	if name != "" {
		path := edit.TablePath(name).String()
		about = slices.DeleteFunc(slices.Clone(about), func(d activities.MappingDifference) bool {
			return d.Path != path && !strings.HasPrefix(d.Path, path+".")
		})
		if len(about) == 0 {
			return v, false
		}
		v.Others = int64(len(s.Differences) - len(about))
	}
	v.Differences = differing(about, texts)
	return v, true
}

// restorable adds what can be done with a save.
func (v *saveView) restorable(instance string, now time.Time) {
	at := historyURL(instance) + "/" + url.PathEscape(v.ID) + "/"
	when := v.At.In(now.Location()).Format("2 January, 15:04")
	v.Restore = &action{ID: "restore-" + v.ID, Label: "Restore", Icon: "again", Class: "small", Asks: true, Title: "Restore what was saved on " + when, URL: at + "restore"}
	v.Undo = &action{ID: "undo-" + v.ID, Label: "Undo", Icon: "undo", Class: "small", Asks: true, Title: "Undo what was saved on " + when, URL: at + "undo"}
}

// restoring is a draft in which the files of a save are what they were, and what that changes.
func (p *Pages) restoring(r *http.Request) (*operator.Instance, *edit.Draft, []string, error) {
	how := r.PathValue("how")
	if how != "restore" && how != "undo" {
		return nil, nil, nil, &operator.Error{Kind: operator.BadInput, Text: "a save can be restored or undone"}
	}
	i, err := p.operator(r)
	if err != nil {
		return nil, nil, nil, err
	}
	d, _, err := i.RestoreDraft(r.Context(), r.PathValue("save"), how == "undo")
	if err != nil {
		return nil, nil, nil, err
	}
	differences, err := d.Differences()
	if _, problems := errors.AsType[*config.Problems](err); problems {
		return nil, nil, nil, &operator.Error{Kind: operator.BadInput, Text: "what it said does not fit the rest of the configuration any more: " + strings.TrimSpace(err.Error())}
	}
	if err == nil && len(d.Changes()) == 0 {
		err = &operator.Error{Kind: operator.BadInput, Text: "that is what is on file"}
	}
	return i, d, differing(differences, true), err
}

// confirmRestore says what would differ.
func (p *Pages) confirmRestore(w http.ResponseWriter, r *http.Request) {
	_, d, differences, err := p.restoring(r)
	if err != nil {
		p.cannotThere(w, r, err)
		return
	}
	view := confirmView{Title: "Restore what this save said?", Label: "Restore it", Back: historyURL(r.PathValue("instance")), Reason: true, Example: "The filter was wrong", After: "It is a new save, which can be undone as well. It runs after Stop and start."}
	if r.PathValue("how") == "undo" {
		view.Title, view.Label = "Go back to before this save?", "Undo it"
	}
	for _, c := range d.Changes() {
		view.Touches = append(view.Touches, touch{"file", baseName(c.Path)})
	}
	view.Text = append([]string{"This would differ from what is on file:"}, differences...)
	if len(differences) == 0 {
		view.Text = []string{"It means the same as what is on file; only its text differs."}
	}
	p.show(w, r, view)
}

// restore saves what was said before.
func (p *Pages) restore(w http.ResponseWriter, r *http.Request) {
	i, d, _, err := p.restoring(r)
	if err == nil {
		err = p.saveFiles(r, i, d, strings.TrimSpace(r.PostFormValue("reason")))
	}
	if err != nil {
		p.cannotSave(w, r, err)
		return
	}
	http.Redirect(w, r, historyURL(r.PathValue("instance"))+"?restored=yes", http.StatusSeeOther)
}

func baseName(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }
