package commands

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func explainEvent(ctx context.Context, e *env, id string, live bool) error {
	return e.with(ctx, func(i *operator.Instance) error {
		r, err := i.ExplainEvent(ctx, id, live)
		if err != nil {
			return err
		}
		err = e.show(r, func() { writeEvents(e, r) })
		if err == nil && len(r.Events) == 0 {
			if !e.json() {
				e.say("causeway: no run has met an event %s in the last %s (egress.keep_events)", strings.TrimSpace(id), phrase.Span(i.Config.Egress.KeepEvents))
			}
			return quietly(exitFailed)
		}
		return err
	})
}

func writeEvents(e *env, r activities.ExplainEventResult) {
	now := e.now()
	for i, ev := range r.Events {
		if i > 0 {
			fmt.Fprintln(e.out)
		}
		var rows [][]cell
		add := func(label, s string) {
			if s != "" {
				rows = append(rows, []cell{{text: label, code: "1"}, text(s)})
			}
		}
		add("Event", ev.Key)
		add("Type", ev.Type)
		if !ev.Time.IsZero() {
			add("Happened", phrase.Moment(now, ev.Time))
		}
		add("Contact", ev.Contact)
		add("State", eventOutcome(ev.Outcome)+": "+ev.Meaning)
		add("Run", ev.Run+", settled "+phrase.Moment(now, ev.At))
		add("Activity", ev.Activity)
		if ev.Again > 0 {
			add("Came again", fmt.Sprintf("%s, last in run %s, %s", phrase.Count(ev.Again, "time"), ev.AgainRun, phrase.Age(now, ev.AgainAt)))
		}
		if q := ev.Quarantine; q != nil {
			add("Refused", fmt.Sprintf("%s %s: %s", q.Code, cmp.Or(q.Field, "(no field named)"), phrase.OneLine(q.Message)))
			add("", fmt.Sprintf("%s, first %s, last %s", phrase.Count(int64(q.Attempts), "attempt"), phrase.Moment(now, q.FirstSeen), phrase.Moment(now, q.LastSeen)))
		}
		if ev.InDynamics != nil {
			add("In Dynamics now", map[bool]string{true: "there", false: "not there"}[*ev.InDynamics])
		}
		writeTable(e.out, e.colours(), rows)
	}
}
