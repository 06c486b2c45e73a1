package pages

import (
	"errors"
	"fmt"
	"net/http"

	"causeway.dev/config"
	"causeway.dev/config/edit"
	"causeway.dev/internal/operator"
)

// replaceSecret puts a new value into a secret's file. The value goes from the form into the
// file, and nowhere else: no page, no log, and nothing in Temporal has it.
func (p *Pages) replaceSecret(w http.ResponseWriter, r *http.Request) {
	path, at := r.PathValue("secret"), p.instance(r)
	draft, err := edit.Open(at.File)
	if err != nil || draft.Opened() == nil {
		p.cannot(w, r, &operator.Error{Kind: operator.BadInput, Text: "the file of the settings cannot be used: correct it first"})
		return
	}
	var found *config.Setting
	for _, s := range draft.Opened().Settings() {
		if s.Path == path && s.Kind == config.KindSecret {
			found = &s
		}
	}
	switch {
	case found == nil:
		p.noSuchPage(w, r)
		return
	case filedOnly(path):
		err = errors.New("this secret is changed where the worker runs alone: with another one it could not read what it wrote")
	case r.PostFormValue("value") == "":
		err = errors.New("no new value was given, so the secret stays as it is")
	}
	if err != nil {
		p.cannot(w, r, &operator.Error{Kind: operator.BadInput, Text: err.Error()})
		return
	}
	i, err := p.operator(r)
	if err == nil {
		err = i.LogSecret(r.Context(), path, plainText(r.PostFormValue("reason"))) // before it is done: there is no replaced secret without an entry
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	err = edit.ReplaceSecret(found.Secret, []byte(r.PostFormValue("value")))
	var readOnly *edit.ReadOnly
	switch {
	case errors.As(err, &readOnly):
		err = fmt.Errorf("%s cannot be written here (%s); put the new secret there yourself", readOnly.File, readOnly.Why)
		fallthrough
	case err != nil:
		p.cannot(w, r, &operator.Error{Kind: operator.BadInput, Text: err.Error()})
	default:
		http.Redirect(w, r, settingsURL(r.PathValue("instance"), partOf(path))+"?done=secret", http.StatusSeeOther)
	}
}
