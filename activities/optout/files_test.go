package optout_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

const exportHeader = "externalId,lastModified,denyListEmail,denyListEmailLastModified,denyListPhone,denyListPhoneLastModified,ccpaOptOut,ccpaOptOutLastModified,favouriteColour\n"

// exportRow is a row as the Campaign workflow writes it, from what Campaign holds now.
func (s *optOutWorld) exportRow(id string) string {
	p := s.Sandboxes.Campaign.Profile(id)
	flag := func(field string) string {
		if out, _ := p[field].(bool); out {
			return "1"
		}
		return "0"
	}
	stamp := func(field string) string {
		text, _ := p[field].(string)
		return strings.Replace(text, " ", "T", 1)
	}
	return strings.Join([]string{id, stamp("lastModified"), flag("blackListEmail"), stamp("blackListEmailLastModified"),
		flag("blackListPhone"), stamp("blackListPhoneLastModified"), flag("ccpaOptOut"), "", "teal"}, ",") + "\n"
}

// export puts a file on the server.
func (s *optOutWorld) export(name, text string) string {
	s.T.Helper()
	path := filepath.Join(s.Sandboxes.SFTPDir, "d365_loads", "exports", name)
	require.NoError(s.T, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(s.T, os.Chtimes(path, s.Sandboxes.Clock.Now(), s.Sandboxes.Clock.Now()))
	return path
}

func (s *optOutWorld) exports() (waiting, processed []string) {
	s.T.Helper()
	dir := filepath.Join(s.Sandboxes.SFTPDir, "d365_loads", "exports")
	for folder, into := range map[string]*[]string{dir: &waiting, filepath.Join(dir, "processed"): &processed} {
		entries, _ := os.ReadDir(folder)
		for _, e := range entries {
			if !e.IsDir() {
				*into = append(*into, e.Name())
			}
		}
	}
	return waiting, processed
}

// A choice that is dated in the year 9999 does not win by its date, nor does it keep later
// ones from being seen.
func TestAChoiceDatedFarAheadWinsNothing(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
	s.startOptOut()
	a, b := s.keys[0], s.keys[1]
	s.inDynamics(a, "donotbulkemail", true)
	s.inCampaign(b, "blackListEmail", true)
	s.export("optout_20260301_020000.csv", exportHeader+s.exportRow(b))
	s.settle()
	require.Equal(t, [2]bool{true, true}, s.both(a))
	require.Equal(t, [2]bool{true, true}, s.both(b))

	s.later()
	far := func(id string) string { return id + ",9999-12-31T00:00:00Z,0,9999-12-31T00:00:00Z,0,,0,,teal\n" }
	s.export("optout_20260302_020000.csv", exportHeader+far(a)+far(b))
	s.settle()
	require.Equal(t, [2]bool{true, true}, s.both(a), "an opt-out wins over a choice of unknown date")
	require.Equal(t, [2]bool{true, true}, s.both(b))

	s.later()
	s.inCampaign(a, "blackListEmail", true)
	s.inCampaign(a, "blackListEmail", false) // a person, now
	s.export("optout_20260303_020000.csv", exportHeader+s.exportRow(a))
	s.settle()
	require.Equal(t, [2]bool{false, false}, s.both(a), "a later choice with a date is seen")
}

// R19.13, R19.6: bidirectional, from the daily export.
func TestBidirectionalFromExports(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 30, optout.Bidirectional, optout.SourceSFTP)
	got := s.startOptOut()
	require.Equal(t, optout.SourceSFTP, got.Source)
	require.Contains(t, strings.Join(got.Warnings, "\n"), "no export was ever read") // R19.14
	require.Zero(t, s.settle(), "no file is no error (R19.13)")

	a, b := s.keys[0], s.keys[1]
	s.inCampaign(a, "blackListEmail", true)
	s.inCampaign(b, "blackListPhone", true)
	require.Zero(t, s.settle(), "what is not exported yet is not known")
	s.export("optout_20260301_020000.csv", exportHeader+s.exportRow(a)+s.exportRow(b)+",2026-03-01T00:00:00Z,1,,0,,0,,\n")
	require.Equal(t, activities.Counts{Read: 2, Updated: 2}, s.settle())
	require.Equal(t, [2]bool{true, true}, s.both(a))
	require.Equal(t, false, s.Sandboxes.Dynamics.Row("contacts", b)["followemail"])
	waiting, processed := s.exports()
	require.Empty(t, waiting)
	require.Equal(t, []string{"optout_20260301_020000.csv"}, processed)

	// Back in, in Campaign: the export's stamp is newer.
	s.inCampaign(a, "blackListEmail", false)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write([]byte(exportHeader + s.exportRow(a)))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	s.export("optout_20260302_020000.csv.gz", zipped.String())
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.settle())
	require.Equal(t, [2]bool{false, false}, s.both(a))

	// The same content again, under another name; and an older file that comes late.
	s.export("optout_20260303_020000.csv.gz", zipped.String())
	require.Zero(t, s.settle())
	s.export("optout_20260227_020000.csv", exportHeader+a+",2026-02-27T02:00:00Z,1,2026-02-26T08:00:00Z,0,,0,,\n")
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, s.settle())
	require.Equal(t, [2]bool{false, false}, s.both(a))
	waiting, processed = s.exports()
	require.Empty(t, waiting)
	require.Len(t, processed, 4)

	// An opt-out in Dynamics reaches Campaign without any file.
	s.inDynamics(b, "donotbulkemail", true)
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.settle())
	require.Equal(t, [2]bool{true, true}, s.both(b))
}

// R19.19, and every anomaly of a file: it is refused with its place, the rest
// proceeds, nothing is cleared.
func TestExportsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 30, optout.Bidirectional, optout.SourceSFTP)
	a, b, c := s.keys[0], s.keys[1], s.keys[2]
	s.inDynamics(a, "donotbulkemail", true)
	s.startOptOut()
	require.Equal(t, [2]bool{true, true}, s.both(a))
	s.later()
	newest := s.Sandboxes.Clock.Now().Format("2006-01-02T15:04:05.000Z")
	s.inCampaign(c, "blackListEmail", true)
	clears := func(id string) string { return id + "," + newest + ",0," + newest + ",0,,0,," + "\n" }

	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write([]byte(exportHeader + clears(a)))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	bad := map[string]string{
		"optout_20260301_010000.csv":    exportHeader + strings.TrimSuffix(clears(a), "\n"),    // half-written
		"optout_20260301_020000.csv.gz": zipped.String()[:zipped.Len()-6],                      // truncated
		"optout_20260301_030000.csv":    "\xff\xfe" + exportHeader + clears(a),                 // another encoding
		"optout_20260301_040000.csv":    "lastModified,denyListEmail\n" + newest + ",0\n",      // no id
		"optout_20260301_050000.csv":    "externalId,lastModified\n" + a + "," + newest + "\n", // no attribute
		"optout_20260301_060000.csv":    exportHeader + "\"" + a + clears(b),                   // quotes
	}
	for name, text := range bad {
		s.export(name, text)
	}
	s.export("optout_20260301_070000.csv", exportHeader+
		a+","+newest+",maybe,"+newest+",0,,0,,\n"+ // line 2: a wrong boolean
		b+","+newest+",1,yesterday,0,,0,,\n"+ // line 3: a wrong stamp
		"not-a-guid,"+newest+",1,"+newest+",0,,0,,\n"+ // line 4
		a+","+newest+",,"+newest+",0,,0,,\n"+ // an empty cell
		s.exportRow(c)+ // duplicate ids: the last lastModified counts
		c+",2026-01-01T00:00:00Z,0,2026-01-01T00:00:00Z,0,,0,,\n")
	counts := s.settle()
	require.Equal(t, activities.Counts{Read: 6, Updated: 1, Unchanged: 2, Quarantined: 3}, counts)
	require.Equal(t, [2]bool{true, true}, s.both(a), "nothing is cleared")
	require.Equal(t, [2]bool{false, false}, s.both(b), "nothing is taken from half a row")
	require.Equal(t, [2]bool{true, true}, s.both(c), "the rest proceeds")

	items, err := s.Ledger.Quarantined(t.Context(), ledger.QuarantineFilter{Flow: activities.FlowOptOut})
	require.NoError(t, err)
	var places []string
	for _, q := range items {
		places = append(places, q.Message)
		require.NotContains(t, q.Message, "maybe")
	}
	require.Len(t, places, 3)
	require.Contains(t, strings.Join(places, "\n"), "optout_20260301_070000.csv, line 2, column denyListEmail")
	require.Contains(t, strings.Join(places, "\n"), "optout_20260301_070000.csv, line 3, column denyListEmailLastModified")

	// The files stay for a look, and are named.
	waiting, _ := s.exports()
	require.Len(t, waiting, len(bad))
	first := activitytest.Call[activities.FetchResult](s.World, s.opt.FetchOptOuts, activities.FetchInput{
		RunRef: activities.RunRef{Run: "look", Table: activities.FlowOptOut, Revision: s.ref.Revision, Plan: s.ref.Plan, Kind: activities.KindDelta}, Page: 1, Phase: activities.PhaseDelta, Lanes: 4, Now: true})
	require.True(t, first.Nothing)
	require.Len(t, first.BadFiles, len(bad))
	require.EqualValues(t, len(bad), s.gaugesOfAnotherWorker()["optout.bad_files"])

	// Written to its end, a file is read.
	s.export("optout_20260301_010000.csv", exportHeader+s.exportRow(b))
	require.Equal(t, int64(1), s.settle().Read)
}

// docs/protocol/campaign.md §8: a file is taken once it has not changed for a while.
func TestAFileThatGrowsIsNotTaken(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
	s.optOpts.Files.StableFor = time.Minute
	s.rebuild()
	s.startOptOut()
	s.inCampaign(s.keys[0], "blackListEmail", true)
	row := s.exportRow(s.keys[0])
	s.export("optout_20260301_010000.csv", exportHeader)
	require.Zero(t, s.settle())
	s.Sandboxes.Clock.Advance(2 * time.Minute)
	s.export("optout_20260301_010000.csv", exportHeader+row)
	require.Zero(t, s.settle(), "it has grown since it was seen first")
	s.Sandboxes.Clock.Advance(2 * time.Minute)
	require.Equal(t, int64(1), s.settle().Updated)
}

// A file that was too young at the look that somebody asked for is taken as soon as
// it has settled, however long the next look would be.
func TestAFileIsTakenWhenItHasSettled(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
	s.settings.CampaignEvery = time.Hour
	s.optOpts.Files.StableFor = time.Minute
	s.rebuild()
	s.startOptOut()
	s.inCampaign(s.keys[0], "blackListEmail", true)
	s.export("optout_20260301_010000.csv", exportHeader+s.exportRow(s.keys[0]))
	look := func(now bool) activities.FetchResult {
		ref := s.ref
		ref.Run, ref.Kind = "look", activities.KindDelta
		return activitytest.Call[activities.FetchResult](s.World, s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 4, Now: now})
	}
	require.True(t, look(true).Nothing, "it may still grow")
	require.True(t, look(false).Nothing)
	s.Sandboxes.Clock.Advance(2 * time.Minute)
	require.Equal(t, 1, look(false).Read)
}

// A file of many pages, read on by a worker that has no copy of it; files that were
// read are deleted where that is configured.
func TestALongExportIsReadOn(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
	s.optOpts.Files.Delete = true
	s.rebuild()
	s.startOptOut()
	var text strings.Builder
	text.WriteString(exportHeader)
	for i := range 4500 {
		fmt.Fprintf(&text, "%08x-1111-4111-8111-111111111111,2026-03-01T02:00:00Z,%d,2026-03-01T01:00:00Z,0,,0,,\n", i, i%2)
	}
	s.export("optout_20260301_010000.csv", text.String())
	s.optRuns++
	ref := s.ref
	ref.Run, ref.Kind = "long", activities.KindDelta
	read := 0
	for page := 1; page <= 3; page++ {
		got := activitytest.Call[activities.FetchResult](s.World, s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: page, Phase: activities.PhaseDelta, Lanes: 4, Now: true})
		read += got.Read
		require.Equal(t, page < 3, got.More)
		for lane, size := range got.Lanes {
			if size > 0 {
				activitytest.Call[activities.LaneResult](s.World, s.opt.WriteOptOuts, activities.LaneInput{RunRef: ref, Page: page, Lane: lane})
			}
		}
		s.optOpts.Files.Dir = t.TempDir()
		s.rebuild()
	}
	require.Equal(t, 4500, read)
	saved := activitytest.Call[activities.SaveWatermarkResult](s.World, s.opt.SaveOptOutPosition, activities.SaveWatermarkInput{RunRef: ref})
	require.Equal(t, "COMPLETED", saved.State)
	require.Equal(t, int64(4500), saved.Counts.Unchanged)
	waiting, processed := s.exports()
	require.Empty(t, waiting)
	require.Empty(t, processed)
	require.Zero(t, s.settle())

	// One of them becomes a contact: what Campaign said is remembered.
	id := "00000001-1111-4111-8111-111111111111"
	_, err := s.Sandboxes.Dynamics.Insert("contacts", map[string]any{"contactid": id, "lastname": "Late"})
	require.NoError(t, err)
	s.settle()
	require.Equal(t, []string{"only-campaign true ", "dynamics-newer true dynamics"}, s.history(id)[:2])
}

// A ledger restored from a backup reads the files again that it does not know.
func TestARestoredLedgerReadsFilesAgain(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
	s.startOptOut()
	a := s.keys[0]
	s.inCampaign(a, "blackListEmail", true)
	s.export("optout_20260301_010000.csv", exportHeader+s.exportRow(a))
	require.Equal(t, int64(1), s.settle().Updated)
	require.NoError(t, s.Ledger.ForgetExportFiles(t.Context(), activities.FlowOptOut, time.Now().Add(time.Hour)))
	s.rebuild()
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, s.settle())
	require.Equal(t, [2]bool{true, true}, s.both(a))
	_, processed := s.exports()
	require.Len(t, processed, 1)
}

// All of them, one after the other: not one in an hour.
func TestARestoredLedgerReadsAllFilesAgain(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
	s.startOptOut()
	for i, name := range []string{"optout_20260301_010000.csv", "optout_20260302_010000.csv", "optout_20260303_010000.csv"} {
		s.inCampaign(s.keys[i], "blackListEmail", true)
		s.export(name, exportHeader+s.exportRow(s.keys[i]))
		require.Equal(t, int64(1), s.settle().Updated)
	}
	require.NoError(t, s.Ledger.ForgetExportFiles(t.Context(), activities.FlowOptOut, time.Now().Add(time.Hour)))
	s.rebuild()
	require.Equal(t, activities.Counts{Read: 3, Unchanged: 3}, s.settle())
	require.Zero(t, s.settle(), "once")
}

// An export that is removed or written anew while it is read, by a worker that has no
// copy of it, ends its run: nothing of the rest counts as read, what took its place is
// read, and nobody has to start the flow again.
func TestAnExportThatGoesWhileItIsReadEndsItsRun(t *testing.T) {
	t.Parallel()
	const name = "optout_20260301_010000.csv"
	for _, what := range []string{"removed, and put back", "longer", "as long"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
			s.startOptOut()
			s.inCampaign(s.keys[0], "blackListEmail", true)
			var text strings.Builder
			text.WriteString(exportHeader)
			for i := range 2500 {
				fmt.Fprintf(&text, "%08x-1111-4111-8111-111111111111,2026-03-01T02:00:00Z,%d,2026-03-01T01:00:00Z,0,,0,,\n", i, i%2)
			}
			path := s.export(name, text.String()+s.exportRow(s.keys[0]))
			ref := s.ref
			ref.Run, ref.Kind = "cut", activities.KindDelta
			fetch := func(page int) activities.FetchResult {
				got := activitytest.Call[activities.FetchResult](s.World, s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: page, Phase: activities.PhaseDelta, Lanes: 1, Now: true})
				if got.Read > 0 {
					activitytest.Call[activities.LaneResult](s.World, s.opt.WriteOptOuts, activities.LaneInput{RunRef: ref, Page: page})
				}
				return got
			}
			require.True(t, fetch(1).More)
			switch what {
			case "longer":
				s.export(name, text.String()+s.exportRow(s.keys[0])+s.exportRow(s.keys[1]))
			case "as long":
				s.export(name, strings.Replace(text.String(), ",0,", ",1,", 1)+s.exportRow(s.keys[0]))
			default:
				require.NoError(t, os.Remove(path))
			}
			s.optOpts.Files.Dir = t.TempDir()
			s.rebuild()
			second := fetch(2)
			require.Zero(t, second.Read)
			require.False(t, second.More)
			require.Len(t, second.BadFiles, 1)
			require.Contains(t, second.BadFiles[0], name+": it was removed or written anew after 2000 of its rows had been read")
			saved := activitytest.Call[activities.SaveWatermarkResult](s.World, s.opt.SaveOptOutPosition, activities.SaveWatermarkInput{RunRef: ref})
			require.Equal(t, "COMPLETED", saved.State)
			require.Equal(t, [2]bool{false, true}, s.both(s.keys[0]), "its row was not read")
			if what == "removed, and put back" {
				s.export(name, text.String()+s.exportRow(s.keys[0]))
			}
			s.settle()
			require.Equal(t, [2]bool{true, true}, s.both(s.keys[0]))
			waiting, processed := s.exports()
			require.Empty(t, waiting)
			require.Len(t, processed, 1)
			ref.Run = "after"
			require.Empty(t, fetch(1).BadFiles)
		})
	}
}
