package run_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"causeway.dev/activities/run"
)

// A panic outside of the lanes ends in Temporal's histories: without what it was about.
func TestAPanicOfAnActivityTellsNoValues(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&run.Panics{Logger: slog.New(slog.NewTextHandler(&log, nil))}}})
	env.RegisterActivityWithOptions(func(context.Context) error { panic("a value: Xanthippe") }, activity.RegisterOptions{Name: "Fails"})
	_, err := env.ExecuteActivity("Fails")
	require.ErrorContains(t, err, "the program failed (string)")
	require.NotContains(t, err.Error(), "Xanthippe")
	require.NotContains(t, log.String(), "Xanthippe")
	require.Contains(t, log.String(), "panics_test.go")
}
