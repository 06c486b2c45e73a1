package campaign_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/kit"
)

type flows struct{ commands, signals []string }

func (f *flows) Workflow(id string) (campaign.Workflow, bool) {
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	return campaign.Workflow{ID: id, Label: "Opt-out export", State: "inProgress", LogicalStatus: "started", Activities: []string{"scheduler", "end"},
		Signals: []campaign.Signal{{Name: "signal1", Parameters: map[string]string{"count": "number"}}},
		Created: at, LastModified: at, Next: at.Add(24 * time.Hour)}, id == "WKF17"
}

func (f *flows) Signal(id, activity string, parameters map[string]string) {
	f.signals = append(f.signals, fmt.Sprint(id, " ", activity, " ", parameters))
}

func (f *flows) Command(id, method string) { f.commands = append(f.commands, id+" "+method) }

// §9: a workflow is described and commanded by its internal id.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	f := &flows{}
	i := newInstance(t, func(o *campaign.Options) { o.Workflows = f })
	const path = "workflow/execution/WKF17"
	r := i.send("GET", path, "")
	require.Equal(t, 200, r.status, r.body)
	for name, want := range map[string]string{
		"name": "WKF17", "label": "Opt-out export", "logicalStatus": "started", "state": "inProgress", "nextProcessingDate": "2026-03-02 02:00:00.000Z",
		"created": "2026-03-01 02:00:00.000Z", "lastModified": "2026-03-01 02:00:00.000Z", "activities.activity.scheduler.name": "scheduler",
	} {
		require.Equal(t, want, r.get(name).String(), name)
	}
	require.NotEqual(t, r.get("PKey").Str, i.send("GET", path, "").get("PKey").Str)

	for _, method := range []string{"start", "pause", "resume", "stop"} {
		r := i.send("POST", path+"/commands", `{"method":"`+method+`"}`)
		require.Equal(t, 200, r.status, r.body)
		require.JSONEq(t, "{}", r.body)
	}
	require.Equal(t, []string{"WKF17 start", "WKF17 pause", "WKF17 resume", "WKF17 stop"}, f.commands)
	require.Zero(t, i.Calls().Engine(), "no engine call")

	for name, c := range map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"unknown workflow": {"GET", "workflow/execution/WKF18", "", 404, "Unable to find document with path 'Workflow' from key 'WKF18:0'"},
		"unknown to obey":  {"POST", "workflow/execution/WKF18/commands", `{"method":"start"}`, 404, "Unable to find document"},
		"upper case":       {"POST", path + "/commands", `{"method":"Start"}`, 500, "XTK-170006"},
		"no method":        {"POST", path + "/commands", `{}`, 500, "XTK-170006"},
		"no JSON":          {"POST", path + "/commands", `{`, 500, "is not a valid constant"},
		"nothing to post":  {"POST", path, `{}`, 404, "RST-360011"},
		"nothing to get":   {"GET", path + "/commands", "", 404, "RST-360011"},
	} {
		r := i.send(c.method, c.path, c.body)
		require.Equal(t, c.status, r.status, name)
		require.Contains(t, r.body, c.want, name)
	}
	require.Len(t, f.commands, 4)
	_, err := i.faults.Add(kit.Rule{Service: "campaign", Action: kit.Named, Name: "bare_rst", Times: 1})
	require.NoError(t, err)
	require.Equal(t, 500, i.send("GET", path, "").status)
	require.Equal(t, 403, i.send("GET", path, "", "X-Api-Key: ").status, "behind the gateway, as everything")
	require.Equal(t, 500, newInstance(t).send("GET", path, "").status, "an instance without workflows does not route there")
}
