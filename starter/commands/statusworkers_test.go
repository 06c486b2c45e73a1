package commands

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

// Each worker that lives is shown with its share of the limits that all keep together.
func TestStatusShowsWorkersWithTheirShares(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Query "+contactsFlow+" Status", contacts(nil))
	workers := []activities.WorkerState{
		{Name: "acme@host-1:12", Since: noon.Add(-time.Hour), Lanes: 5, Shares: map[string]float64{"campaign.concurrency": 5, "campaign.rate": 10.0 / 3, "dynamics.concurrency": 8}},
		{Name: "acme@host-2:1", Since: noon.Add(-time.Minute), Lanes: 4, Shares: map[string]float64{"campaign.concurrency": 3, "dynamics.concurrency": 8}},
	}
	w.on("Run "+activities.Meter, activities.MeterResult{Workers: workers})
	_, out, _ := w.run(t, "status", "contacts")
	require.Regexp(t, `WORKER +CAMPAIGN REQUESTS +A SECOND +DYNAMICS REQUESTS +LANES\n`, out)
	require.Regexp(t, `acme@host-1:12 +5 +3\.3 +8 +5\n`, out)
	require.Regexp(t, `acme@host-2:1 +3 +no limit +8 +4\n`, out)

	_, out, _ = w.run(t, "status", "contacts", "-o", "json")
	var report operator.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, workers, report.Workers)
}
