package operator

import (
	"cmp"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// Level says how much a Note matters.
type Level int

const (
	Hint    Level = iota // what may be done, or goes on by itself
	Caution              // what deserves a look
	Alarm                // what somebody has to act on
)

// Note is a sentence that a flow needs beyond its figures, with what to do.
type Note struct {
	Level Level
	Text  string
}

// noted is a note, and the cause that somebody may be told of for it; "" is none.
type noted struct {
	Note
	cause string
}

type notes []noted

func (n *notes) add(level Level, format string, args ...any) { n.because("", level, format, args...) }

func (n *notes) because(cause string, level Level, format string, args ...any) {
	*n = append(*n, noted{Note{level, fmt.Sprintf(format, args...)}, cause})
}

// plain are the notes without their causes.
func (n notes) plain() (out []Note) {
	for _, one := range n {
		out = append(out, one.Note)
	}
	return out
}

// Notes are those of a flow, what matters most of its state first.
func (r FlowReport) Notes(now time.Time) []Note { return r.notes(now).plain() }

func (r FlowReport) notes(now time.Time) notes {
	var n notes
	if r.Problem != "" {
		n.because(r.problemCause(), Alarm, "%s", r.Problem)
	}
	st := r.Status
	if st == nil {
		if !r.Known {
			n.add(Hint, "run: causeway start %s", r.Flow)
		}
		return n
	}
	n.state(r.Flow, st, now)
	if r.Stuck != nil {
		n.because(config.CauseFlowStuck, Alarm, "%s", r.Stuck.Sentence(now, st.Run))
	}
	parked := st.Parked // those that wait for approval are told of apart: they do not go on by themselves
	for _, a := range st.Approvals {
		parked -= a.Deletes
		n.because(config.CauseDeletesWait, Alarm, "%s", deletesWait(a))
	}
	for _, w := range r.Waiting {
		n.add(Caution, "waiting: %s", w.Sentence(now))
	}
	switch {
	case r.ChangesPending && Stopped(*st):
		n.add(Caution, "changes pending: the mapping on file differs from the last one run; the next start applies it")
	case r.ChangesPending:
		n.add(Caution, "changes pending: stop and start to apply")
	}
	if r.Removed {
		n.add(Alarm, "its mapping is not in the configuration file any more, and it goes on as it was started; to end it: causeway stop %s", r.Flow)
	}
	for _, warning := range st.Warnings {
		if st.Events == nil && st.OptOut == nil {
			warning = "changed since the last start: " + warning
		}
		n.add(Caution, "%s", warning)
	}
	for _, change := range st.ModelChanges {
		n.because(config.CauseModelChanged, Caution, "changed while it runs: %s; the next start takes it up", change)
	}
	n.events(r, now)
	n.optOut(st, now)
	if late := now.Sub(r.CarriedUpTo); !r.CarriedUpTo.IsZero() && r.Deadline > 0 && late > r.Deadline {
		n.because(config.CauseOptOutsBehind, Alarm, "choices about opt-outs since %s are not carried over, or a system refuses one of then, and the deadline is %s (opt_out.deadline): people may be contacted against their will; causeway quarantine list optout",
			phrase.Moment(now, r.CarriedUpTo), r.Deadline)
	}
	if st.Strays > 0 {
		n.add(Caution, "%s in Campaign that the last audit found are not known here; those that do not belong there are listed, and deleted if you say so, by: causeway audit %s --repair --strays",
			phrase.Count(st.Strays, "record"), r.Flow)
	}
	if left := st.Erased; left != nil {
		back := "to bring them back: erased: restore in the mapping"
		if !left.ForGood {
			back += ", or causeway backfill " + r.Flow
		}
		n.add(Hint, "%s that somebody deleted in Campaign, and that stay deleted, whatever changes in Dynamics; %s", phrase.Count(left.Count, "record"), back)
	}
	if back := st.Returned; back != nil {
		n.add(Caution, "%s that somebody had deleted in Campaign came back, with the opt-outs that are known, because Dynamics changed; the last was %s; erased: leave in the mapping leaves them deleted",
			phrase.Count(back.Count, "record"), back.Last)
	}
	if parked > 0 {
		n.add(Hint, "%s parked: what waits for a parent, or for children to go, goes on by itself; causeway explain %s <id>", phrase.Count(parked, "record"), r.Flow)
	}
	if r.Growth > 0 && r.RefusedLately >= r.Growth {
		n.because(config.CauseQuarantine, Caution, "%s refused within the last hour; by reason: causeway quarantine list --table %s", phrase.Count(r.RefusedLately, "record"), r.Flow)
	}
	if st.Quarantined > 0 {
		n.quarantine(r.Flow, st)
	}
	return n
}

func (n *notes) state(flow string, st *workflows.Status, now time.Time) {
	switch st.State {
	case workflows.StateFailed:
		n.because(config.CauseFlowFailed, Alarm, "%s", phrase.OneLine(cmp.Or(st.Reason, st.LastError, "failed")))
		if at := st.RetryAt; !at.IsZero() {
			n.add(Hint, "tries again by itself at %s (%s); not to wait for it: causeway start %s; to end that: causeway stop %s", phrase.Clock(now, at), phrase.Until(now, at), flow, flow)
			break
		}
		n.add(Hint, "when that is put right: causeway start %s", flow)
	case workflows.StatePaused:
		n.add(Caution, "paused since %s: %s", phrase.Moment(now, st.Since), phrase.OneLine(st.Reason))
		n.add(Hint, "to go on: causeway resume %s", flow)
	case workflows.StateStopped:
		n.add(Hint, "to go on: causeway start %s", flow)
	}
	if st.Restored != "" {
		n.because(config.CauseLedgerRestored, Alarm, "%s; the flow compares everything anew by itself, and until that is through deletes wait and opt-outs count as of unknown age", phrase.OneLine(st.Restored))
	}
	if last := st.LastRun; last != nil && (last.State == "INCOMPLETE" || last.State == "FAILED") && st.State != workflows.StateFailed {
		why := phrase.OneLine(cmp.Or(last.Reason, st.LastError, "it does not say why"))
		n.because(config.CauseRunFailed, Alarm, "the last run %s is %s: %s; more: causeway runs show %s", last.Run, last.State, why, last.Run)
	}
}

func (n *notes) events(r FlowReport, now time.Time) {
	st := r.Status
	if st.Events == nil {
		return
	}
	lag := r.Journal(now)
	if lag != nil && lag.Level == Caution {
		n.because(config.CauseEventsBehind, Caution, "nothing was handled since %s, and the journal forgets events after 7 days: those of then in %s", phrase.Moment(now, lag.Handled), phrase.Span(lag.Left))
	}
	if st.Events.Lagging || lag != nil && lag.Level == Alarm {
		what := "events wait since then; find out why with: causeway status egress"
		switch {
		case Stopped(*st):
			what = "start it: causeway start egress"
		case st.State == workflows.StatePaused:
			what = "resume it: causeway resume egress"
		}
		n.because(config.CauseEventsAtRisk, Alarm, "nothing was handled since %s, and the journal forgets events after 7 days; %s", phrase.Moment(now, st.Watermark), what)
	}
	for _, l := range st.Events.Lost {
		n.because(config.CauseEventsLost, Alarm, "%s", l.Sentence())
	}
	for _, f := range st.Events.BadFiles {
		n.because(config.CauseBadFile, Alarm, "a file was left alone: %s", phrase.OneLine(f))
	}
}

func (n *notes) optOut(st *workflows.Status, now time.Time) {
	o := st.OptOut
	if o == nil {
		return
	}
	if x := o.Export; x != nil && x.Alarm != "" {
		n.because(config.CauseOptOutExport, Alarm, "%s (looked at %s)", phrase.OneLine(x.Alarm), phrase.Moment(now, x.Looked))
	}
	for _, f := range o.BadFiles {
		n.because(config.CauseBadFile, Alarm, "an export cannot be used, nothing of it was taken: %s", phrase.OneLine(f))
	}
	if o.Waiting > 0 {
		n.add(Hint, "%s of contacts without a profile: written as soon as there is one", phrase.Count(o.Waiting, "opt-out"))
	}
}

func (n *notes) quarantine(flow string, st *workflows.Status) {
	noun, then := "record", "when the mapping is mended, stop and start try them again, else: causeway quarantine release "+flow+" --all"
	switch {
	case st.Events != nil:
		noun, then = "event", "when the cause is mended, read them again: causeway events backfill"
	case st.OptOut != nil:
		then = "refused contacts are tried again by themselves"
	}
	n.add(Hint, "%s in quarantine: causeway quarantine list --table %s; %s", phrase.Count(st.Quarantined, noun), flow, then)
}

// deletesWait says why the deletes of a run wait, and what to type.
func deletesWait(a activities.Approval) string {
	why := "more than a run may make unasked"
	switch {
	case a.Short != nil:
		why = fmt.Sprintf("because the baseline was shown %s, and Dynamics said that there are about %s; look whether the application user may read all of them",
			phrase.Count(a.Short.Listed, "record"), humanize.Comma(a.Short.Expected))
	case a.Before > 0:
		why = fmt.Sprintf("more than may be made unasked with the %s of earlier runs", humanize.Comma(a.Before))
	}
	return fmt.Sprintf("%s of run %s wait for approval, %s: causeway approve %s, or causeway reject %s", phrase.Count(a.Deletes, "delete"), a.Run, why, a.Run, a.Run)
}
