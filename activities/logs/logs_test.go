package logs_test

import (
	"encoding/csv"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/logs"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// logWorld is a world of which logs are exported, on the day after what it does.
type logWorld struct {
	*activitytest.World
	o   logs.Options
	day string
}

func newLogWorld(t *testing.T) *logWorld {
	t.Helper()
	s := activitytest.NewWorld(t, 12)
	noon := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1).Add(12 * time.Hour)
	s.ClockBehind.Store(int64(time.Since(noon))) // no midnight comes between
	key, err := os.ReadFile(s.Sandboxes.SFTPKeyFile)
	require.NoError(t, err)
	server, err := campaign.NewSFTP(campaign.SFTPOptions{Addr: s.Sandboxes.SFTPAddress, User: s.Sandboxes.SFTPUser, Key: key, KnownHosts: s.Sandboxes.SFTPKnownHostsFile})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return &logWorld{World: s, day: noon.Format("2006-01-02"), o: logs.Options{
		Instance: "acme", Ledger: s.Ledger, Files: server, Folder: "d365_loads/logs", Flows: []string{"contacts", "egress", "optout"}, KeepDays: 15, MaxBytes: 1 << 20, Mask: true,
		Now: func() time.Time { return noon.Add(14 * time.Hour) },
	}}
}

// ask runs an activity of logs, with the options as they are now.
func (s *logWorld) ask(activity string, in any) (converter.EncodedValue, error) {
	env := activitytest.NewEnv()
	logs.New(s.o).Register(env)
	return env.ExecuteActivity(activity, in)
}

// call is ask of one that must succeed.
func call[T any](s *logWorld, activity string, in any) (out T) {
	s.T.Helper()
	value, err := s.ask(activity, in)
	require.NoError(s.T, err)
	require.NoError(s.T, value.Get(&out))
	return out
}

// exported writes the log of a flow, and reads its rows without the header.
func (s *logWorld) exported(flow string) [][]string {
	s.T.Helper()
	r := call[activities.ExportLogResult](s, activities.ExportLog, activities.ExportLogInput{Flow: flow, Day: s.day})
	require.Equal(s.T, "d365_loads/logs/acme_"+flow+"_"+s.day+".csv", r.File)
	rows, err := csv.NewReader(strings.NewReader(s.file(filepath.Base(r.File)))).ReadAll()
	require.NoError(s.T, err)
	require.Equal(s.T, []string{"time", "flow", "run", "kind", "key", "outcome", "reason"}, rows[0])
	for _, row := range rows[1:] {
		if row[0] != "" {
			require.Equal(s.T, s.day, row[0][:10])
		}
	}
	return rows[1:]
}

func (s *logWorld) folder() string { return filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/logs") }

func (s *logWorld) file(name string) string {
	s.T.Helper()
	text, err := os.ReadFile(filepath.Join(s.folder(), name))
	require.NoError(s.T, err)
	return string(text)
}

func (s *logWorld) names() (out []string) {
	s.T.Helper()
	entries, err := os.ReadDir(s.folder())
	require.NoError(s.T, err)
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// of are the outcomes of a key, in order.
func of(rows [][]string, key string) (out []string) {
	for _, r := range rows {
		if r[4] == key {
			out = append(out, r[5])
		}
	}
	return out
}

// Each record that a run changed, or that was refused, is found by its id; nothing of a
// person is in the file. A load is told by its counts, unless its records are wanted.
func TestWhatBecameOfEachRecordIsInTheLog(t *testing.T) {
	t.Parallel()
	s := newLogWorld(t)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.Edit(keys[0], map[string]any{"address1_city": "Nebelheim"})
	s.Edit(keys[1], map[string]any{"emailaddress1": "not-an-address"})
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[2]))
	s.Delta()
	rows := s.exported("contacts")
	require.Equal(t, []string{"updated"}, of(rows, keys[0]))
	require.Equal(t, []string{"refused"}, of(rows, keys[1]))
	require.Equal(t, []string{"deleted"}, of(rows, keys[2]))
	require.Empty(t, of(rows, keys[3]), "the load is told by its counts")
	require.Equal(t, "run initial", rows[0][3])
	require.Equal(t, "COMPLETED", rows[0][5])
	require.Equal(t, "read 12, created 12", rows[0][6])
	for name := range map[string]bool{"acme_contacts_" + s.day + ".csv": true} {
		require.NotContains(t, s.file(name), "@")
		require.NotContains(t, s.file(name), "Nebelheim")
		require.NotContains(t, s.file(name), "not-an-address")
	}
	first := s.names()
	require.Equal(t, rows, s.exported("contacts"), "written again it says the same")
	require.Equal(t, first, s.names(), "and replaces the file")

	s.o.Loads = true
	require.Equal(t, []string{"created"}, of(s.exported("contacts"), keys[3]))
	require.NoError(s.T, os.Remove(filepath.Join(s.folder(), "acme_contacts_"+s.day+".csv"))) // which says more
	s.o.MaxBytes = 900
	rows = s.exported("contacts")
	require.Equal(t, "cut", rows[len(rows)-1][3])
	require.LessOrEqual(t, len(s.file("acme_contacts_"+s.day+".csv")), 900)
}

func TestEventsAndChoicesAreInTheLog(t *testing.T) {
	t.Parallel()
	s := newLogWorld(t)
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	at := s.o.Now().Add(-13 * time.Hour)
	commit := func(flow string, result ledger.Result) {
		ctx := t.Context()
		_, err := s.Ledger.BeginRun(ctx, ledger.Run{ID: flow + "-1", Flow: flow, Table: flow, Kind: "delta"})
		require.NoError(t, err)
		_, err = s.Ledger.StagePage(ctx, ledger.PageInput{Run: flow + "-1", Table: flow, Number: 1, Lanes: [][]ledger.Entry{{{Key: "e1", Version: "1"}}}})
		require.NoError(t, err)
		lane, err := s.Ledger.OpenLane(ctx, ledger.LaneID{Run: flow + "-1", Page: 1})
		require.NoError(t, err)
		require.NoError(t, s.Ledger.Commit(ctx, lane.ID, lane.Token, []ledger.Result{result}))
		_, err = s.Ledger.CloseLane(ctx, lane.ID, lane.Token)
		require.NoError(t, err)
		require.NoError(t, s.Ledger.SetRunState(ctx, flow+"-1", ledger.RunFailed, "the answer for ann@example.org was no use"))
	}
	commit("egress", ledger.Result{Outcome: ledger.Refused, Event: &ledger.Event{Key: "e1", Type: "click", Contact: contact, Outcome: ledger.Refused, Code: "TooLong", Time: at},
		Quarantine: &ledger.QuarantineItem{Key: "e1", Class: "Rejected", Code: "TooLong", Message: "url"}})
	rows := s.exported("egress")
	require.Equal(t, []string{"refused"}, of(rows, contact))
	require.Equal(t, []string{"refused"}, of(rows, "e1"))
	require.Equal(t, "run delta", rows[0][3])
	require.Contains(t, rows[0][6], "the answer for *** was no use", "an address is not written, wherever it comes from")
	s.o.Mask = false
	require.Contains(t, s.exported("egress")[0][6], "ann@example.org", "unless told")
	s.o.Mask = true

	commit("optout", ledger.Result{Outcome: ledger.Updated, OptOut: &ledger.OptOutResult{State: ledger.OptOut{Contact: contact, Doc: []byte("{}")}, Decisions: []ledger.OptOutDecision{{Contact: contact, At: at, Run: "optout-1", Pair: "email", Rule: "newer", Out: true, Effect: "campaign"}}}})
	require.Equal(t, []string{"written to Campaign"}, of(s.exported("optout"), contact))
}

// R20.2: a full server, one that is away and one with another key are told with their remedy,
// and tried again. No flow minds.
func TestAServerThatTakesNoLogs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breaks, mends func(s *logWorld)
		problem       []string
	}{
		"it is full": {func(s *logWorld) { s.Sandboxes.SFTP.SetCapacity(1) }, func(s *logWorld) { s.Sandboxes.SFTP.SetCapacity(0) }, []string{"NoSpace", "make room"}},
		"it has another key": {func(s *logWorld) {
			require.NoError(s.T, s.Sandboxes.SFTP.RotateHostKey())
			s.Sandboxes.SFTP.Drop()
		}, func(s *logWorld) { require.NoError(s.T, s.Sandboxes.SFTP.PublishHostKey()) }, []string{"HostKeyChanged", "fingerprint"}},
		"it does not know us": {func(s *logWorld) {
			require.NoError(s.T, s.Sandboxes.SFTP.Allow(netip.MustParsePrefix("198.51.100.0/24")))
			s.Sandboxes.SFTP.Drop()
		}, func(s *logWorld) { require.NoError(s.T, s.Sandboxes.SFTP.Allow()) }, []string{"Network", "allow list"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLogWorld(t)
			s.Load()
			s.exported("contacts")
			before := s.file("acme_contacts_" + s.day + ".csv")
			c.breaks(s)
			s.Edit(s.Sandboxes.Dynamics.Keys("contacts")[0], map[string]any{"address1_city": "Nebelheim"})
			_, _ = s.ask(activities.ExportLog, activities.ExportLogInput{Flow: "contacts", Day: s.day}) // notices that the connection broke
			_, err := s.ask(activities.ExportLog, activities.ExportLogInput{Flow: "contacts", Day: s.day})
			require.Error(t, err)
			require.EqualValues(t, 1, s.Delta().Updated, "a flow goes on")
			state, err := logs.Last(t.Context(), s.Ledger)
			require.NoError(t, err)
			for _, part := range c.problem {
				require.Contains(t, state.Problem, part)
			}
			require.Equal(t, before, s.file("acme_contacts_"+s.day+".csv"), "the file from before is whole")
			require.Len(t, s.names(), 1, "no half of a file stays")

			c.mends(s)
			require.Len(t, of(s.exported("contacts"), s.Sandboxes.Dynamics.Keys("contacts")[0]), 1)
			call[activities.EndLogDayResult](s, activities.EndLogDay, activities.EndLogDayInput{Day: s.day})
			state, err = logs.Last(t.Context(), s.Ledger)
			require.NoError(t, err)
			require.Empty(t, state.Problem)
		})
	}
}

// A ledger that was restored lacks what was done since its backup. The days since are written
// again, and no file is replaced by one that says less.
func TestARestoredLedgerTakesNothingFromTheLogs(t *testing.T) {
	t.Parallel()
	s := newLogWorld(t)
	s.Load()
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(key, map[string]any{"address1_city": "Nebelheim"})
	s.Delta()
	require.Equal(t, []string{"updated"}, of(s.exported("contacts"), key))
	s.o.Ledger = ledgertest.Open(t, ledgertest.SQLite(t))
	require.Equal(t, []string{s.day}, call[activities.LogDaysResult](s, activities.LogDays, activities.LogDaysInput{}).Days, "it does not know that the day was written")
	require.Equal(t, []string{"updated"}, of(s.exported("contacts"), key), "what was done is still told")
	require.Empty(t, s.exported("optout"), "a file that is missing is written")
}

// R20.7: what is too old goes, and nothing that is not ours. Days that were missed are made up
// for, as far back as files are kept.
func TestOldLogsGoAndMissedDaysCome(t *testing.T) {
	t.Parallel()
	s := newLogWorld(t)
	days := func() []string {
		return call[activities.LogDaysResult](s, activities.LogDays, activities.LogDaysInput{}).Days
	}
	before := func(n int) string {
		return s.o.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -n).Format("2006-01-02")
	}
	require.Equal(t, []string{s.day}, days(), "the first time")
	s.exported("contacts")
	for _, name := range []string{"acme_contacts_" + before(16) + ".csv", "acme_contacts_" + before(15) + ".csv", "acme-two_contacts_" + before(99) + ".csv", "notes_2020-01-01.csv", "acme_contacts_2020.csv"} {
		require.NoError(t, os.WriteFile(filepath.Join(s.folder(), name), []byte("x"), 0o600))
	}
	end := func(day string) activities.EndLogDayResult {
		return call[activities.EndLogDayResult](s, activities.EndLogDay, activities.EndLogDayInput{Day: day})
	}
	require.Equal(t, 1, end(s.day).Removed)
	require.NotContains(t, s.names(), "acme_contacts_"+before(16)+".csv")
	require.Len(t, s.names(), 5)
	require.Empty(t, days(), "it is written")
	end(before(4))
	require.Equal(t, []string{before(3), before(2), before(1)}, days())
	end(before(40))
	require.Len(t, days(), 15)
	s.o.Files = nil
	require.True(t, call[activities.LogDaysResult](s, activities.LogDays, activities.LogDaysInput{}).Off)
}
