package pages

import (
	"errors"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/config/edit"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
)

// settingsView is a tab of the settings.
type settingsView struct {
	Now     time.Time
	Base    string // address of the tab
	File    string
	Part    settingsPart
	Tabs    []link
	Done    string
	Problem *notice // in place of the form, or above it
	Differs string  // sections that the worker runs with otherwise

	Fields     []settingField
	More       []settingField
	Secrets    []secretField
	Modes      []struct{ Mode, Text string }
	Pairs      []string
	Test       *testView
	Digest     string // of the file that the form shows
	Unanswered bool   // no worker said what it runs with
	Edits      editsView
	Reason     string
	May        bool // change them
	MayTest    bool
	Download   bool // the file cannot be written here
}

// settingField is a setting that is not a secret.
type settingField struct {
	config.Setting
	ID, Label, Means string
	Was              string
	Off              bool // it is changed in the file alone
	Problems         []string
	OutOfBand        bool
}

// editsView is what the bar says.
type editsView struct {
	Count    int
	Says     []string
	Problems int
	Others   []string // problems that no field of the page has
}

func settingsURL(instance, part string) string { return home(instance) + "settings/" + part }

// settings shows a tab.
func (p *Pages) settings(w http.ResponseWriter, r *http.Request) {
	part, ok := partNamed(r.PathValue("part"))
	if !ok {
		p.noSuchPage(w, r)
		return
	}
	view := p.settingsOf(r, part)
	switch done := r.URL.Query().Get("done"); done {
	case "saved":
		view.Done = "Saved. " + part.Takes
	case "nothing":
		view.Done = "There was nothing to save."
	case "secret":
		view.Done = "The secret was replaced. The worker takes it at its next sign-in. Test the connection now."
	case "unlogged":
		view.Done = "Saved, but Temporal did not take the entry for the history. Tell whoever keeps the operations log."
	}
	p.render(w, r, http.StatusOK, "settings", "Settings", view)
}

// settingsOf reads the file, and shows what it says.
func (p *Pages) settingsOf(r *http.Request, part settingsPart) *settingsView {
	name, at := r.PathValue("instance"), p.instance(r)
	v := &settingsView{Now: p.here(r), Base: settingsURL(name, part.ID), File: at.File, Part: part, May: p.may(r, access.Admin), MayTest: p.may(r, access.Operator)}
	for _, t := range settingsParts {
		v.Tabs = append(v.Tabs, link{URL: settingsURL(name, t.ID), Label: t.Title})
	}
	c := at.Config
	draft, err := edit.Open(at.File)
	if err == nil && draft.Opened() != nil {
		c = draft.Opened()
	} else {
		v.cannotEdit(err)
	}
	if text, err := os.ReadFile(at.File); err == nil {
		v.Digest = edit.Digest(text)
	}
	v.show(c, part)
	if i, err := p.operator(r); err != nil {
		n := explain(err)
		v.Problem = &n
	} else {
		meter := i.Meter(r.Context())
		v.tell(r, i, c, meter)
	}
	if part.ID == "optouts" {
		v.Modes = optOutModes
		for _, pair := range c.OptOut.Pairs {
			v.Pairs = append(v.Pairs, pair.Campaign+" in Campaign and "+pair.Dynamics+" in Dynamics")
		}
	}
	return v
}

// tell adds what a worker says.
func (v *settingsView) tell(r *http.Request, i *operator.Instance, c *config.Config, meter *operator.Meter) {
	if len(v.Part.Areas) > 0 || v.Part.ID == "worker" {
		v.Test = &testView{Base: v.Base, May: v.MayTest}
	}
	if v.Unanswered = meter == nil; v.Unanswered {
		return
	}
	if differ := config.Differing(c.Digests(), meter.Config()); len(differ) > 0 {
		v.Differs = strings.Join(differ, ", ")
	}
	for n, s := range v.Secrets {
		for _, end := range meter.Credentials() {
			if end.Setting == s.Path {
				v.Secrets[n].Ends = end.Ends
			}
		}
	}
	if found := meter.Doctor(); found != nil && v.Test != nil {
		v.Test.Kept, v.Test.At, v.Test.Now = true, found.At, v.Now
		for _, check := range found.Checks {
			if v.Part.ID == "worker" || slices.Contains(v.Part.Areas, check.Area) {
				v.Test.Checks = append(v.Test.Checks, checkOf(check))
			}
		}
	}
}

// cannotEdit says why the file cannot be changed here: it has problems, or is not there.
func (v *settingsView) cannotEdit(err error) {
	v.May = false
	n := notice{Class: "bad", Icon: "bad", Title: "The file of the settings cannot be used"}
	if err != nil {
		n.Text = []string{sentence(err.Error()), "What you see is what the console was started with. Put the file right, then look again."}
	} else {
		n.Text = []string{"What you see is what the console was started with. Correct the file first: causeway config validate says what is wrong with it."}
		var problems *config.Problems
		if _, err := config.Load(v.File); errors.As(err, &problems) {
			for _, one := range *problems {
				n.Text = append(n.Text, sentence(one.String()))
			}
		}
	}
	v.Problem = &n
}

// show makes fields of the settings of a tab.
func (v *settingsView) show(c *config.Config, part settingsPart) {
	for _, s := range c.Settings() {
		if partOf(s.Path) != part.ID || s.Path == "include" {
			continue
		}
		if s.Kind == config.KindSecret {
			one := secretOf(s)
			one.URL, one.Off = strings.TrimSuffix(v.Base, "settings/"+part.ID)+"secrets/"+s.Path, filedOnly(s.Path)
			v.Secrets = append(v.Secrets, one)
			continue
		}
		f := settingField{Setting: s, ID: strings.ReplaceAll(s.Path, ".", "-"), Label: labelOf(s.Path, s.Name), Was: s.Value, Off: filedOnly(s.Path) || !v.May, Means: meaning(s)}
		if usual[s.Path] {
			v.Fields = append(v.Fields, f)
		} else {
			v.More = append(v.More, f)
		}
	}
}

// each visits all fields of the tab.
func (v *settingsView) each(visit func(*settingField)) {
	for n := range v.Fields {
		visit(&v.Fields[n])
	}
	for n := range v.More {
		visit(&v.More[n])
	}
}

// meaning says a value in another way, where it is easier to read then.
func meaning(s config.Setting) string {
	switch s.Kind {
	case config.KindDuration:
		if d, err := time.ParseDuration(s.Value); err == nil && d >= 24*time.Hour {
			return long(d)
		}
	case config.KindShare:
		if f, err := strconv.ParseFloat(s.Value, 64); err == nil && s.Max != "" && (s.Max == "1" || s.Max == "0.9") {
			return strconv.FormatFloat(f*100, 'f', -1, 64) + " %"
		}
	case config.KindNumber:
		if n, err := strconv.ParseInt(s.Value, 10, 64); err == nil && n >= 10_000 {
			return humanize.Comma(n)
		}
	}
	return ""
}

// secretField is a secret: where it is, and never what.
type secretField struct {
	Path, ID, Label, About string
	URL                    string // that replaces it
	Off                    bool   // it is changed where the worker runs alone
	File                   string // that holds it
	Variable               string // that holds it
	Changed                time.Time
	Ends                   time.Time // where that is known
	Multiline              bool
}

func secretOf(s config.Setting) secretField {
	out := secretField{Path: s.Path, ID: strings.ReplaceAll(s.Path, ".", "-"), Label: labelOf(s.Path, s.Name), About: s.About, File: edit.SecretFile(s.Secret),
		Multiline: s.Path == "campaign.sftp.key" || s.Path == "dynamics.client_certificate"}
	out.Variable, _ = strings.CutPrefix(string(s.Secret), "env:")
	if out.Variable == string(s.Secret) {
		out.Variable = ""
	}
	if info, err := os.Stat(out.File); err == nil && out.File != "" {
		out.Changed = info.ModTime()
	}
	return out
}

// checkOf is one check of the doctor.
func checkOf(c activities.Check) checkLine {
	out := checkLine{Text: capital(c.Area + ": " + c.What), Found: strings.TrimSuffix(c.Found, ".") + "."}
	switch c.State {
	case activities.CheckOK:
		out.Class, out.Icon = "ok", "ok"
	case activities.CheckWarn:
		out.Class, out.Icon = "warn", "warn"
	case activities.CheckFail:
		out.Class, out.Icon = "bad", "bad"
	default:
		out.Class, out.Icon = "", "wait"
		out.Found = "Not made " + out.Found
	}
	if c.Wanted != "" {
		out.Wanted = "Wanted: " + strings.TrimSuffix(c.Wanted, ".")
	}
	if c.Remedy != "" {
		out.Remedy = "What to do: " + strings.TrimSuffix(c.Remedy, ".")
	}
	return out
}
