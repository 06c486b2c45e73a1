package campaign_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
)

func TestAWorkflowAsItStands(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		body string
		want campaign.Workflow
	}{
		"running": {`{"PKey":"@x","name":"WKF17","label":"Opt-out export","state":"inProgress","logicalStatus":"started","nextProcessingDate":"2026-03-02 02:00:00.000Z","lastModified":"2026-03-02 02:00:00.000Z"}`,
			campaign.Workflow{ID: "WKF17", Label: "Opt-out export", Status: campaign.WorkflowStarted, Next: at, Modified: at}},
		"failed, told by its state only": {`{"PKey":"@x","state":"erroneous","nextProcessingDate":""}`, campaign.Workflow{ID: "WKF17", Status: campaign.WorkflowError}},
		"in content":                     {`{"content":[{"logicalStatus":"warning"}]}`, campaign.Workflow{ID: "WKF17", Status: campaign.WorkflowWarning}},
		"something new":                  {`{"logicalStatus":"dreaming","nextProcessingDate":"soon"}`, campaign.Workflow{ID: "WKF17"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, answer(200, tt.body))
			got, err := rec.client(t, nil).GetWorkflow(t.Context(), "WKF17")
			require.NoError(t, err)
			require.Equal(t, &tt.want, got)
			require.Equal(t, "/acme/campaign/workflow/execution/WKF17", rec.all()[0].URI)
			require.Equal(t, "key-1", rec.all()[0].Header.Get("X-Api-Key"))
		})
	}
}

func TestCommandsToAWorkflow(t *testing.T) {
	t.Parallel()
	for _, command := range []campaign.WorkflowCommand{campaign.StartWorkflow, campaign.PauseWorkflow, campaign.ResumeWorkflow, campaign.StopWorkflow} {
		rec := record(t, answer(200, ""))
		require.NoError(t, rec.client(t, nil).CommandWorkflow(t.Context(), "WKF 17", command))
		got := rec.all()[0]
		require.Equal(t, "POST", got.Method)
		require.Equal(t, "/acme/campaign/workflow/execution/WKF%2017/commands", got.URI)
		require.Equal(t, `{"method":"`+string(command)+`"}`, got.Body)
	}
}

func TestWhatAWorkflowRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status    int
		body      string
		class     apierr.Class
		reason    string
		ambiguous bool
	}{
		"an unknown workflow":  {404, `RST-360011 An error has occurred - please contact your administrator. Unable to find document with path 'Workflow' from key 'WKF17:0' (document with schema 'workflow' and name 'WKF17')`, apierr.Blocked, apierr.ReasonNotFound, false},
		"an unknown address":   {404, `nothing`, apierr.Retryable, apierr.ReasonSchema, true},
		"a command it can't":   {500, `RST-360011 An error. XTK-170006 Unable to parse expression 'hidden'`, apierr.Blocked, apierr.ReasonRefused, false},
		"a fault":              {500, `RST-360011 An error has occurred - please contact your administrator.`, apierr.Retryable, apierr.ReasonServiceFault, true},
		"too many requests":    {429, `{"error_code":"429050","message":"x"}`, apierr.Throttled, apierr.ReasonThrottled, false},
		"another product only": {403, `{"error_code":"403023","message":"x"}`, apierr.Blocked, apierr.ReasonPermission, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := record(t, answer(tt.status, tt.body)).client(t, nil)
			_, err := c.GetWorkflow(t.Context(), "WKF17")
			require.Equal(t, tt.class, failure(t, err).Class)
			require.Equal(t, tt.reason, failure(t, err).Reason)
			require.False(t, failure(t, err).Ambiguous, "reading changes nothing")
			err = c.CommandWorkflow(t.Context(), "WKF17", campaign.StartWorkflow)
			require.Equal(t, tt.class, failure(t, err).Class)
			require.Equal(t, tt.reason, failure(t, err).Reason)
			require.Equal(t, tt.ambiguous, failure(t, err).Ambiguous)
			require.NotContains(t, err.Error(), "hidden")
		})
	}
	rec := record(t, answer(200, `{}`))
	c := rec.client(t, nil)
	for _, id := range []string{"", ".", ".."} {
		_, err := c.GetWorkflow(t.Context(), id)
		require.Equal(t, apierr.ReasonConfig, failure(t, err).Reason)
		require.Equal(t, apierr.ReasonConfig, failure(t, c.CommandWorkflow(t.Context(), id, campaign.StopWorkflow)).Reason)
	}
	require.Equal(t, apierr.ReasonInvalidValue, failure(t, c.CommandWorkflow(t.Context(), "WKF17", "hidden")).Reason)
	require.Empty(t, rec.all())
}
