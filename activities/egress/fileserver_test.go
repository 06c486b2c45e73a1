package egress_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/egress"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/timeline"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/stack"
)

// docs/protocol/campaign.md §8: another host key stops the flow with a sentence.
func TestAnotherHostKeyIsNeverAccepted(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 1).withFiles(timeline.SourceSFTP)
	require.NoError(t, s.Sandboxes.SFTP.RotateHostKey())
	s.Sandboxes.SFTP.Drop()
	_, err := s.Env.ExecuteActivity(s.eg.PreflightEvents, activities.PreflightEventsInput{Settings: s.settings})
	require.ErrorContains(t, err, "HostKeyChanged")
}

// R20.2: a full file server keeps nothing from being read.
func TestAFullFileServerStopsNothing(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 20, func(o *stack.Options) {}).withFiles(timeline.SourceSFTP)
	s.generate(100, nil)
	s.export()
	s.Sandboxes.SFTP.SetCapacity(1)
	s.begin()
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, "COMPLETED", out.State)
	require.Empty(t, s.timeline())
	require.True(t, s.look().Nothing)
}

// A row that cannot be read is set aside with its place; the rest lands.
func TestABadRowStopsNothing(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 10).withFiles(timeline.SourceSFTP)
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	rows := []string{"trackingLogId,broadLogId,externalId,deliveryName,campaignName,logDate,urlType,url,urlLabel,urlCategory,mirrorPageUrl",
		"1,2," + contact + ",DM1,CMP,2026-03-01T10:00:00.000Z,2,,,,", "3,2," + contact + ",DM1,CMP,yesterday,2,,,,", "4,2," + contact + ",DM1,CMP,2026-03-01T11:00:00.000Z,6,,,,", ""}
	file := filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports/trackinglog_20260301_120000.csv")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(rows, "\n")), 0o600))
	s.begin()
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, "COMPLETED", out.State)
	require.Equal(t, activities.Counts{Read: 3, Created: 1, Quarantined: 1, Ignored: 1}, out.Counts)
	list := activitytest.Call[activities.QuarantineListResult](s.World, s.Operator.ListQuarantine, activities.QuarantineListInput{Table: activities.FlowEgress})
	require.Len(t, list.Records, 1)
	require.Equal(t, "file/trackinglog_20260301_120000.csv:3", list.Records[0].ID)
	require.Contains(t, list.Records[0].Message, "logDate")
	require.NotContains(t, list.Records[0].Message, "yesterday")
	require.Empty(t, list.Elsewhere)
	for _, table := range []string{"", "contacts"} { // who asks for tables is told of events
		list = activitytest.Call[activities.QuarantineListResult](s.World, s.Operator.ListQuarantine, activities.QuarantineListInput{Table: table})
		require.Zero(t, list.Total)
		require.Equal(t, []activities.QuarantineElsewhere{{Table: activities.FlowEgress, Records: 1}}, list.Elsewhere)
	}
}

// An event that is dated in the year 9999 is written, and is not the newest for ever.
func TestAnEventDatedFarAheadIsNotTheNewest(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 10).withFiles(timeline.SourceSFTP)
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	rows := []string{"trackingLogId,broadLogId,externalId,deliveryName,campaignName,logDate,urlType,url,urlLabel,urlCategory,mirrorPageUrl",
		"1,2," + contact + ",DM1,CMP,2026-03-01T10:00:00.000Z,2,,,,", "3,2," + contact + ",DM1,CMP,9999-12-31T10:00:00.000Z,2,,,,", ""}
	file := filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports/trackinglog_20260301_120000.csv")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(rows, "\n")), 0o600))
	s.begin()
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 2, Created: 2}, out.Counts)
	newest := map[string]float64{}
	for _, g := range s.Scope.Snapshot().Gauges() {
		newest[g.Name()] = g.Value()
	}
	require.Contains(t, newest, "causeway.egress.newest_event_timestamp_seconds")
	require.Equal(t, float64(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).Unix()), newest["causeway.egress.newest_event_timestamp_seconds"])
}

// R20.7: files that were read long ago are removed; with processed: delete, at once.
func TestReadFilesDoNotStay(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 20).withFiles(timeline.SourceSFTP)
	s.generate(60, nil)
	old := filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports/processed/broadlog_20250101_000000.csv")
	require.NoError(t, os.MkdirAll(filepath.Dir(old), 0o755))
	require.NoError(t, os.WriteFile(old, nil, 0o600))
	require.NoError(t, os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)))
	s.export()
	s.begin()
	s.events(activities.KindDelta, activities.Window{})
	require.NoFileExists(t, old)
	require.Len(t, s.folder("processed"), 2)

	s.Sandboxes.Advance(time.Hour)
	s.push(eventlog.Pushed{Kind: "send", ExternalID: s.Sandboxes.Dynamics.Keys("contacts")[0]})
	s.Sandboxes.Advance(time.Hour)
	s.export()
	s.o.Files.Delete = true
	s.events(activities.KindDelta, activities.Window{})
	require.Empty(t, s.folder(""))
	require.Len(t, s.folder("processed"), 2)
}

// A file server that is down does not hold up the journal.
func TestAFileServerThatIsDownHoldsNothingUp(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 20).withFiles(timeline.SourceBoth)
	s.begin()
	s.generate(100, nil)
	require.NoError(t, s.Sandboxes.SFTP.Close())
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, "COMPLETED", out.State)
	require.Empty(t, s.timeline())
	_, err := s.Env.ExecuteActivity(s.eg.FetchEvents, activities.FetchInput{RunRef: s.ref(activities.KindDelta), Page: 1, Phase: activities.PhaseEvents, Lanes: 4})
	require.ErrorContains(t, err, "sftp: list d365_loads/exports: Network", "a flow that waits says what it waits for")
	s.push(eventlog.Pushed{Kind: "send", ExternalID: s.Sandboxes.Dynamics.Keys("contacts")[0]})
	require.False(t, s.look().Nothing)
}

// anew is a worker that has just come up.
func (s *eventWorld) anew(edit func(*egress.Options)) {
	s.T.Helper()
	s.restart(func(o *egress.Options) {
		o.Files = &inbox.Source{Server: o.Files.Server, Folder: o.Files.Folder, Keep: time.Hour, Dir: s.T.TempDir()}
		if edit != nil {
			edit(o)
		}
	})
}

// A ledger restored from a backup reads the files again that it does not know, also
// when the worker changes in the middle of one: what was set aside from them is there
// again, and nothing is written twice.
func TestARestoredLedgerReadsLogsAgain(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 60).withFiles(timeline.SourceSFTP)
	s.generate(600, nil)
	s.export()
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	file := filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports/trackinglog_20260301_120000.csv")
	header := "trackingLogId,broadLogId,externalId,deliveryName,campaignName,logDate,urlType,url,urlLabel,urlCategory,mirrorPageUrl\n"
	for n, row := range []string{"1,2," + contact + ",DM1,CMP,yesterday,2,,,,\n", "3,2," + contact + ",DM1,CMP,tomorrow,2,,,,\n"} { // of one name
		require.NoError(t, os.WriteFile(file, []byte(header+row), 0o600))
		require.NoError(t, os.Chtimes(file, time.Time{}, time.Now().Add(time.Duration(n-10)*time.Minute)))
		s.begin()
		s.events(activities.KindDelta, activities.Window{})
	}
	require.Len(t, s.folder("processed"), 4)
	s.anew(nil)
	require.True(t, s.look().Nothing, "all are known")

	require.NoError(t, s.Ledger.ForgetExportFiles(t.Context(), activities.FlowEgress, time.Now().Add(time.Hour)))
	s.anew(func(o *egress.Options) { o.PageSize = 100 })
	ref := s.ref(activities.KindDelta)
	activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
	first := activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseFiles, Lanes: 4})
	require.True(t, first.More)
	s.anew(nil)
	out := s.onward(ref, activities.Window{})
	require.Equal(t, "COMPLETED", out.State)
	require.Zero(t, out.Counts.Created)
	require.Positive(t, out.Counts.Unchanged)
	require.EqualValues(t, 2, out.Counts.Quarantined)
	require.Empty(t, s.timeline())
	require.Len(t, s.folder("processed"), 4)
	require.True(t, s.look().Nothing, "once")
	s.anew(nil)
	require.True(t, s.look().Nothing, "once")
}

// R20.7: nor do files stay that cannot be read.
func TestLogsThatCannotBeReadDoNotStay(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 1).withFiles(timeline.SourceSFTP)
	s.begin()
	dir := filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports")
	for name, age := range map[string]time.Duration{"broadlog_20260301_120000.csv": 2 * time.Hour, "broadlog_20260302_120000.csv": time.Minute, "notes.txt": 2 * time.Hour} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("a;b\n1;2\n"), 0o600))
		require.NoError(t, os.Chtimes(filepath.Join(dir, name), time.Time{}, time.Now().Add(-age)))
	}
	require.Len(t, s.look().BadFiles, 2)
	require.Len(t, s.folder(""), 3, "somebody may look at it")
	s.anew(nil)
	require.Len(t, s.look().BadFiles, 1)
	require.Equal(t, []string{"broadlog_20260302_120000.csv", "notes.txt"}, s.folder(""))
}
