package operator

import (
	"time"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/phrase"
)

// causeTexts say what a cause is and what to do, in words of ours alone: whoever runs the
// webhook must not get what a service answered, or what a record holds.
var causeTexts = map[string]string{
	config.CauseFlowFailed:     "FAILED. Why, and when it tries again by itself: causeway status",
	config.CauseFlowStuck:      "stands still: the workflow code of a worker does not fit its history, or fails. Where: causeway runs verify",
	config.CauseFlowEnded:      "was ended from outside, so nothing flows. Go on with: causeway start",
	config.CauseRunFailed:      "the last run did not finish. Why: causeway status",
	config.CauseDeletesWait:    "deletes wait for somebody. Which, and what to type: causeway status",
	config.CauseQuarantine:     "many records were refused within an hour. Why: causeway quarantine list --table",
	config.CauseOptOutsBehind:  "what people chose is not carried over in time; they may be contacted against their will. More: causeway status",
	config.CauseOptOutExport:   "the Campaign workflow that exports opt-outs needs a look; opt-outs may be missed until it runs. More: causeway status",
	config.CauseBadFile:        "an exported file cannot be read and was left alone. Which: causeway status",
	config.CauseEventsBehind:   "e-mail events wait; the journal forgets them after 7 days. More: causeway status",
	config.CauseEventsAtRisk:   "e-mail events are about to be lost: the journal forgets them after 7 days. More: causeway status",
	config.CauseEventsLost:     "e-mail events may be missing. Which, and how to load them: causeway status",
	config.CauseLedgerRestored: "the ledger was restored, and is not compared with both systems yet; deletes wait. How far that is: causeway status",
	config.CauseModelChanged:   "fields that it uses were changed in Dynamics or Campaign; the next start takes them up. Which: causeway status",
	config.CauseErasureWaits:   "somebody who asked to be forgotten is not, for a day or longer. What it waits for: causeway status",
	config.CauseCredential:     "a certificate ends soon, or has ended. Which: causeway status",
	config.CauseRekeyStuck:     "sealing the ledger anew does not go on. Keep the older key. More: causeway status",
	config.CauseDoctor:         "the doctor found what is wrong outside. What, and what to do: causeway doctor",
	config.CauseOddAnswers:     "a service answers as nobody expects. Flows fail when it lasts, and go on by themselves when it ends. Which: causeway status",
	config.CauseBackup:         "the ledger is not backed up as it should be. Why: causeway status",
	config.CauseLogExport:      "logs cannot be written to the file server of Campaign; flows go on. Why: causeway status",
}

// Causes are what somebody should be told of, by the rule by which status tells it.
func (r Report) Causes(now time.Time) activities.CausesNow {
	var out activities.CausesNow
	add := func(flow string, all notes) {
		for _, n := range all {
			c := activities.Cause{Name: n.cause, Flow: flow, Critical: n.Level == Alarm, Text: causeTexts[n.cause]}
			if n.cause == "" {
				continue
			}
			if flow != "" {
				c.Text += " " + flow
			}
			known := false
			for i := range out.Causes {
				if out.Causes[i].Is(c) {
					known = true
					out.Causes[i].Critical = out.Causes[i].Critical || c.Critical
				}
			}
			if !known {
				out.Causes = append(out.Causes, c)
			}
		}
	}
	for _, f := range r.Flows {
		add(f.Flow, f.notes(now))
		if f.Answered {
			out.Known = append(out.Known, f.Flow)
		}
	}
	add("", r.notes(now))
	if r.Meter != nil {
		out.Known = append(out.Known, "")
	}
	return out
}

// problemCause is the cause of a flow that has no status.
func (r FlowReport) problemCause() string {
	switch {
	case r.Stuck != nil:
		return config.CauseFlowStuck
	case r.Recorded != nil && !r.Recorded.Running:
		return config.CauseFlowEnded
	}
	return "" // no worker answers: none would tell it
}

// notify says that nobody can be told.
func (n *notes) notify(s *activities.NotifyState, now time.Time) {
	if s != nil && s.Problem != "" {
		n.add(Alarm, "notify.webhook did not take a message %s: %s; it is tried again; try it with: causeway notify test", phrase.Moment(now, s.At), s.Problem)
	}
}
