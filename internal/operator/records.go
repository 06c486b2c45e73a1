package operator

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"causeway.dev/activities"
)

// planWithin bounds a plan of a whole table, which takes as long as Dynamics does.
const planWithin = 12 * time.Hour

// Explain says what is known of one record, by its id in Dynamics. With live it also asks
// both systems for the record.
func (i *Instance) Explain(ctx context.Context, name, id string, live bool) (r activities.ExplainResult, err error) {
	table, err := i.table(name)
	if err != nil {
		return r, err
	}
	in := activities.ExplainInput{Table: table, Live: live}
	if in.ID, err = recordID("id", "record", id); err != nil {
		return r, err
	}
	err = i.ask(ctx, i.Timeout, activities.Explain, in, &r)
	return r, err
}

// ExplainEvent says what became of an event, by its key or the id of its log entry.
func (i *Instance) ExplainEvent(ctx context.Context, id string, live bool) (r activities.ExplainEventResult, err error) {
	if id = strings.TrimSpace(id); id == "" || len(id) > 300 || strings.ContainsAny(id, " \t\n") {
		return r, badInput("id: got %q, want the key of one event, such as tracking/5000, or the id of its log entry", id)
	}
	in := activities.ExplainEventInput{ID: id, Live: live, Settings: i.Config.Egress.Settings()}
	err = i.ask(ctx, i.Timeout, activities.ExplainEvent, in, &r)
	return r, err
}

// Plan predicts what a run over a whole table would do, and does nothing. It fills in the
// table of the input.
func (i *Instance) Plan(ctx context.Context, name string, in activities.PlanInput) (r activities.PlanResult, err error) {
	if in.Table, err = i.table(name); err != nil {
		return r, err
	}
	if err := i.checkWorker(ctx); err != nil {
		return r, err
	}
	i.Say(fmt.Sprintf("reading %s; nothing is written", name))
	err = i.ask(ctx, max(planWithin, i.Timeout), activities.Plan, in, &r)
	return r, err
}

// ProposeMapping pairs the fields of a Dynamics table and a Campaign resource.
func (i *Instance) ProposeMapping(ctx context.Context, in activities.ProposeInput) (r activities.ProposeResult, err error) {
	if in.Name == "" {
		in.Name = in.Table[strings.IndexByte(in.Table, '_')+1:] + "s" // without the publisher's prefix
	}
	err = i.ask(ctx, i.Timeout, activities.ProposeMapping, in, &r)
	return r, err
}

// Log lists who asked for what, the newest last.
func (i *Instance) Log(ctx context.Context, in activities.OperationsInput) (r activities.OperationsResult, err error) {
	err = i.ask(ctx, i.Timeout, activities.ListOperations, in, &r)
	if r.Operations == nil {
		r.Operations = []activities.Operation{}
	}
	return r, err
}

// VerifyLog checks that the audit trail was only ever added to, and that it still has what
// the flows remember of it.
func (i *Instance) VerifyLog(ctx context.Context) (r activities.VerifyLogResult, err error) {
	report, err := i.Status(ctx, "")
	if err != nil {
		return r, err
	}
	in := activities.VerifyLogInput{}
	for _, f := range report.Flows {
		if f.Status != nil && f.Status.LogEnd != nil {
			in.Remembered = append(in.Remembered, activities.RememberedEnd{Flow: f.Flow, LogEnd: *f.Status.LogEnd})
		}
	}
	err = i.ask(ctx, i.Timeout, activities.VerifyLog, in, &r)
	return r, err
}

// recordID is the id of one record in the spelling of the ledger.
func recordID(input, noun, id string) (string, error) {
	if id = strings.TrimSpace(id); uuid.Validate(id) != nil {
		return "", badInput("%s: got %q, want the id of one %s in Dynamics, such as 6f0c1d2e-0000-4000-8000-000000000001", input, id, noun)
	}
	return uuid.MustParse(id).String(), nil
}
