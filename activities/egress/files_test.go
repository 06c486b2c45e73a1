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
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/timeline"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/exports"
)

// withFiles lets the activities read the file server, files being stable at once.
func (s *eventWorld) withFiles(source string) *eventWorld {
	s.T.Helper()
	key, err := os.ReadFile(s.Sandboxes.SFTPKeyFile)
	require.NoError(s.T, err)
	server, err := campaign.NewSFTP(campaign.SFTPOptions{Addr: s.Sandboxes.SFTPAddress, User: s.Sandboxes.SFTPUser, Key: key, KnownHosts: s.Sandboxes.SFTPKnownHostsFile})
	require.NoError(s.T, err)
	s.T.Cleanup(func() { _ = server.Close() })
	s.settings.Source = source
	s.restart(func(o *egress.Options) {
		o.Files = &inbox.Source{Server: server, Folder: "d365_loads/exports", Keep: time.Hour, Dir: s.T.TempDir()}
	})
	return s
}

func (s *eventWorld) export(twists ...exports.Twist) exports.Result {
	s.T.Helper()
	out, err := s.Sandboxes.ExportLogs(s.T.Context(), twists...)
	require.NoError(s.T, err)
	return out
}

// folder lists a folder of the file server.
func (s *eventWorld) folder(name string) []string {
	s.T.Helper()
	entries, err := os.ReadDir(filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports", name))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(s.T, err)
	var out []string
	for _, e := range entries {
		if !e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}

// look asks for one page as the waiting flow does.
func (s *eventWorld) look() activities.FetchResult {
	s.T.Helper()
	return activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: s.ref(activities.KindDelta), Page: 1, Phase: activities.PhaseEvents, Lanes: 4})
}

// The same events through files give the same timeline as through the journal,
// also when both are read, in whatever order (docs/protocol/campaign.md §6.3).
func TestFilesAndJournalGiveTheSameTimeline(t *testing.T) {
	t.Parallel()
	funnel := func(f *eventlog.Funnel) { f.LateHard, f.Duplicates = 0.05, 0.1 }
	for name, order := range map[string][]string{
		"files":              {timeline.SourceSFTP},
		"journal then files": {timeline.SourceJournal, timeline.SourceSFTP},
		"files then journal": {timeline.SourceSFTP, timeline.SourceJournal},
		"both at once":       {timeline.SourceBoth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newEventWorld(t, 100)
			s.generate(1200, funnel)
			s.export(exports.Gzip, exports.Semicolon, exports.Quotes)
			require.NotEmpty(t, s.timeline(), "nothing is there yet")
			var created int64
			for i, source := range order {
				s.withFiles(source)
				s.begin()
				out := s.events(activities.KindDelta, activities.Window{})
				require.Equal(t, "COMPLETED", out.State)
				require.Empty(t, s.timeline(), source)
				require.Equal(t, out.Counts.Read, out.Counts.Settled())
				require.Zero(t, out.Counts.Quarantined)
				if i == 0 {
					created = out.Counts.Created
					require.Positive(t, created)
				} else {
					require.Zero(t, out.Counts.Created, "an event that comes by another way is there already")
				}
			}
			if order[len(order)-1] != timeline.SourceJournal {
				require.Empty(t, s.folder(""), "what was read is cleared away")
				require.Len(t, s.folder("processed"), 2)
			}
		})
	}
}

// A row that was exported as sent and bounced later gives the bounce, and no
// second send. The export repeats rows at its boundary: harmless.
func TestALateBounceChangesARowThatWasRead(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 20).withFiles(timeline.SourceSFTP)
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	sent, err := s.Sandboxes.Events.Push(eventlog.Pushed{Kind: "send", ExternalID: contact, Time: time.Now().Add(-3 * time.Hour)})
	require.NoError(t, err)
	s.begin()
	s.export()
	out := s.events(activities.KindDelta, activities.Window{})
	require.EqualValues(t, 1, out.Counts.Created)
	s.Sandboxes.Advance(2 * time.Hour)
	_, err = s.Sandboxes.Events.Push(eventlog.Pushed{Kind: "bounce", BroadLogID: sent.BroadLogID})
	require.NoError(t, err)
	s.Sandboxes.Advance(time.Hour)
	s.export()
	out = s.events(activities.KindDelta, activities.Window{})
	require.EqualValues(t, 1, out.Counts.Created)
	require.EqualValues(t, 1, out.Counts.Unchanged)
	require.Empty(t, s.timeline())
	require.EqualValues(t, 1, s.Sandboxes.Dynamics.Count("tasks"))
}

// Each thing that can be wrong with a file as a whole: nothing of it is applied,
// the place is told, other files are read, and the next export mends it.
func TestABadFileIsSetAsideWithItsPlace(t *testing.T) {
	t.Parallel()
	for twist, want := range map[exports.Twist]string{
		exports.HalfWritten: "", exports.TruncatedGzip: "", exports.Unterminated: "", exports.Labels: "label",
		exports.UTF16: "UTF-8", exports.Latin1: "UTF-8", exports.MissingColumn: "Date",
	} {
		t.Run(string(twist), func(t *testing.T) {
			t.Parallel()
			s := newEventWorld(t, 60).withFiles(timeline.SourceSFTP)
			s.generate(400, nil)
			s.begin()
			bad := s.export(twist)
			first := s.look()
			require.NotEmpty(t, first.BadFiles)
			for _, told := range first.BadFiles {
				require.Regexp(t, `(broadlog|trackinglog)_\d{8}_\d{6}\.csv`, told)
				require.Contains(t, told, want)
				require.NotContains(t, told, "@", "no value of a record")
			}
			require.EqualValues(t, len(first.BadFiles), s.gaugesOfAnotherWorker()["egress.bad_files"])
			if len(first.BadFiles) == len(bad.Files) {
				require.True(t, first.Nothing)
				require.Zero(t, s.Sandboxes.Dynamics.Count("adobe_emailsends"))
				again := s.look()
				require.Equal(t, first.BadFiles, again.BadFiles, "it is told as long as it is there, and not read again")
			}
			for _, name := range bad.Files {
				require.NoError(t, os.Remove(filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports", name)))
			}
			s.whole()
			out := s.events(activities.KindDelta, activities.Window{})
			require.Equal(t, "COMPLETED", out.State)
			require.Empty(t, s.timeline())
			require.Empty(t, s.look().BadFiles)
		})
	}
}

// whole exports everything again, as an operator does who sets back the date of
// the last run.
func (s *eventWorld) whole() {
	s.T.Helper()
	require.NoError(s.T, s.Sandboxes.Exports.SetLastRun(exports.Logs, time.Now().Add(-30*24*time.Hour)))
	s.export()
}

// A file that comes twice is read once; one that is still growing is not read.
func TestFilesAreReadOnceAndWhenTheyAreStable(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 40).withFiles(timeline.SourceSFTP)
	s.generate(200, nil)
	s.begin()
	out := s.export(exports.Duplicate)
	require.Len(t, out.Files, 4)
	run := s.events(activities.KindDelta, activities.Window{})
	require.Zero(t, run.Counts.Unchanged, "the second file is the first")
	require.Empty(t, s.timeline())
	require.Empty(t, s.folder(""))
	require.True(t, s.look().Nothing)

	s.o.Files.StableFor = time.Hour
	s.Sandboxes.Advance(time.Hour)
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	_, err := s.Sandboxes.Events.Push(eventlog.Pushed{Kind: "send", ExternalID: contact})
	require.NoError(t, err)
	s.Sandboxes.Advance(time.Hour)
	s.export()
	require.True(t, s.look().Nothing, "it may still be written")
	s.o.Files.StableFor = 0
	require.False(t, s.look().Nothing)
}

// R20, docs/protocol/campaign.md §6.3: old logs from a folder, for history that the journal does not have.
func TestABackfillFromAFolder(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 60).withFiles(timeline.SourceJournal)
	s.generate(500, nil)
	out := s.export(exports.Gzip)
	dir := t.TempDir()
	for _, name := range out.Files {
		data, err := os.ReadFile(filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "broadlog_20200101_000000.csv"), []byte("a;b\n1;2\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("not ours"), 0o600))
	s.begin()
	s.restart(func(o *egress.Options) { o.PageSize = 70 }) // several pages to a file
	run := s.events(activities.KindBackfill, activities.Window{Folder: dir})
	require.Equal(t, "COMPLETED", run.State)
	require.Empty(t, s.timeline())
	require.True(t, run.Watermark.IsZero(), "the position of the journal is another matter")
	require.Len(t, s.folder(""), 2, "nothing is cleared away")
	remote := s.events(activities.KindBackfill, activities.Window{Folder: "sftp:d365_loads/exports"})
	require.Zero(t, remote.Counts.Created)
	require.Equal(t, run.Counts.Created, remote.Counts.Unchanged)

	ref := s.ref(activities.KindBackfill)
	_, err := s.Env.ExecuteActivity(s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseFiles, Lanes: 4, Window: activities.Window{Folder: "/nowhere"}})
	require.ErrorContains(t, err, "/nowhere cannot be read on the worker's machine")

	// Whoever asks for a backfill is told before it is accepted.
	check := func(folder string) activities.CheckFolderResult {
		return activitytest.Call[activities.CheckFolderResult](s.World, s.eg.CheckFolder, activities.CheckFolderInput{Folder: folder})
	}
	require.Equal(t, activities.CheckFolderResult{Files: 3}, check(dir))
	require.Equal(t, activities.CheckFolderResult{Files: 2}, check("sftp:d365_loads/exports"))
	require.Contains(t, check("/nowhere").Problem, "/nowhere cannot be read on the worker's machine")
	require.Contains(t, check("sftp:d365_loads/nowhere").Problem, "got sftp:d365_loads/nowhere: the folder does not exist")
	require.Contains(t, check(t.TempDir()).Problem, "holds no exported logs")
}

// A worker that dies between two pages of a file: the next one goes on there.
func TestAFileIsReadOnByAnotherWorker(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 60).withFiles(timeline.SourceSFTP)
	s.generate(600, nil)
	s.export()
	s.begin()
	s.restart(func(o *egress.Options) { o.PageSize = 100 })
	ref := s.ref(activities.KindDelta)
	activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
	first := activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseFiles, Lanes: 4})
	require.True(t, first.More)
	s.restart(nil)
	out := s.onward(ref, activities.Window{})
	require.Equal(t, "COMPLETED", out.State)
	require.Empty(t, s.timeline())
	require.Zero(t, out.Counts.Unchanged, "no row was read twice")
}

// A worker that has just come up, or another one, has not seen for itself that the
// file which is being read is stable: it goes on in it all the same.
func TestAFileIsReadOnByAWorkerThatNeverSawIt(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(s *eventWorld, file string){
		"the file is as it was": nil,
		"it was removed":        func(s *eventWorld, file string) { require.NoError(s.T, os.Remove(file)) },
		"it is put back later": func(s *eventWorld, file string) {
			require.NoError(s.T, os.Rename(file, filepath.Join(s.Sandboxes.SFTPDir, "aside")))
		},
		"it was written anew": func(s *eventWorld, file string) {
			data, err := os.ReadFile(file)
			require.NoError(s.T, err)
			require.NoError(s.T, os.WriteFile(file, append(data, data[strings.LastIndex(strings.TrimSpace(string(data)), "\n")+1:]...), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newEventWorld(t, 60).withFiles(timeline.SourceSFTP)
			s.generate(600, nil)
			out := s.export()
			s.begin()
			s.restart(func(o *egress.Options) { o.PageSize = 100 })
			ref := s.ref(activities.KindDelta)
			activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
			first := activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseFiles, Lanes: 4})
			require.True(t, first.More)
			if meanwhile != nil {
				meanwhile(s, filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports", out.Files[0]))
			}
			s.restart(func(o *egress.Options) {
				o.Files = &inbox.Source{Server: o.Files.Server, Folder: o.Files.Folder, Keep: time.Hour, Dir: t.TempDir(), StableFor: time.Hour}
			})
			second := activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 2, Phase: activities.PhaseFiles, Lanes: 4})
			if meanwhile == nil {
				require.False(t, second.Nothing, "the rest of the file")
				require.Empty(t, second.BadFiles)
			} else {
				require.True(t, second.Nothing)
				require.Len(t, second.BadFiles, 1)
				require.Regexp(t, out.Files[0]+`: it was removed or written anew after \d+ of its rows had been read`, second.BadFiles[0])
			}
			s.o.Files.StableFor = 0
			run := s.onward(ref, activities.Window{})
			require.Equal(t, "COMPLETED", run.State)
			switch name {
			case "it was removed":
				s.whole()
			case "it is put back later": // with its date
				require.NoError(t, os.Rename(filepath.Join(s.Sandboxes.SFTPDir, "aside"), filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports", out.Files[0])))
			}
			s.events(activities.KindDelta, activities.Window{})
			require.Empty(t, s.timeline())
		})
	}
}

// Files of one name are kept side by side, and one that comes a third time with the
// same content is not kept again: else it would be looked at for ever.
func TestFilesOfOneNameDoNotCollide(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 10).withFiles(timeline.SourceSFTP)
	s.begin()
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	file := filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports/trackinglog_20260301_120000.csv")
	for n, id := range []string{"1", "2", "2", "2"} {
		rows := "trackingLogId,broadLogId,externalId,deliveryName,campaignName,logDate,urlType,url,urlLabel,urlCategory,mirrorPageUrl\n" + id + ",2," + contact + ",DM1,CMP,2026-03-01T10:00:00.000Z,2,,,,\n"
		require.NoError(t, os.WriteFile(file, []byte(rows), 0o600))
		require.NoError(t, os.Chtimes(file, time.Time{}, time.Now().Add(time.Duration(n-10)*time.Minute)))
		s.events(activities.KindDelta, activities.Window{})
		require.Empty(t, s.folder(""), n)
		require.Len(t, s.folder("processed"), min(n+1, 2))
	}
}

// A file that was begun is waited for when the file server is down.
func TestAFileThatWasBegunIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 60).withFiles(timeline.SourceSFTP)
	s.generate(600, nil)
	s.export()
	s.begin()
	s.restart(func(o *egress.Options) { o.PageSize = 100 })
	ref := s.ref(activities.KindDelta)
	activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
	require.True(t, activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseFiles, Lanes: 4}).More)
	s.anew(nil)
	require.NoError(t, s.Sandboxes.SFTP.Close())
	_, err := s.Env.ExecuteActivity(s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 2, Phase: activities.PhaseFiles, Lanes: 4})
	require.ErrorContains(t, err, "Network")
}

// A file that is written anew while it is read to its end is not cleared away: what is
// new in it is read by the next run.
func TestAFileThatIsReplacedIsNotClearedAway(t *testing.T) {
	t.Parallel()
	for _, remove := range []bool{false, true} {
		s := newEventWorld(t, 10).withFiles(timeline.SourceSFTP)
		s.o.Files.Delete = remove
		contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
		rows := "trackingLogId,broadLogId,externalId,deliveryName,campaignName,logDate,urlType,url,urlLabel,urlCategory,mirrorPageUrl\n1,2," + contact + ",DM1,CMP,2026-03-01T10:00:00.000Z,2,,,,\n"
		file := filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports/trackinglog_20260301_120000.csv")
		require.NoError(t, os.WriteFile(file, []byte(rows), 0o600))
		s.begin()
		ref := s.ref(activities.KindDelta)
		activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
		got := activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseFiles, Lanes: 1})
		require.Equal(t, []int{1}, got.Lanes)
		activitytest.Call[activities.LaneResult](s.World, s.eg.WriteTimeline, activities.LaneInput{RunRef: ref, Page: 1})
		require.NoError(t, os.WriteFile(file, []byte(rows+"3,2,"+contact+",DM1,CMP,2026-03-01T11:00:00.000Z,2,,,,\n"), 0o600))
		out := activitytest.Call[activities.SaveWatermarkResult](s.World, s.eg.SaveEventPosition, activities.SaveWatermarkInput{RunRef: ref})
		require.EqualValues(t, 1, out.Counts.Created)
		require.FileExists(t, file)

		next := s.events(activities.KindDelta, activities.Window{})
		require.Equal(t, activities.Counts{Read: 2, Created: 1, Unchanged: 1}, next.Counts)
		require.NoFileExists(t, file)
	}
}
