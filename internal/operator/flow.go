package operator

import (
	"context"
	"errors"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// questionTimeout bounds a query. A worker answers it at once or not at all.
const questionTimeout = 10 * time.Second

// flow is one flow of an instance, by the name that operators have for it.
type flow struct {
	*Instance
	name string
	id   workflows.FlowID
}

// flow is the flow of a name. A table that is missing from the configuration may still
// run, because its mapping came with its start; Temporal knows whether it does.
func (i *Instance) flow(name string) *flow {
	return &flow{Instance: i, name: name, id: workflows.FlowNamed(i.Config.Instance, name)}
}

// owner is the id of the workflow that owns the flow.
func (f *flow) owner() string { return f.id.WorkflowID() }

// configured says whether the configuration has the flow, and with which revision.
func (f *flow) configured() (revision string, ok bool) {
	switch {
	case f.id.IsEvents():
		s := f.Config.Egress.Settings()
		return s.Revision(), s.Enabled()
	case f.id.IsOptOut():
		s := f.Config.OptOutSettings()
		return s.Revision(), s.WhyIdle() == ""
	}
	table, ok := f.Config.Ingress.Tables[f.name]
	if !ok {
		return "", false
	}
	return table.Revision(), true
}

// notConfigured explains a flow that the configuration does not have.
func (f *flow) notConfigured() error {
	switch {
	case f.id.IsEvents():
		return badInput("egress has no type of event switched on; set egress.sends, opens, clicks or bounces to true in %s", f.File)
	case f.id.IsOptOut():
		return badInput("there is no flow of opt-outs in %s: %s", f.File, f.Config.OptOutSettings().WhyIdle())
	}
	return f.unknownTable(f.name)
}

// unknownTable fails with the mappings that there are.
func (i *Instance) unknownTable(name string) error {
	has := "has none"
	if names := i.Tables(); len(names) > 0 {
		has = "has " + strings.Join(names, ", ")
	}
	return badInput("there is no table mapping %q; %s %s", name, i.File, has)
}

// update sends an update to the owner; answer is a pointer.
func (f *flow) update(ctx context.Context, name string, request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	stop := f.sayWhileWaiting(ctx, f.Timeout)
	err := f.temporal.Update(ctx, f.owner(), name, request, answer)
	stop()
	return f.explain(ctx, err)
}

// updateStatus sends an update that answers a Status.
func (f *flow) updateStatus(ctx context.Context, name string, request any) (st workflows.Status, err error) {
	err = f.update(ctx, name, request, &st)
	return st, err
}

// explain says what a missing flow or worker means for an operator.
func (f *flow) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, ErrNoWorker):
		if d, err := f.describe(context.WithoutCancel(ctx), f.owner()); err == nil && d.Stuck != nil {
			return noWorker("%s (%s)", d.Stuck.Sentence(f.Now(), f.name), requestStands)
		}
		return f.whoDidNotAnswer(ctx, " for "+f.name, requestStands, f.Timeout)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	if _, ok := f.configured(); !ok {
		return f.notConfigured()
	}
	if d, err := f.temporal.Describe(ctx, f.owner()); err == nil && !d.Running {
		return notStarted("the workflow of %s has ended (%s); run: causeway start %s", f.name, d.Ended, f.name)
	}
	return notStarted("%s was never started; run: causeway start %s", f.name, f.name)
}

// status asks the owner for its status, and the present run for its progress.
func (f *flow) status(ctx context.Context) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, min(f.Timeout, questionTimeout))
	defer cancel()
	var st workflows.Status
	if err := f.temporal.Query(ctx, f.owner(), workflows.QueryStatus, &st); err != nil {
		return st, err
	}
	if st.RunWorkflow != "" {
		var p workflows.Progress
		// A run that ended in between, or is just beginning, has none to tell.
		if err := f.temporal.Query(ctx, st.RunWorkflow, workflows.QueryProgress, &p); err == nil {
			st.Progress = &p
			f.heartbeats(ctx, st.RunWorkflow, &p)
		}
	}
	return st, nil
}

// heartbeats adds what running activities say of their progress: the ids that are read
// before a baseline, and the records of lanes that are not finished. The workflow learns
// of both only at their end.
func (f *flow) heartbeats(ctx context.Context, workflowID string, p *workflows.Progress) {
	d, err := f.temporal.Describe(ctx, workflowID)
	if err != nil {
		return // like the progress itself it is left out when it cannot be had
	}
	for _, a := range d.Pending {
		if p.Phase == activities.PhaseBaseline && p.Pages == 0 {
			p.IDs = max(p.IDs, a.IDs)
		}
		p.Counts.Add(a.Lane)
		p.Backlog = max(0, p.Backlog-a.Lane.Settled())
	}
}

// describe asks only the server, which answers at once or not at all.
func (i *Instance) describe(ctx context.Context, workflowID string) (*Description, error) {
	ctx, cancel := context.WithTimeout(ctx, min(i.Timeout, questionTimeout))
	defer cancel()
	return i.temporal.Describe(ctx, workflowID)
}
