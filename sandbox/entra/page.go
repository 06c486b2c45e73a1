package entra

import (
	"fmt"
	"html/template"
	"net/http"

	"github.com/google/uuid"
)

// said is a page with nothing to do on it.
type said struct{ Title, Text string }

// choice is a user whom one can pick.
type choice struct {
	User
	Member   string // names of groups
	Selected bool
}

// pages are plain HTML: they work without scripts, by the keyboard, and read well aloud.
var pages = template.Must(template.New("").Parse(`
{{define "top"}}<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.}}</title>
<style>
body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
fieldset{border:1px solid #767676;border-radius:.25rem;margin:0 0 1rem}
label{display:block;padding:.4rem}
label small{display:block;color:#595959;margin-left:1.7rem}
input[type=text]{font:inherit;padding:.4rem;border:1px solid #767676}
button{font:inherit;padding:.4rem 1rem;margin-right:.5rem}
:focus-visible{outline:3px solid #0b5cad;outline-offset:2px}
.note{background:#fff4ce;padding:.5rem .75rem}
@media (prefers-color-scheme:dark){body{color:#eee;background:#1b1b1b}label small{color:#bbb}.note{background:#4a3b00}}
</style></head><body><main><h1>{{.}}</h1>{{end}}
{{define "end"}}<p><small>This is a sandbox. The people are made up, and nobody asks for a password.</small></p></main></body></html>{{end}}

{{define "pick"}}{{template "top" "Sign in"}}
<p>Who signs in to <strong>{{.App}}</strong>?</p>
{{if .Device}}<p class="note">A device has asked for this sign-in. Go on only if you have begun it yourself.</p>{{end}}
<form method="post" action="{{.Action}}">
<input type="hidden" name="ctx" value="{{.Ctx}}">
<fieldset><legend>Pick a person</legend>
{{range .Users}}<label><input type="radio" name="user" value="{{.ObjectID}}"{{if .Selected}} checked autofocus{{end}} required> {{.Name}}
<small>{{.Username}}{{if .Member}}; member of {{.Member}}{{else}}; in no group{{end}}{{if .Disabled}}; disabled{{end}}</small></label>
{{end}}</fieldset>
<button type="submit" name="action" value="signin">Sign in</button>
<button type="submit" name="action" value="cancel" formnovalidate>Cancel</button>
</form>
{{template "end"}}{{end}}

{{define "code"}}{{template "top" "Enter code"}}
{{if .Wrong}}<p class="note" role="alert">That code didn't work. Check the code and try again.</p>{{end}}
<form method="post" action="/devicelogin">
<label for="otc">Enter the code that is displayed on your app or device.</label>
<p><input type="text" id="otc" name="otc" value="{{.Code}}" autocomplete="off" spellcheck="false" autofocus required></p>
<button type="submit">Next</button>
</form>
{{template "end"}}{{end}}

{{define "post"}}{{template "top" "Working…"}}
<form method="post" action="{{.To}}">
{{range $name, $values := .Fields}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<p>Go on to the application.</p><button type="submit" autofocus>Continue</button>
</form><script>document.forms[0].submit()</script>
{{template "end"}}{{end}}

{{define "said"}}{{template "top" .Title}}<p>{{.Text}}</p>{{template "end"}}{{end}}
`))

func (s *Server) page(w http.ResponseWriter, status int, name string, view any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_ = pages.ExecuteTemplate(w, name, view) // a browser that has gone
}

// pickPage asks who signs in. The first person of the list, or the one whom the client
// named, is selected.
func (s *Server) pickPage(w http.ResponseWriter, r *http.Request, ctx string, v visit) {
	var list []choice
	chosen := 0
	for i, u := range s.users() {
		if v.hint != "" && u.Username == v.hint {
			chosen = i
		}
		list = append(list, choice{User: u, Member: s.groupNames(u.Groups)})
	}
	if len(list) > 0 {
		list[chosen].Selected = true
	}
	s.page(w, http.StatusOK, "pick", map[string]any{
		"App": v.client.Name, "Ctx": ctx, "Users": list, "Device": v.device != "", "Action": s.base(r) + "/login",
	})
}

// errorPage tells a person what the client did wrong, because the client cannot be told.
func (s *Server) errorPage(w http.ResponseWriter, p *problem) {
	s.page(w, http.StatusBadRequest, "said", said{"Sorry, but we're having trouble signing you in.",
		fmt.Sprintf("AADSTS%d: %s Correlation Id: %s Timestamp: %s", p.number, p.text, uuid.NewString(), s.o.Clock.Now().Format("2006-01-02T15:04:05Z"))})
}
