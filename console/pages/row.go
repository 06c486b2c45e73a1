package pages

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// word is a state: a colour, an icon and a word, always together.
type word struct{ Class, Icon, Text string }

// row is a workflow, or a table under the first.
type row struct {
	ID, Name, Detail, URL             string // URL of its page; "": it has none
	Lead                              bool
	State                             word
	Words                             []word
	Backlog, Lag, Quarantine, Deletes string
	Checked                           time.Time
	Action                            *action
	More                              []action
}

// rowsOf makes the rows of a report.
type rowsOf struct {
	report   operator.Report
	instance *operator.Instance
	now      time.Time
	may      bool // act
}

// groups are the three workflows: tables, events, opt-outs.
func (o rowsOf) groups() [][]row {
	lead, tables, others := o.lead(), []row{}, map[string]row{}
	for _, f := range o.report.Flows {
		if r := o.row(f); o.instance.IsTable(f.Flow) || f.Removed {
			tables = append(tables, r)
		} else {
			r.Lead = true
			others[f.Flow] = r
		}
	}
	group := func(flow string) []row {
		if r, there := others[flow]; there {
			return []row{r}
		}
		r := row{ID: flow, Name: title(flow), Detail: detail[flow], Lead: true, State: word{"off", "stop", "Off"}, Backlog: "–", Lag: "–", Quarantine: "–", Deletes: "–"}
		if o.may {
			r.Action = o.does(flow, "start").off("Nothing of it is switched on in the configuration")
		}
		return []row{r}
	}
	return [][]row{append([]row{lead}, tables...), group(activities.FlowEgress), group(activities.FlowOptOut)}
}

var detail = map[string]string{activities.FlowEgress: "e-mail events to the timeline", activities.FlowOptOut: "who wants no more messages"}

// title is how people call a flow.
func title(flow string) string {
	switch flow {
	case activities.FlowEgress:
		return "Campaign → Dynamics 365"
	case activities.FlowOptOut:
		return "Opt-in/out"
	}
	return strings.ToUpper(flow[:1]) + strings.ReplaceAll(flow[1:], "_", " ")
}

// order of the states by what matters more for a workflow of several tables.
var order = []workflows.State{workflows.StateFailed, workflows.StatePaused, workflows.StateRunning, workflows.StateStarting, workflows.StateStopped}

// lead sums up the tables.
func (o rowsOf) lead() row {
	r := row{ID: "tables", Name: "Dynamics 365 → Campaign", Lead: true, State: word{"off", "stop", "Stopped"}, Backlog: "–", Lag: "–"}
	count, backlog, quarantined, deletes, lag := map[workflows.State]int64{}, int64(0), int64(0), int64(0), int64(-1)
	n := int64(0)
	for _, f := range o.report.Flows {
		if !o.instance.IsTable(f.Flow) {
			continue
		}
		n++
		st := f.Status
		if st == nil {
			continue
		}
		count[st.State]++
		quarantined += st.Quarantined
		deletes += waitingDeletes(st)
		if st.Progress != nil {
			backlog += st.Progress.Backlog
		}
		if f.LagSeconds != nil {
			lag = max(lag, *f.LagSeconds)
		}
		if f.LastChecked.After(r.Checked) {
			r.Checked = f.LastChecked
		}
	}
	for _, s := range order {
		if count[s] > 0 {
			r.State = stateWord(s)
			if count[s] < n {
				r.Words = append(r.Words, word{r.State.Class, r.State.Icon, fmt.Sprintf("%d of %d", count[s], n)})
			}
			break
		}
	}
	r.Detail, r.Backlog = phrase.Count(n, "table"), humanize.Comma(backlog)
	r.Quarantine, r.Deletes = humanize.Comma(quarantined), humanize.Comma(deletes)
	if lag >= 0 {
		r.Lag = phrase.Span(time.Duration(lag) * time.Second)
	}
	return r
}

// row is one flow.
func (o rowsOf) row(f operator.FlowReport) row {
	r := row{ID: f.Flow, Name: title(f.Flow), Detail: detail[f.Flow], URL: flowURL(o.instance.Config.Instance, f.Flow), State: state(f), Checked: f.LastChecked, Backlog: "–", Lag: "–", Quarantine: "–", Deletes: "–"}
	if t, ok := o.instance.Config.Ingress.Tables[f.Flow]; ok {
		r.Detail = t.Dynamics.Table + " → " + t.Campaign.Resource
	}
	if st := f.Status; st != nil {
		r.Backlog, r.Quarantine, r.Deletes = "0", humanize.Comma(st.Quarantined), humanize.Comma(waitingDeletes(st))
		if st.Progress != nil {
			r.Backlog = humanize.Comma(st.Progress.Backlog)
		}
		if f.LagSeconds != nil {
			r.Lag = phrase.Span(time.Duration(*f.LagSeconds) * time.Second)
		}
		r.Words = words(f)
	} else if f.Recorded != nil {
		r.Quarantine = humanize.Comma(f.Recorded.Quarantined)
	}
	if o.may {
		r.Action, r.More = o.actions(f)
	}
	return r
}

// words say what is more to a state.
func words(f operator.FlowReport) (out []word) {
	st := f.Status
	if st.Run != "" && st.State == workflows.StateRunning && st.Phase != "" {
		text := st.Phase
		if done := percent(st.Progress); done >= 0 {
			text += fmt.Sprintf(" %d %%", done)
		}
		out = append(out, word{"busy", "sync", text})
	}
	if f.ChangesPending {
		out = append(out, word{"warn", "warn", "edits not running"})
	}
	if len(f.Waiting) > 0 {
		out = append(out, word{"warn", "wait", "trying again"})
	}
	return out
}

func waitingDeletes(st *workflows.Status) (n int64) {
	for _, a := range st.Approvals {
		n += a.Deletes
	}
	return n
}

// state is what a flow is doing.
func state(f operator.FlowReport) word {
	switch {
	case f.Stuck != nil:
		return word{"bad", "bad", "Failed"}
	case f.Status != nil:
		return stateWord(f.Status.State)
	case f.Recorded == nil:
		return word{"off", "stop", "Not started"}
	case !f.Recorded.Running:
		return word{"bad", "bad", "Ended"}
	}
	return word{"warn", "wait", "No answer"}
}

func stateWord(s workflows.State) word {
	switch s {
	case workflows.StateRunning:
		return word{"ok", "running", "Running"}
	case workflows.StateStarting:
		return word{"busy", "sync", "Starting"}
	case workflows.StatePaused:
		return word{"warn", "pause", "Paused"}
	case workflows.StateFailed:
		return word{"bad", "bad", "Failed"}
	}
	return word{"off", "stop", "Stopped"}
}
