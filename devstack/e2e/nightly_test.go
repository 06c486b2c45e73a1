package e2e

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
	"causeway.dev/internal/access/accesstest"
	"causeway.dev/workflows"
)

// A worker makes the schedule of doctor.nightly. What a night finds is in the status until
// the next finds it mended, also where people sign in and nobody is there to ask. The
// schedule goes with its setting.
func TestTheDoctorLooksEveryNight(t *testing.T) {
	t.Parallel()
	const nightly = "doctor:\n  nightly: \"03:30\"\n"
	w := newWorld(t, worldOptions{contacts: 20, yaml: func(s string) string { return s + nightly }})
	issuer := accesstest.New(t)
	w.signIn(issuer, "rollback")
	worker := w.startWorker()
	ctx := t.Context()
	schedule := w.client.ScheduleClient().GetHandle(ctx, workflows.CheckupID(w.cfg.Instance))
	require.Eventually(t, func() bool {
		kept, err := schedule.Describe(ctx)
		if err != nil || len(kept.Info.NextActionTimes) == 0 {
			return false
		}
		next := kept.Info.NextActionTimes[0].UTC()
		return next.Format("15:04") == "03:30" && next.After(time.Now())
	}, settleWithin, 200*time.Millisecond, "the schedule is made; worker log:\n%s", w.tail())

	viewer := w.as(issuer.Token("vera", "Vera", []string{"v"}, nil))
	tracking := func(c activities.Check) bool {
		return c.State == activities.CheckFail && c.What == "table contact: change tracking"
	}
	night := func(wrong bool) {
		t.Helper()
		w.boxes.Dynamics.SetTracking("contacts", !wrong)
		began := time.Now().UTC()
		require.NoError(t, schedule.Trigger(ctx, client.ScheduleTriggerOptions{}))
		if !assert.Eventually(t, func() bool {
			report, err := viewer.Status(ctx, "")
			if err != nil {
				return false
			}
			report.WithMeter(viewer.Meter(ctx))
			found := report.Doctor
			if found == nil || found.At.Before(began.Add(-time.Second)) {
				return false
			}
			told := false
			for _, note := range report.Notes(time.Now()) {
				told = told || strings.Contains(note.Text, "the doctor found dynamics: table contact: change tracking")
			}
			return slices.ContainsFunc(found.Checks, tracking) == wrong && told == wrong
		}, settleWithin, 200*time.Millisecond) {
			report, err := viewer.Status(ctx, "")
			report.WithMeter(viewer.Meter(ctx))
			require.FailNow(t, "the status tells what the night found", "wrong: %t\n%+v %v\nworker log:\n%s", wrong, report, err, w.tail())
		}
	}
	night(true)
	night(false)
	w.replay(map[string][]string{workflows.TypeCheckup: {"checkup"}})
	w.unscheduled(schedule, nightly, worker)
}

// unscheduled takes a setting away, and waits until its schedule has gone with it.
func (w *world) unscheduled(schedule client.ScheduleHandle, setting string, worker *process) {
	w.t.Helper()
	text, err := os.ReadFile(w.cfgPath)
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(w.cfgPath, []byte(strings.Replace(string(text), setting, "", 1)), 0o600))
	worker.drain()
	w.startWorker()
	require.Eventually(w.t, func() bool {
		_, err := schedule.Describe(w.t.Context())
		_, gone := errors.AsType[*serviceerror.NotFound](err)
		return gone
	}, settleWithin, 200*time.Millisecond, "the schedule goes with its setting; worker log:\n%s", w.tail())
}

// A night compares the tables of doctor.audit. What differs is in the status, until a night finds both systems in step.
func TestTheNightComparesBothSystems(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 20, yaml: func(s string) string { return s + "doctor:\n  nightly: \"03:30\"\n  audit: [contacts]\n" }})
	w.startWorker()
	w.startFlow()
	w.loaded()
	schedule := w.client.ScheduleClient().GetHandle(t.Context(), workflows.CheckupID(w.cfg.Instance))
	nights := 0
	tells := func(wrong bool) {
		t.Helper()
		nights++
		require.NoError(t, schedule.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
		require.Eventually(t, func() bool {
			kept, err := schedule.Describe(t.Context())
			if err != nil || kept.Info.NumActions < nights || len(kept.Info.RunningWorkflows) > 0 {
				return false // until the night is over
			}
			_, out, _ := w.causeway("status")
			return strings.Contains(strings.Join(strings.Fields(out), " "), "the audit of the night found that contacts is not in step: in Campaign 0 changed, 1 missing") == wrong
		}, settleWithin, 200*time.Millisecond, "wrong: %t; worker log:\n%s", wrong, w.tail())
	}
	require.NoError(t, w.boxes.Campaign.Delete("profile", w.ids()[1]))
	tells(true)
	require.True(t, w.audited(w.audit("contacts", true)).Repair)
	w.inStep()
	tells(false)
	w.replay(map[string][]string{workflows.TypeCheckup: {"checkup-audits"}})
}
