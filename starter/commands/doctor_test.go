package commands

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

func examined(checks ...activities.Check) activities.DoctorResult {
	return activities.DoctorResult{At: noon, Checks: checks, Requests: map[string]int{"acme.crm4.dynamics.com": 31, "mc.adobe.io": 5}, EngineCalls: 3}
}

var (
	tracked   = activities.Check{Area: activities.AreaDynamics, What: "table contact: change tracking", State: activities.CheckOK, Found: "on", TookMS: 1}
	untracked = activities.Check{Area: activities.AreaDynamics, What: "table contact: change tracking", State: activities.CheckFail, Found: "off", Wanted: "on",
		Remedy: "in the properties of the table contact in Power Apps, switch Track changes on, save and publish"}
	unkeyed = activities.Check{Area: activities.AreaLedger, What: "encryption key", State: activities.CheckWarn, Found: "no key: what can hold a value of a person lies in clear", Wanted: "a key",
		Remedy: "set ledger.encryption_key and restart the worker"}
	unmade = activities.Check{Area: activities.AreaModels, What: "mapping contacts", State: activities.CheckSkipped, Found: "because of dynamics: table contact"}
)

func TestDoctor(t *testing.T) {
	t.Parallel()
	healthy := func(checks ...activities.Check) *world {
		w := newWorld()
		w.Seen = noon.Add(-4 * time.Second)
		w.on("Run "+activities.Doctor, examined(checks...))
		return w
	}
	t.Run("all is well", func(t *testing.T) {
		w := healthy(tracked)
		code, out, stderr := w.run(t, "doctor")
		require.Zero(t, code, stderr)
		golden(t, "doctor.txt", out)
	})
	t.Run("something fails, and the table fits 80 columns", func(t *testing.T) {
		w := healthy(unkeyed, untracked, unmade)
		code, out, _ := w.run(t, "doctor")
		require.Equal(t, exitFailed, code)
		golden(t, "doctor-fails.txt", out)
		for line := range strings.Lines(out) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
		}
	})
	t.Run("a warning is no failure", func(t *testing.T) {
		code, _, _ := healthy(unkeyed).run(t, "doctor")
		require.Zero(t, code)
	})
	t.Run("for programs", func(t *testing.T) {
		code, out, _ := healthy(untracked).run(t, "doctor", "-o", "json")
		require.Equal(t, exitFailed, code)
		var got operator.DoctorReport
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		require.Contains(t, got.Checks, untracked)
		require.Equal(t, 3, got.EngineCalls)
	})
	t.Run("no worker", func(t *testing.T) {
		w := newWorld()
		w.on("Run "+activities.Doctor, operator.ErrNoWorker)
		code, out, _ := w.run(t, "doctor")
		require.Equal(t, exitUnreachable, code)
		require.Contains(t, out, "start one: worker --config")
		require.Contains(t, out, "search attributes")
	})
	t.Run("no Temporal", func(t *testing.T) {
		w := newWorld()
		w.dialErr = unreachable("no Temporal server answers at nowhere:7233")
		code, _, _ := w.run(t, "doctor")
		require.Equal(t, exitUnreachable, code)
	})
	t.Run("a configuration that cannot be used", func(t *testing.T) {
		code, _, _ := newWorld().run(t, "doctor", "-c", "testdata/broken.yaml")
		require.Equal(t, exitBadInput, code)
	})
	t.Run("no namespace", func(t *testing.T) {
		w := healthy(tracked)
		w.Kept = 0
		code, out, _ := w.run(t, "doctor", "--area", "temporal")
		require.Equal(t, exitFailed, code)
		require.Contains(t, out, "run: causeway setup")
		require.NotContains(t, w.Asked, "Run "+activities.Doctor)
	})
	t.Run("missing search attributes", func(t *testing.T) {
		w := healthy(tracked)
		w.Attributes = nil
		code, out, _ := w.run(t, "doctor", "--area", "temporal")
		require.Equal(t, exitFailed, code)
		require.Contains(t, out, "run: causeway setup")
	})
	t.Run("short retention", func(t *testing.T) {
		w := healthy(tracked)
		w.Kept = 24 * time.Hour
		code, out, _ := w.run(t, "doctor", "--area", "temporal")
		require.Zero(t, code)
		require.Contains(t, out, "--retention 30d")
	})
	t.Run("one area", func(t *testing.T) {
		w := healthy(tracked)
		code, out, _ := w.run(t, "doctor", "--area", "dynamics")
		require.Zero(t, code)
		require.NotContains(t, out, "search attributes")
		require.Equal(t, []string{"dynamics"}, w.Requests["Run "+activities.Doctor][0].(activities.DoctorInput).Areas)
	})
	t.Run("no such area", func(t *testing.T) {
		code, _, stderr := newWorld().run(t, "doctor", "--area", "moon")
		require.Equal(t, exitBadInput, code)
		require.Contains(t, stderr, "--area: got \"moon\", want config, temporal")
	})
}

// What failed the last time is in the status until it is looked at again.
func TestStatusTellsWhatTheDoctorFound(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Query "+contactsFlow+" Status", contacts(nil))
	found := examined(unkeyed, untracked)
	w.on("Run "+activities.Meter, activities.MeterResult{Doctor: &found})
	_, out, _ := w.run(t, "status", "contacts")
	require.Contains(t, out, "the doctor found dynamics: table contact: change tracking: off")
	require.Contains(t, out, "switch Track changes on")
	require.NotContains(t, out, "ledger.encryption_key and restart")
}
