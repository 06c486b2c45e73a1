package pages

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/config/edit"
	"causeway.dev/internal/phrase"
)

// conflictView tells somebody that the files are not what they were when the edit was begun.
type conflictView struct {
	Who     []saveSince
	Unknown bool // it was not done here
	Theirs  []string
	Mine    []string
	Clashes []string
}

// saveSince is a save by somebody else, in words and with its reason.
type saveSince struct {
	At   time.Time
	Text string
}

// saveMapping writes a draft, unless it has problems or somebody else has saved meanwhile.
func (p *Pages) saveMapping(w http.ResponseWriter, r *http.Request, d mappingDraft) {
	at, err := p.openFiles(r)
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	if !maps.Equal(at.files, d.Began.Files) {
		p.tellConflict(w, r, d)
		return
	}
	if own := d.twice(); len(own) > 0 || put(at.draft, d) != nil {
		p.showEdit(w, r, http.StatusUnprocessableEntity, d, editView{Refused: true})
		return
	}
	if len(at.draft.Changes()) == 0 {
		p.showEdit(w, r, http.StatusOK, d, editView{Nothing: true})
		return
	}
	i, got, err := p.described(r, d.mapping())
	if err == nil && len(got.Problems) > 0 { // a start would refuse it
		p.showEdit(w, r, http.StatusUnprocessableEntity, d, editView{Refused: true})
		return
	}
	if i == nil {
		p.showEdit(w, r, statusOf(err), d, editView{})
		return
	}
	ctx, cancel := detached(r.Context(), actWithin) // what was written is told, also when nobody waits for it
	defer cancel()
	saved, err := i.SaveConfig(ctx, at.draft, d.Reason)
	if err != nil {
		p.notSaved(w, r, d, err)
		return
	}
	p.putOnFile(r, d)
	q := url.Values{"saved": {saved.ID}}
	if saved.Warning != "" {
		q.Set("unkept", "yes")
	}
	http.Redirect(w, r, mappingURL(r.PathValue("instance"), d.Table.Name)+"?"+q.Encode(), http.StatusSeeOther)
}

// notSaved says why a draft was not written.
func (p *Pages) notSaved(w http.ResponseWriter, r *http.Request, d mappingDraft, err error) {
	if _, conflict := errors.AsType[*edit.Conflict](err); conflict {
		p.tellConflict(w, r, d)
		return
	}
	if read, only := errors.AsType[*edit.ReadOnly](err); only {
		n := cannotWrite(read)
		p.showEdit(w, r, http.StatusConflict, d, editView{ReadOnly: &n})
		return
	}
	if _, problems := errors.AsType[*config.Problems](err); problems {
		p.showEdit(w, r, http.StatusUnprocessableEntity, d, editView{Refused: true})
		return
	}
	n := explain(err)
	p.showEdit(w, r, statusOf(err), d, editView{Result: &n})
}

func cannotWrite(read *edit.ReadOnly) notice {
	return notice{Class: "warn", Icon: "warn", Title: "The console cannot write this file", Text: []string{
		filepath.Base(read.File) + " cannot be written from here (" + read.Why + "). Nothing was saved.",
		"What to do: download the changed file, and have it put in the place of the one that is there. Then stop and start the workflow.",
	}}
}

// putOnFile tells the workflow of a mapping what is on file now, so that everybody's status
// says that it waits for a start. Where that fails the console compares by itself.
func (p *Pages) putOnFile(r *http.Request, d mappingDraft) {
	if d.New {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	if i, err := p.operator(r); err == nil {
		_, _ = i.ApplyConfig(ctx, d.Table.Name)
	}
}

// tellConflict says who saved what since the edit was begun, and what can be done about it.
func (p *Pages) tellConflict(w http.ResponseWriter, r *http.Request, d mappingDraft) {
	theirs, mine := d.Table, d.mapping()
	theirs = p.instance(r).Filed().Ingress.Tables[theirs.Name]
	view := &conflictView{}
	if !d.New {
		_, view.Clashes = edit.MergeTables(d.Began.Table, mine, theirs)
		view.Theirs = sentences(edit.TableDifferences(d.Began.Table, theirs))
		view.Mine = sentences(edit.TableDifferences(d.Began.Table, mine))
	}
	if i, err := p.operator(r); err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), askWithin)
		defer cancel()
		if got, err := i.Saves(ctx, activities.ListSavesInput{Limit: 20}); err == nil {
			for _, s := range got.Saves {
				if s.At.After(d.Began.At.Truncate(time.Second)) {
					view.Who = append(view.Who, saveSince{s.At, saveWords(s)})
				}
			}
		}
	}
	view.Unknown = len(view.Who) == 0
	p.showEdit(w, r, http.StatusConflict, d, editView{Conflict: view})
}

// saveWords says who saved something, and why.
func saveWords(s activities.ConfigSave) string {
	out := cmp.Or(phrase.OneLine(s.By), "somebody")
	if !s.Verified {
		out += " (not verified)"
	}
	if s.Reason != "" {
		out += ": " + s.Reason
	}
	return out
}

func sentences(differences []activities.MappingDifference) (out []string) {
	for _, d := range differences {
		out = append(out, d.Sentence)
	}
	return out
}

// takeUpBoth goes on with what somebody else saved and with the edits that do not touch the
// same. It is not saved yet.
func (p *Pages) takeUpBoth(w http.ResponseWriter, r *http.Request, d mappingDraft) {
	at, err := p.openFiles(r)
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	if d.New {
		d.Began = beganAnew(p.now(), at, d.Began.Table)
		p.showEdit(w, r, http.StatusOK, d, editView{})
		return
	}
	theirs := p.instance(r).Filed().Ingress.Tables[d.Table.Name]
	merged, _ := edit.MergeTables(d.Began.Table, d.mapping(), theirs)
	next := draftOf(merged)
	next.Reason, next.Tried, next.Sample = d.Reason, d.Tried, d.Sample
	next.Began = beganAnew(p.now(), at, theirs)
	p.showEdit(w, r, http.StatusOK, next, editView{})
}

// downloadMapping is the file as the draft would have it, to be put in place by other means.
func (p *Pages) downloadMapping(w http.ResponseWriter, r *http.Request, d mappingDraft) {
	at, err := p.openFiles(r)
	if err == nil {
		err = put(at.draft, d)
	}
	if err == nil {
		_, err = at.draft.Check()
	}
	if err != nil {
		p.showEdit(w, r, http.StatusUnprocessableEntity, d, editView{Refused: true})
		return
	}
	changes := at.draft.Changes()
	if len(changes) != 1 {
		p.showEdit(w, r, http.StatusOK, d, editView{Nothing: true})
		return
	}
	sendFile(w, changes[0])
}

// sendFile offers a changed file for download.
func sendFile(w http.ResponseWriter, c edit.Change) {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+strings.Map(func(r rune) rune {
		if r < 0x20 || r == '"' || r == '\\' || r > 0x7e {
			return '_'
		}
		return r
	}, filepath.Base(c.Path))+`"`)
	_, _ = w.Write(c.After)
}
