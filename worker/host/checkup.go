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
	"causeway.dev/config"
	"causeway.dev/internal/ledger"
	"causeway.dev/workflows"
)

// checkupKeptWithin bounds what a start asks of Temporal about a schedule.
const checkupKeptWithin = 10 * time.Second

// daily is what a schedule of Temporal begins every day.
type daily struct {
	id, workflow, summary string
	setting               string // that says when
	at                    string // 15:04, in UTC; "" is never
}

// dailies are those of a configuration.
func dailies(c *config.Config) []daily {
	logs := daily{id: workflows.LogExportID(c.Instance), workflow: workflows.TypeLogExport, summary: "exports logs", setting: "log_export.at"}
	if c.LogExport.Enabled {
		logs.at = c.LogExport.At
	}
	return []daily{{workflows.CheckupID(c.Instance), workflows.TypeCheckup, "checks of the night", "doctor.nightly", c.Doctor.Nightly}, logs}
}

// keep makes the schedule as it is configured, and takes it away where it is not.
func (d daily) keep(ctx context.Context, schedules client.ScheduleClient) error {
	ctx, cancel := context.WithTimeout(ctx, checkupKeptWithin)
	defer cancel()
	handle := schedules.GetHandle(ctx, d.id)
	if d.at == "" {
		err := handle.Delete(ctx)
		if _, none := errors.AsType[*serviceerror.NotFound](err); none {
			return nil
		}
		return err
	}
	when, err := time.Parse("15:04", d.at)
	if err != nil {
		return fmt.Errorf("%s: %w", d.setting, err)
	}
	spec := client.ScheduleSpec{Calendars: []client.ScheduleCalendarSpec{{
		Hour: []client.ScheduleRange{{Start: when.Hour()}}, Minute: []client.ScheduleRange{{Start: when.Minute()}}, Comment: d.setting,
	}}, TimeZoneName: "UTC"}
	action := &client.ScheduleWorkflowAction{ID: d.id, Workflow: d.workflow, TaskQueue: workflows.QueueMain, StaticSummary: d.summary}
	_, err = schedules.Create(ctx, client.ScheduleOptions{ID: d.id, Spec: spec, Action: action, Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP})
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
	if last == nil {
		return nil
	}
	failing := map[string]int{}
	for _, c := range last.Checks {
		if c.State == activities.CheckFail {
			failing[c.Area]++
		}
	}
	for _, area := range activities.Areas() {
		g.scope.Tagged(map[string]string{"area": area}).Gauge("doctor_checks_failing").Update(float64(failing[area]))
	}
	g.scope.Gauge("doctor_last_timestamp_seconds").Update(float64(last.At.Unix()))
	return nil
}
