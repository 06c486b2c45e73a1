package support_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/operator/operatortest"
	"causeway.dev/internal/support"
	"causeway.dev/workflows"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// What must never be in a bundle, wherever an instance has it.
const (
	secret    = "sesame-4711"
	person    = "Quillfeather"
	mail      = "ann.quillfeather@example.test"
	recordID  = "6f0c1d2e-1111-4000-8000-000000000001"
	colleague = "grace.hopper"
)

const run = "contacts-20260302T100000.000Z"

func instance(t *testing.T) (*operator.Instance, *operatortest.Temporal) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte(secret), 0o600))
	path := filepath.Join(dir, "causeway.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`instance: acme
dynamics: {url: "https://acme.crm4.dynamics.com", tenant: 0f0e0d0c-1111-2222-3333-444455556666, client_id: abc, client_secret: "file:secret"}
campaign: {url: "https://mc.adobe.io/acme", client_id: 2f2e, client_secret: "file:secret", organization_id: "ABC@AdobeOrg"}
ingress:
  tables:
    contacts:
      dynamics: {table: contact}
      campaign: {resource: profile, key: externalId}
      filter: {where: [{column: lastname, is: equals, value: `+person+`}]}
      fields: [{from: emailaddress1, to: email, replace: {`+mail+`: "other"}}]
`), 0o600))
	c, err := config.Load(path)
	require.NoError(t, err)
	fake := operatortest.New()
	fake.Seen = noon
	fake.On("Query acme/ingress/contacts Status", workflows.Status{Instance: "acme", Table: "contacts", State: workflows.StateFailed, Reason: "Campaign refuses the key", StartedBy: colleague,
		LastError: "could not write " + mail + " (" + recordID + ")", LastRun: &workflows.RunSummary{Run: run, State: "STOPPED", Reason: "ticket of " + person}})
	fake.On("Describe acme/ingress/contacts", operator.Description{Running: true})
	fake.On("Run "+activities.Meter, activities.MeterResult{Doctor: &activities.DoctorResult{At: noon, Checks: []activities.Check{{Area: "sftp", What: "folder", State: activities.CheckFail, Found: "missing", Remedy: "create it"}}}})
	fake.On("Run "+activities.ListRuns, activities.RunListResult{Runs: []activities.RunInfo{{Run: run, Table: "contacts", State: "COMPLETED"}}})
	fake.On("Run "+activities.ShowRun, activities.ShowRunResult{Found: true, Info: activities.RunInfo{Run: run, Flow: "ingress", Table: "contacts", Kind: activities.KindBackfill, State: "INCOMPLETE", Reason: "3 records are missing"},
		NotFound: []string{recordID}, Window: &activities.Window{IDs: []string{recordID}, Where: []mapping.Condition{{Column: "lastname", Is: "equals", Value: person}}},
		Asked: []activities.Operation{{By: colleague, What: "backfill", Reason: person}}})
	fake.Runs = []operator.Execution{{WorkflowID: "acme/ingress/contacts/backfill/" + run, RunID: "one", Type: "Backfill", Status: "Completed", Started: noon}}
	payload := &commonpb.Payloads{Payloads: []*commonpb.Payload{{Data: []byte(`"` + person + mail + `"`)}}}
	fake.Histories = map[string]*historypb.History{"one": {Events: []*historypb.HistoryEvent{
		{EventId: 1, EventTime: timestamppb.New(noon), EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: payload, Identity: colleague}}},
		{EventId: 2, EventTime: timestamppb.New(noon), EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
			ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{ActivityType: &commonpb.ActivityType{Name: "WriteLane"}, Input: payload}}},
	}}}
	i := operator.New(c, fake, operator.Options{File: path, By: colleague, Timeout: time.Second, Now: func() time.Time { return noon }})
	return i, fake
}

func metrics(context.Context, string) ([]byte, error) {
	return []byte("causeway_records_total{table=\"contacts\"} 3\n"), nil
}

// opened are the files of a bundle.
func opened(t *testing.T, data []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	out := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		out[f.Name] = string(text)
	}
	return out
}

func TestABundleSaysWhatIsWrongAndNothingOfPeople(t *testing.T) {
	i, fake := instance(t)
	var out bytes.Buffer
	report, err := support.Write(t.Context(), i, support.Options{Run: run, Reason: "ticket 12", Now: func() time.Time { return noon }, Metrics: metrics}, &out)
	require.NoError(t, err)
	require.Empty(t, report.Missing)
	files := opened(t, out.Bytes())
	for name, want := range map[string][]string{
		"README.txt": {"Left out on purpose"}, "version.json": {`"go"`}, "configuration.yaml": {"https://acme.crm4.dynamics.com", "[set]", "ABC@AdobeOrg", "emailaddress1", "(1 left out)", "lastname"},
		"status.json": {"Campaign refuses the key"}, "failures.txt": {"contacts: failed: Campaign refuses the key", "(address left out)", "(id left out)"},
		"runs.json": {run}, "run.json": {"3 records are missing", "Backfill"}, "doctor.json": {"create it"}, "metrics.txt": {"causeway_records_total"},
		"history.jsonl": {`"event":"WorkflowExecutionStarted"`, `"activity":"WriteLane"`, "2026-03-02T12:00:00Z"}, "missing.txt": {""},
	} {
		require.Contains(t, files, name)
		for _, w := range want {
			require.Contains(t, files[name], w, name)
		}
	}
	require.Len(t, files, len(report.Files))
	for name, text := range files {
		for _, never := range []string{secret, person, "quillfeather", mail, recordID, colleague} {
			require.NotContains(t, text, never, name)
		}
	}
	op := fake.Requests["Later "+activities.LogOperation][0].(activities.LogInput).Operations[0]
	require.Equal(t, activities.OpBundle, op.What)
	require.Equal(t, run, op.Run)
	require.Equal(t, colleague, op.By)
	require.Equal(t, "ticket 12", op.Reason)
}

// One that is not in the operations log is not handed out.
func TestABundleIsLoggedBeforeItIsHandedOut(t *testing.T) {
	i, fake := instance(t)
	fake.Down = &operator.Error{Kind: operator.Unreachable, Text: "Temporal does not answer"}
	var out bytes.Buffer
	_, err := support.Write(t.Context(), i, support.Options{Metrics: metrics}, &out)
	require.ErrorContains(t, err, "does not answer")
	require.Zero(t, out.Len())
}

// What nobody answers for is told, and the rest is there.
func TestABundleWithoutAWorker(t *testing.T) {
	i, fake := instance(t)
	for _, activity := range []string{activities.Meter, activities.ListRuns, activities.ShowRun} {
		fake.On("Run "+activity, operator.ErrNoWorker)
	}
	var out bytes.Buffer
	report, err := support.Write(t.Context(), i, support.Options{Metrics: func(context.Context, string) ([]byte, error) { return nil, errors.New("connection refused") }}, &out)
	require.NoError(t, err)
	require.Len(t, report.Missing, 3)
	files := opened(t, out.Bytes())
	require.Contains(t, files["missing.txt"], "connection refused")
	require.Contains(t, files, "status.json")
	require.NotContains(t, files, "runs.json")
}
