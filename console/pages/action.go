package pages

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// action is a button.
type action struct {
	ID, Label, Icon, URL, Class string
	Title                       string // for who does not see what it stands beside
	Asks                        bool   // URL is a confirmation, which opens as a dialog
	Off                         string // why it cannot be pressed
	Tip                         string
}

// verb is something that can be done with a flow.
type verb struct {
	label, icon string
	asks        bool
	done        string // of it, after the name of the flow
	do          func(*http.Request, *operator.Instance, string) error
}

// verbs by the last part of their address.
var verbs = map[string]verb{
	"start": {"Start", "start", false, "was started.", func(r *http.Request, i *operator.Instance, flow string) error {
		return failedStart(i.Start(r.Context(), flow))
	}},
	"stop": {"Stop", "stop", true, "was stopped. Records being written are finished first.", func(r *http.Request, i *operator.Instance, flow string) error {
		_, err := i.Stop(r.Context(), flow)
		return err
	}},
	"pause": {"Pause, with a reason…", "pause", true, "is paused.", func(r *http.Request, i *operator.Instance, flow string) error {
		reason := strings.TrimSpace(r.PostFormValue("reason"))
		if reason == "" {
			return &operator.Error{Kind: operator.BadInput, Text: "say why it is paused, for the next person who wonders"}
		}
		_, err := i.Pause(r.Context(), flow, reason)
		return err
	}},
	"resume": {"Resume", "start", false, "goes on.", func(r *http.Request, i *operator.Instance, flow string) error {
		_, err := i.Resume(r.Context(), flow)
		return err
	}},
	"sync-now": {"Sync now", "sync", false, "looks for changes now.", func(r *http.Request, i *operator.Instance, flow string) error {
		_, err := i.SyncNow(r.Context(), flow)
		return err
	}},
	"restart": {"Stop and start", "sync", true, "was stopped and started.", func(r *http.Request, i *operator.Instance, flow string) error {
		ctx, cancel := detached(r.Context(), actWithin) // one who leaves in between must not leave it stopped
		defer cancel()
		if _, err := i.Stop(ctx, flow); err != nil {
			return err
		}
		return failedStart(i.Start(ctx, flow))
	}},
}

// failedStart is the reason of a start that was refused by a check.
func failedStart(st workflows.Status, err error) error {
	if err == nil && st.State == workflows.StateFailed {
		return &operator.Error{Kind: operator.Failed, Text: "it did not start: " + phrase.OneLine(st.Reason)}
	}
	return err
}

// does is the button of a verb.
func (o rowsOf) does(flow, name string) *action { return doing(o.instance, flow, name) }

func doing(i *operator.Instance, flow, name string) *action {
	v := verbs[name]
	return &action{
		ID: name + "-" + flow, Label: v.label, Icon: v.icon, Class: "small", Asks: v.asks, Title: strings.TrimSuffix(v.label, ", with a reason…") + " " + title(flow),
		URL: home(i.Config.Instance) + "flows/" + url.PathEscape(flow) + "/" + name,
	}
}

// off is an action that cannot be pressed, and why.
func (a *action) off(why string) *action {
	a.Off = why
	return a
}

// actions are the button of a flow's row, and what is under its menu.
func (o rowsOf) actions(f operator.FlowReport) (main *action, more []action) {
	may := map[string]bool{}
	switch st := f.Status; {
	case st == nil && f.Recorded != nil && f.Recorded.Running:
		return o.does(f.Flow, "stop").off("Nobody answers for this workflow"), nil
	case st == nil:
		main = o.does(f.Flow, "start")
	case st.State == workflows.StatePaused:
		main, may["stop"] = o.does(f.Flow, "resume"), true
	case operator.Stopped(*st):
		main = o.does(f.Flow, "start")
		may["stop"] = !st.RetryAt.IsZero()
	default:
		main, may["sync-now"], may["pause"], may["restart"] = o.does(f.Flow, "stop"), st.State == workflows.StateRunning, st.State == workflows.StateRunning, !f.Removed
		if f.ChangesPending { // R8.15
			main.Icon, main.Class, main.Tip = "warn", "small marked", "Saved edits are not running yet. They start to run after Stop and Start."
			main.Title += ". Saved edits are not running yet"
		}
	}
	for _, name := range []string{"sync-now", "pause", "restart", "stop"} {
		if may[name] {
			more = append(more, *o.does(f.Flow, name))
		}
	}
	return main, more
}

// large makes the buttons of a row those of a page.
func large(main *action, more []action) {
	if main != nil {
		main.Class = strings.TrimSpace(strings.TrimPrefix(main.Class, "small"))
		if !main.Asks { // to start and to resume
			main.Class = "primary"
		}
	}
	for n := range more {
		more[n].Class, more[n].Label = "", strings.Replace(more[n].Label, ", with a reason", "", 1)
	}
}

// all are the buttons for all flows at once.
func (o rowsOf) all() (out []action) {
	running, stopped := 0, 0
	for _, f := range o.report.Flows {
		switch {
		case !f.Answered:
		case f.Status == nil || operator.Stopped(*f.Status):
			stopped++
		default:
			running++
		}
	}
	add := func(name, label string) {
		out = append(out, action{ID: name + "-everything", Label: label, Icon: verbs[name].icon, Asks: verbs[name].asks, Title: label, URL: home(o.instance.Config.Instance) + "all/" + name})
	}
	if o.may && running > 0 {
		add("sync-now", "Sync all now")
	}
	if o.may && stopped > 0 {
		add("start", "Start all")
	}
	if o.may && running > 0 {
		add("stop", "Stop all")
	}
	return out
}

// sentence begins a text of internal/operator as a sentence.
func sentence(text string) string {
	if text = capital(text); text == "" {
		return ""
	}
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// capital begins a text with a capital letter.
func capital(text string) string {
	text = phrase.OneLine(text)
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:]
}
