package pages

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// attention is something that somebody should know of, with a button where there is one.
type attention struct {
	Class, Icon, Title string
	Text               []string
	Since              time.Time // zero: that is not told
	Action             *action
	Look               *link  // the page that tells more, in place of a button
	Otherwise          string // in place of a button
	about              string // deletesWait, or ""
	weight             int    // the most pressing first
}

// deletesWait is what attention about deletes is about.
const deletesWait = "deletes"

// list collects what needs attention.
type list struct {
	items    []attention
	instance *operator.Instance
	now      time.Time
	may      bool
}

// attend lists what needs attention in an instance. Each sentence says what is so, then what
// to do. It covers what FlowReport.Notes tells with commands.
func attend(i *operator.Instance, report operator.Report, now time.Time, may bool) []attention {
	l := &list{instance: i, now: now, may: may}
	for _, f := range report.Flows {
		l.flow(f)
	}
	for _, n := range report.Notes(now) { // of certificates and of text in the clear
		l.add(levels[n.Level], nil, sentence(n.Text))
	}
	slices.SortStableFunc(l.items, func(a, b attention) int { return cmp.Compare(a.weight, b.weight) })
	return l.items
}

var levels = map[operator.Level]string{operator.Alarm: "bad", operator.Caution: "warn", operator.Hint: "off"}

var weights = map[string]int{"bad": 0, "warn": 1, "off": 2}

func (l *list) add(class string, act *action, title string, text ...string) *attention {
	icon := class
	if class == "off" {
		icon = "wait"
	}
	a := attention{Class: class, Icon: icon, Title: title, Text: text, weight: weights[class]}
	if act != nil && l.may {
		act.ID, act.Class = "todo-"+act.ID, ""
		a.Action = act
	} else if act != nil {
		a.Otherwise = "Needs an operator"
	}
	l.items = append(l.items, a)
	return &l.items[len(l.items)-1]
}

func (l *list) does(flow, name string) *action { return doing(l.instance, flow, name) }

// flow adds what one flow needs.
func (l *list) flow(f operator.FlowReport) {
	name, st := title(f.Flow), f.Status
	switch {
	case f.Stuck != nil:
		l.add("bad", nil, name+": the worker's code fails", sentence(f.Stuck.Sentence(l.now, f.Flow)))
	case f.Recorded != nil && !f.Recorded.Running:
		l.add("bad", l.does(f.Flow, "start"), name+" was ended from outside", "Its workflow has ended ("+f.Recorded.Ended+"), so nothing flows. Start it: it goes on where it was.")
	case st == nil && !f.Known:
		l.add("off", l.does(f.Flow, "start"), name+" was never started", "The first start reads everything, and then follows the changes.")
	}
	if st == nil {
		return
	}
	l.state(f, name, st)
	l.data(f, name, st)
	if st.Events != nil {
		l.events(f, name, st)
	}
	if st.OptOut != nil {
		l.optOuts(f, name, st)
	}
}

func (l *list) state(f operator.FlowReport, name string, st *workflows.Status) {
	switch st.State {
	case workflows.StateFailed:
		then := "When that is put right, start it."
		if !st.RetryAt.IsZero() {
			then = "It tries again by itself " + phrase.Until(l.now, st.RetryAt) + "; start it not to wait for that."
		}
		l.add("bad", l.does(f.Flow, "start"), name+" has failed", sentence(cmp.Or(st.Reason, st.LastError, "it does not say why")), then)
	case workflows.StatePaused:
		l.add("warn", l.does(f.Flow, "resume"), name+" is paused", sentence(st.Reason)).Since = st.Since
	}
	if st.Restored != "" {
		l.add("bad", nil, name+": the ledger was restored", sentence(st.Restored), "Everything is compared anew by itself. Until that is through, deletes wait, and opt-outs count as of unknown age.")
	}
	if last := st.LastRun; last != nil && (last.State == "INCOMPLETE" || last.State == "FAILED") && st.State != workflows.StateFailed {
		l.add("bad", nil, name+": the last run did not finish", sentence(cmp.Or(last.Reason, st.LastError, "it does not say why")), "Run "+last.Run+".")
	}
	for _, w := range f.Waiting {
		l.add("off", nil, name+" tries again", sentence(w.Sentence(l.now)))
	}
	switch {
	case f.ChangesPending && operator.Stopped(*st):
		l.add("warn", l.does(f.Flow, "start"), "Saved edits of "+name+" are not running yet", "The next start applies them.")
	case f.ChangesPending:
		l.add("warn", l.does(f.Flow, "restart"), "Saved edits of "+name+" are not running yet", "What runs is what was saved before. Stop and start to apply them.")
	}
	if f.Removed {
		l.add("bad", l.does(f.Flow, "stop"), name+" goes on, though its mapping was removed", "It is not in the configuration any more. Stop it, or put the mapping back.")
	}
}

// data adds what became of records.
func (l *list) data(f operator.FlowReport, name string, st *workflows.Status) {
	for _, a := range st.Approvals {
		why := "That is more than a run may delete unasked."
		if a.Short != nil {
			why = fmt.Sprintf("The list of a load showed %s, and Dynamics said that there are about %s. Look whether the application user may read all of them.", phrase.Count(a.Short.Listed, "record"), humanize.Comma(a.Short.Expected))
		}
		l.deletes("approve", "Review deletes", name+": "+phrase.Count(a.Deletes, "delete")+" wait for your approval", a.Run, why+" All other changes of the run are written.")
		l.deletes("reject", "Reject deletes", name+": or keep these records", a.Run, "Rejected deletes are not made. The records stay in Campaign.")
	}
	for _, text := range st.Warnings {
		about := "the data model has changed since the last start"
		if st.Events != nil || st.OptOut != nil {
			about = "worth a look"
		}
		a := l.add("warn", nil, name+": "+about, sentence(text))
		if text == activities.TypologyWarning {
			a.Look = &link{URL: optOutsURL(l.instance.Config.Instance), Label: "Say that you have"}
		}
	}
	for _, text := range st.ModelChanges {
		l.add("warn", l.does(f.Flow, "restart"), name+": the data model has changed while it runs", sentence(text), "The next start takes it up.")
	}
	if st.Strays > 0 {
		l.add("warn", nil, name+": "+phrase.Count(st.Strays, "record")+" in Campaign that nobody here knows", "The last audit found them. Whoever runs the command line can list them, and delete those that do not belong there.")
	}
	if left := st.Erased; left != nil {
		l.add("off", nil, name+": "+phrase.Count(left.Count, "record")+" stay deleted", "Somebody deleted them in Campaign. They are not created again when they change in Dynamics, because it may have been a person's wish. The setting erased of the mapping brings them back.")
	}
	if back := st.Returned; back != nil {
		l.add("warn", nil, name+": "+phrase.Count(back.Count, "record")+" came back", "Somebody had deleted them in Campaign, and Dynamics changed them since. They came back with the opt-outs that are known.")
	}
	if f.Growth > 0 && f.RefusedLately >= f.Growth {
		l.add("warn", nil, name+": "+phrase.Count(f.RefusedLately, "record")+" were refused within the last hour", "A mapping or a rule of the other system may be the cause. The reasons are in the quarantine.").Look = &link{
			URL: quarantineURL(l.instance.Config.Instance) + "?" + url.Values{"table": {f.Flow}}.Encode(), Label: "See reasons",
		}
	}
	if st.Quarantined > 0 {
		then := "Each is set aside with its reason; the rest goes on. They are tried again when the flow is stopped and started after a change of its mapping."
		switch {
		case st.Events != nil:
			then = "Each is set aside with its reason; the rest goes on. When the cause is mended, events are read again."
		case st.OptOut != nil:
			then = "They are tried again by themselves."
		}
		l.add("off", nil, name+": "+phrase.Count(st.Quarantined, "record")+" in quarantine", then).Look = &link{
			URL: quarantineURL(l.instance.Config.Instance) + "?" + url.Values{"table": {f.Flow}}.Encode(), Label: "See records",
		}
	}
}

// deletes adds a decision about the deletes of a run.
func (l *list) deletes(decision, label, title, run, text string) {
	l.add("warn", &action{ID: decision + "-" + run, Label: label, Icon: "warn", Asks: true, Title: label + " of run " + run,
		URL: home(l.instance.Config.Instance) + "runs/" + url.PathEscape(run) + "/" + decision}, title, text).about = deletesWait
}

func (l *list) events(f operator.FlowReport, name string, st *workflows.Status) {
	lag := f.Journal(l.now)
	if lag != nil && lag.Level == operator.Caution {
		a := l.add("warn", nil, name+": events wait", "The journal forgets events after 7 days. Those of then are forgotten in "+phrase.Span(lag.Left)+".")
		a.Since, a.Look = lag.Handled, &link{URL: eventsURL(l.instance.Config.Instance), Label: "See events"}
	}
	if st.Events.Lagging || lag != nil && lag.Level == operator.Alarm {
		act, then := (*action)(nil), "Events wait since then."
		switch {
		case operator.Stopped(*st):
			act, then = l.does(f.Flow, "start"), "Start it."
		case st.State == workflows.StatePaused:
			act, then = l.does(f.Flow, "resume"), "Resume it."
		}
		l.add("bad", act, name+": events may be lost", "Nothing was handled for a long time, and the journal forgets events after 7 days. "+then).Since = st.Watermark
	}
	for _, lost := range st.Events.Lost {
		l.add("bad", nil, name+": events were lost", sentence(lost.Sentence()))
	}
	for _, file := range st.Events.BadFiles {
		l.add("bad", nil, name+": a file was left alone", sentence(file))
	}
}

func (l *list) optOuts(f operator.FlowReport, name string, st *workflows.Status) {
	if late := l.now.Sub(f.CarriedUpTo); !f.CarriedUpTo.IsZero() && f.Deadline > 0 && late > f.Deadline {
		l.add("bad", nil, name+": choices are late", "Choices are not carried over, or a system refuses one. The deadline is "+phrase.Span(f.Deadline)+": people may be contacted against their will.").Since = f.CarriedUpTo
	}
	if x := st.OptOut.Export; x != nil && x.Alarm != "" {
		l.add("bad", nil, name+": the export needs a look", sentence(x.Alarm)).Since = x.Looked
	}
	for _, file := range st.OptOut.BadFiles {
		l.add("bad", nil, name+": an export cannot be used", sentence(file), "Nothing of it was taken.")
	}
	if st.OptOut.Waiting > 0 {
		l.add("off", nil, name+": "+phrase.Count(st.OptOut.Waiting, "choice")+" wait for a profile", "They are written as soon as there is one.")
	}
}
