package commands

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func explainEvent(ctx context.Context, e *env, id string, live bool) error {
	var kept time.Duration
	return judge(ctx, e, func(i *operator.Instance) (activities.ExplainEventResult, error) {
		kept = i.Config.Retention.Events
		return i.ExplainEvent(ctx, id, live)
	}, func(e *env, r activities.ExplainEventResult) {
		if len(r.Events) == 0 {
			e.say("causeway: no run has met an event %s in the last %s (retention.events)", strings.TrimSpace(id), phrase.Span(kept))
		}
		writeEvents(e, r)
	}, func(r activities.ExplainEventResult) int { return failedIf(len(r.Events) == 0) })
}

func writeEvents(e *env, r activities.ExplainEventResult) {
	now := e.now()
	for i, ev := range r.Events {
		if i > 0 {
			fmt.Fprintln(e.out)
		}
		var f facts
		f.add("Event", ev.Key)
		f.add("Type", ev.Type)
		if !ev.Time.IsZero() {
			f.add("Happened", phrase.Moment(now, ev.Time))
		}
		f.add("Contact", ev.Contact)
		f.add("State", eventOutcome(ev.Outcome)+": "+ev.Meaning)
		f.add("Run", ev.Run+", settled "+phrase.Moment(now, ev.At))
		f.add("Activity", ev.Activity)
		if ev.Again > 0 {
			f.add("Came again", fmt.Sprintf("%s, last in run %s, %s", phrase.Count(ev.Again, "time"), ev.AgainRun, phrase.Age(now, ev.AgainAt)))
		}
		if q := ev.Quarantine; q != nil {
			f.add("Refused", fmt.Sprintf("%s %s: %s", q.Code, cmp.Or(q.Field, "(no field named)"), phrase.OneLine(q.Message)))
			f.add("", fmt.Sprintf("%s, first %s, last %s", phrase.Count(int64(q.Attempts), "attempt"), phrase.Moment(now, q.FirstSeen), phrase.Moment(now, q.LastSeen)))
		}
		if ev.InDynamics != nil {
			f.add("In Dynamics now", map[bool]string{true: "there", false: "not there"}[*ev.InDynamics])
		}
		writeFacts(e.out, e.colours(), f)
	}
}

// eventOutcome is an outcome as people read it.
func eventOutcome(outcome string) string { return strings.ReplaceAll(outcome, "_", " ") }
