package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uber-go/tally/v4"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/activities/doctor"
	"causeway.dev/internal/ledger"
	"causeway.dev/workflows"
)

// checkupKeptWithin bounds what a start asks of Temporal about its schedule.
const checkupKeptWithin = 10 * time.Second

// keepCheckup makes the schedule of an instance as doctor.nightly has it; at "" is never.
func keepCheckup(ctx context.Context, schedules client.ScheduleClient, instance, at string) error {
	ctx, cancel := context.WithTimeout(ctx, checkupKeptWithin)
	defer cancel()
	id := workflows.CheckupID(instance)
	handle := schedules.GetHandle(ctx, id)
	if at == "" {
		err := handle.Delete(ctx)
		if _, none := errors.AsType[*serviceerror.NotFound](err); none {
			return nil
		}
		return err
	}
	when, err := time.Parse("15:04", at)
	if err != nil {
		return fmt.Errorf("doctor.nightly: %w", err)
	}
	spec := client.ScheduleSpec{Calendars: []client.ScheduleCalendarSpec{{
		Hour: []client.ScheduleRange{{Start: when.Hour()}}, Minute: []client.ScheduleRange{{Start: when.Minute()}}, Comment: "doctor.nightly",
	}}, TimeZoneName: "UTC"}
	action := &client.ScheduleWorkflowAction{ID: id, Workflow: workflows.TypeCheckup, TaskQueue: workflows.QueueMain, StaticSummary: "checks of the night"}
	_, err = schedules.Create(ctx, client.ScheduleOptions{ID: id, Spec: spec, Action: action, Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	return handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		changed := in.Description.Schedule
		changed.Spec, changed.Action = &spec, action
		return &client.ScheduleUpdate{Schedule: &changed}, nil
	}})
}

// checkupGauges show what the last night found, also on a worker that did not look.
type checkupGauges struct {
	ledger *ledger.Ledger
	scope  tally.Scope
}

func (g *checkupGauges) refresh(ctx context.Context) error {
	last, err := doctor.Last(ctx, g.ledger)
	if err != nil {
		return fmt.Errorf("what the doctor found: %w", err)
	}
	failing := map[string]int{} // while nobody has looked, nothing is known to fail
	if last != nil {
		for _, c := range last.Checks {
			if c.State == activities.CheckFail {
				failing[c.Area]++
			}
		}
	}
	for _, area := range activities.Areas() {
		g.scope.Tagged(map[string]string{"area": area}).Gauge("doctor_checks_failing").Update(float64(failing[area]))
	}
	if last != nil {
		g.scope.Gauge("doctor_last_timestamp_seconds").Update(float64(last.At.Unix()))
	}
	return nil
}
