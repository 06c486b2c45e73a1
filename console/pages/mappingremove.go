package pages

import (
	"errors"
	"net/http"
	"strings"

	"causeway.dev/config/edit"
	"causeway.dev/internal/operator"
)

// confirmRemove says what goes with a mapping, and what stays.
func (p *Pages) confirmRemove(w http.ResponseWriter, r *http.Request) {
	t, ok := p.mappingOnFile(w, r)
	if !ok {
		return
	}
	p.show(w, r, confirmView{
		Title: "Remove the mapping of " + title(t.Name) + "?", Label: "Remove it", Back: mappingURL(r.PathValue("instance"), t.Name), Reason: true, Example: "Vehicles are kept elsewhere now",
		Text:    []string{"It is taken out of the configuration, so " + t.Dynamics.Table + " is not written to " + t.Campaign.Resource + " any more. Its workflow has to be stopped first."},
		Touches: []touch{{"stay", "all records in Campaign that were written by it"}, {"stay", "its runs, and what the ledger knows of its records"}, {"goes", "the mapping itself, which the history can restore"}},
	})
}

// removeMapping takes a mapping out of the configuration. One whose workflow runs would go
// on running with nobody to stop it, so it is refused.
func (p *Pages) removeMapping(w http.ResponseWriter, r *http.Request) {
	t, ok := p.mappingOnFile(w, r)
	if !ok {
		return
	}
	i, err := p.operator(r)
	var report operator.Report
	if err == nil {
		report, err = i.Status(r.Context(), t.Name)
	}
	if err == nil {
		err = removable(report)
	}
	var at *opened
	if err == nil {
		at, err = p.openFiles(r)
	}
	if err == nil {
		err = at.draft.RemoveTable(t.Name)
	}
	if err == nil {
		err = p.saveFiles(r, i, at.draft, strings.TrimSpace(r.PostFormValue("reason")))
	}
	if err != nil {
		p.cannotSave(w, r, err)
		return
	}
	http.Redirect(w, r, mappingsURL(r.PathValue("instance"))+"?removed=yes", http.StatusSeeOther)
}

func removable(report operator.Report) error {
	for _, f := range report.Flows {
		switch {
		case f.Status == nil && f.Known && !f.Answered:
			return &operator.Error{Kind: operator.NoWorker, Text: "whether its workflow is stopped is not known: no worker answers"}
		case f.Status != nil && !operator.Stopped(*f.Status):
			return &operator.Error{Kind: operator.BadInput, Text: title(f.Flow) + " is running; stop it first, then remove its mapping"}
		}
	}
	return nil
}

// saveFiles writes a draft of the files.
func (p *Pages) saveFiles(r *http.Request, i *operator.Instance, d *edit.Draft, reason string) error {
	ctx, cancel := detached(r.Context(), actWithin)
	defer cancel()
	_, err := i.SaveConfig(ctx, d, reason)
	return err
}

// cannotSave shows why a draft of the files was not written; a file that cannot be written
// here is sent instead.
func (p *Pages) cannotSave(w http.ResponseWriter, r *http.Request, err error) {
	if read, only := errors.AsType[*edit.ReadOnly](err); only {
		n := cannotWrite(read)
		n.Text[1] = "What to do: have the change made by who can write the file, or give the console the folder."
		p.render(w, r, http.StatusConflict, "failure", n.Title, failureView{Title: n.Title, Note: n, Back: mappingsURL(r.PathValue("instance")), BackLabel: "Back to the mappings"})
		return
	}
	if _, conflict := errors.AsType[*edit.Conflict](err); conflict {
		err = &operator.Error{Kind: operator.BadInput, Text: err.Error()}
	} else if problems := problemsIn(err); len(problems) > 0 && problems[0].Path != "" {
		err = &operator.Error{Kind: operator.BadInput, Text: strings.TrimSpace(err.Error())}
	}
	p.cannot(w, r, err)
}
