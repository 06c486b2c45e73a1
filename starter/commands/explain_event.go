package commands

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/internal/phrase"
)

func explainEvent(ctx context.Context, e *env, g *global, id string, live bool) error {
	if id = strings.TrimSpace(id); id == "" || len(id) > 300 || strings.ContainsAny(id, " \t\n") {
		return badInput("id: got %q, want the key of one event, such as tracking/5000, or the id of its log entry", id)
	}
	cfg, api, err := e.connect(ctx, g)
	if err != nil {
		return err
	}
	defer api.Close()
	var r activities.ExplainEventResult
	in := activities.ExplainEventInput{ID: id, Live: live, Settings: cfg.Egress.Settings()}
	if err := ask(ctx, e, g, api, g.timeout, activities.ExplainEvent, in, &r); err != nil {
		return err
	}
	switch {
	case g.json():
		if err := writeJSON(e.out, r); err != nil {
			return err
		}
	case len(r.Events) == 0:
		e.say("causeway: no run has met an event %s in the last %s (egress.keep_events)", id, phrase.Span(cfg.Egress.KeepEvents))
	default:
		writeEvents(e, r)
	}
	if len(r.Events) == 0 {
		return quietly(exitFailed)
	}
	return nil
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
