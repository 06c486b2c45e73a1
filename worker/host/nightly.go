package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/workflows"
)

// nightlyKeptWithin bounds what a start asks of Temporal about a schedule.
const nightlyKeptWithin = 10 * time.Second

// nightly is a schedule that begins a workflow once a day.
type nightly struct {
	setting string // that names the time
	at      string // "15:04" in UTC; "" is never
	id      string // of the schedule; begins those of its workflows

	workflow, summary string
	args              []any
}

// keep makes the schedule as the configuration has it.
func (n nightly) keep(ctx context.Context, schedules client.ScheduleClient) error {
	ctx, cancel := context.WithTimeout(ctx, nightlyKeptWithin)
	defer cancel()
	handle := schedules.GetHandle(ctx, n.id)
	if n.at == "" {
		err := handle.Delete(ctx)
		if _, none := errors.AsType[*serviceerror.NotFound](err); none {
			return nil
		}
		return err
	}
	when, err := time.Parse("15:04", n.at)
	if err != nil {
		return fmt.Errorf("%s: %w", n.setting, err)
	}
	spec := client.ScheduleSpec{Calendars: []client.ScheduleCalendarSpec{{
		Hour: []client.ScheduleRange{{Start: when.Hour()}}, Minute: []client.ScheduleRange{{Start: when.Minute()}}, Comment: n.setting,
	}}, TimeZoneName: "UTC"}
	action := &client.ScheduleWorkflowAction{ID: n.id, Workflow: n.workflow, Args: n.args, TaskQueue: workflows.QueueMain, StaticSummary: n.summary}
	_, err = schedules.Create(ctx, client.ScheduleOptions{ID: n.id, Spec: spec, Action: action, Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	return handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		changed := in.Description.Schedule
		changed.Spec, changed.Action = &spec, action
		return &client.ScheduleUpdate{Schedule: &changed}, nil
	}})
}
