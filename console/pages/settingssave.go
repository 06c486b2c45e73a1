package pages

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"causeway.dev/config"
	"causeway.dev/config/edit"
	"causeway.dev/console/session"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
)

// changeOf reads the form of a tab against the file as it is now: the draft has what
// somebody wrote, and the fields say it back, each with what is wrong with it. A field that
// was left alone keeps what the file says, also where somebody else has changed it since.
func (v *settingsView) changeOf(r *http.Request, draft *edit.Draft) error {
	var failed error
	v.each(func(f *settingField) {
		if f.Off {
			return
		}
		posted, asked := r.PostForm[f.ID]
		was := plainText(r.PostFormValue("was-" + f.ID))
		wrote := ""
		if asked {
			wrote = plainText(posted[len(posted)-1])
		}
		switch {
		case f.Kind == config.KindSwitch:
			wrote = fmt.Sprint(asked)
		case !asked:
			return
		}
		if wrote == was {
			return
		}
		if f.Value != was && r.PostFormValue("digest") != v.Digest {
			v.Edits.Others = append(v.Edits.Others, fmt.Sprintf("%s: somebody else has changed this meanwhile, to %s", f.Label, orNothing(f.Value)))
		}
		f.Value, f.Means = wrote, ""
		path, err := edit.ParsePath(f.Path)
		if err == nil && wrote == "" {
			err = draft.Remove(path)
		} else if err == nil {
			err = draft.Set(path, f.Parse(wrote))
		}
		if err != nil {
			failed = err
		}
		v.Edits.Count++
	})
	if failed != nil {
		return failed
	}
	return v.judge(r, draft)
}

// judge says what the draft changes, or what is wrong with it.
func (v *settingsView) judge(r *http.Request, draft *edit.Draft) error {
	after, err := draft.Check()
	var problems *config.Problems
	switch {
	case errors.As(err, &problems):
		v.place(*problems)
		return nil
	case err != nil:
		return err
	}
	if why := lockedOut(session.Of(r).Tokens.Token, draft.Opened(), after); why != "" {
		v.place(config.Problems{{Path: "access.groups.admin", Got: "groups of which you are in none", Want: "one of yours among them", Remedy: why}})
		return nil
	}
	differences := edit.Differences(draft.Opened(), after)
	for _, d := range differences {
		v.Edits.Says = append(v.Edits.Says, v.words(d.Path, d.Sentence))
	}
	return nil
}

// words put the name that the page has for a setting in place of its path.
func (v *settingsView) words(path, sentence string) string {
	v.each(func(f *settingField) {
		if rest, ok := strings.CutPrefix(sentence, path); ok && f.Path == path {
			sentence = f.Label + rest
		}
	})
	return sentence
}

// place puts problems beside their fields; what has none here is said in the bar.
func (v *settingsView) place(problems config.Problems) {
	for _, one := range problems {
		text, found := told(one), false
		v.each(func(f *settingField) {
			if !found && (one.Path == f.Path || strings.HasPrefix(one.Path, f.Path+"[")) {
				found, f.Problems = true, append(f.Problems, text)
			}
		})
		if !found {
			v.Edits.Others = append(v.Edits.Others, one.Path+": "+text)
		}
	}
	v.Edits.Problems = len(problems)
}

// told is a problem without its place, in the words of "causeway config validate".
func told(p config.Problem) string {
	p.File, p.Path = "", ""
	return sentence(p.String())
}

// lockedOut says why somebody who is signed in at an issuer could not undo a change: the
// change would take away the role that it needs.
func lockedOut(token string, before, after *config.Config) string {
	if !after.Access.Configured() || before == nil {
		return ""
	}
	role, known := access.RoleIn(token, after.Access)
	switch {
	case known && role < access.Admin:
		return "you would lock yourself out; add a group of yours, or have another admin do this"
	case !known && fmt.Sprint(before.Access.Groups.Admin) != fmt.Sprint(after.Access.Groups.Admin):
		return "your groups are not known here, so nobody can say whether you would lock yourself out; change it in the file"
	}
	return ""
}

func plainText(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return strings.ReplaceAll(s, "\n", ", ")
}

// edited is a tab with what somebody wrote; draft is nil when it was answered.
func (p *Pages) edited(w http.ResponseWriter, r *http.Request) (*settingsView, *edit.Draft) {
	part, ok := partNamed(r.PathValue("part"))
	if !ok {
		p.noSuchPage(w, r)
		return nil, nil
	}
	if err := r.ParseForm(); err != nil {
		p.cannot(w, r, &operator.Error{Kind: operator.BadInput, Text: "the form cannot be read"})
		return nil, nil
	}
	at := p.instance(r)
	draft, err := edit.Open(at.File)
	if err != nil || draft.Opened() == nil {
		v := p.settingsOf(r, part)
		p.render(w, r, http.StatusConflict, "settings", "Settings", v)
		return nil, nil
	}
	v := &settingsView{Now: p.here(r), Base: settingsURL(r.PathValue("instance"), part.ID), File: at.File, Part: part, May: true, MayTest: true, Reason: plainText(r.PostFormValue("reason"))}
	for _, t := range settingsParts {
		v.Tabs = append(v.Tabs, link{URL: settingsURL(r.PathValue("instance"), t.ID), Label: t.Title})
	}
	if part.ID == "optouts" {
		v.Modes = optOutModes
	}
	if text, err := os.ReadFile(at.File); err == nil {
		v.Digest = edit.Digest(text)
	}
	v.show(draft.Opened(), part)
	if err := v.changeOf(r, draft); err != nil {
		p.cannot(w, r, &operator.Error{Kind: operator.BadInput, Text: err.Error()})
		return nil, nil
	}
	return v, draft
}

// checkSettings says while somebody writes what is wrong, and what would be saved.
func (p *Pages) checkSettings(w http.ResponseWriter, r *http.Request) {
	v, draft := p.edited(w, r)
	if draft == nil {
		return
	}
	v.each(func(f *settingField) { f.OutOfBand = true })
	p.part(w, r, http.StatusOK, "settings", "checked", "Settings", v)
}

// saveSettings writes the file, unless something is wrong, or somebody else has saved since
// the page was opened.
func (p *Pages) saveSettings(w http.ResponseWriter, r *http.Request) {
	v, draft := p.edited(w, r)
	if draft == nil {
		return
	}
	again := func(status int, n notice) {
		v.Problem = &n
		p.render(w, r, status, "settings", "Settings", v)
	}
	switch {
	case v.Edits.Problems > 0:
		again(http.StatusBadRequest, notice{Class: "bad", Icon: "bad", Title: "Nothing was saved", Text: append([]string{"Something is not right yet. It is said beside the field."}, v.Edits.Others...)})
		return
	case r.PostFormValue("digest") != v.Digest:
		again(http.StatusConflict, conflict(append(v.Edits.Others, "The page shows what is on file now, with your edits in it. Save again if they are still right.")))
		return
	}
	i, err := p.operator(r)
	if err != nil {
		n := explain(err)
		n.Text = append(n.Text, "Nothing was saved: a save is entered into the history, and Temporal takes the entry.")
		again(statusOf(err), n)
		return
	}
	saved, err := i.SaveConfig(r.Context(), draft, v.Reason)
	var problems *config.Problems
	var other *edit.Conflict
	var readOnly *edit.ReadOnly
	switch {
	case errors.As(err, &other):
		text := []string{sentence(other.File + " was changed by somebody else since")}
		for _, d := range other.Differences {
			text = append(text, sentence(d.Sentence))
		}
		again(http.StatusConflict, conflict(append(text, "Save again if your edits are still right.")))
	case errors.As(err, &readOnly):
		v.Download = true
		again(http.StatusConflict, notice{Class: "warn", Icon: "warn", Title: "The file cannot be written here",
			Text: []string{sentence(readOnly.File + " is read-only for the console (" + readOnly.Why + "), and nothing was saved"), "Download the changed file below, and put it in its place yourself."}})
	case errors.As(err, &problems):
		v.place(*problems)
		again(http.StatusBadRequest, notice{Class: "bad", Icon: "bad", Title: "Nothing was saved", Text: v.Edits.Others})
	case err != nil:
		again(statusOf(err), explain(err))
	default:
		done := "saved"
		if saved.ID == "" {
			done = "nothing"
		} else if saved.Warning != "" {
			done = "unlogged"
		}
		http.Redirect(w, r, v.Base+"?done="+done, http.StatusSeeOther)
	}
}

func conflict(text []string) notice {
	return notice{Class: "warn", Icon: "warn", Title: "Somebody else has saved meanwhile, and nothing was overwritten", Text: text}
}

// downloadSettings gives the changed file to somebody who puts it in its place.
func (p *Pages) downloadSettings(w http.ResponseWriter, r *http.Request) {
	v, draft := p.edited(w, r)
	if draft == nil {
		return
	}
	changes := draft.Changes()
	if v.Edits.Problems > 0 || len(changes) != 1 {
		v.Problem, v.Download = &notice{Class: "warn", Icon: "warn", Title: "There is no file to download", Text: append([]string{"Nothing is edited, or something is not right yet."}, v.Edits.Others...)}, true
		p.render(w, r, http.StatusBadRequest, "settings", "Settings", v)
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", filepath.Base(changes[0].Path)))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(changes[0].After)
}
