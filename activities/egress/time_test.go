package egress_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/egress"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/timeline"
	"causeway.dev/sandbox/eventlog"
)

// R18.17: what is read of the journal may be nothing of ours, or dated by a clock that
// is wrong; how old the position is stays known, and the alarm is raised.
func TestTheAgeOfThePositionStaysKnown(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]eventlog.Pushed{
		"of other kinds":   {Raw: json.RawMessage(`{"type":"com.adobe.campaign.standard.email.other","id":"1","data":{}}`)},
		"that are refused": {Raw: json.RawMessage(`{"type":"com.adobe.campaign.standard.email.click","id":"1"}`)},
		"of the future":    {Raw: json.RawMessage(`{"type":"com.adobe.campaign.standard.email.open","id":"1","data":{"externalID":"","trackinglogID":"9","deliveryName":"DM1","eventDate":"2099-01-01T00:00:00Z"}}`)},
	} {
		t.Run("a page of events "+name, func(t *testing.T) {
			t.Parallel()
			s := newEventWorld(t, 2)
			s.begin()
			s.push(eventlog.Pushed{Kind: "open", ExternalID: s.Sandboxes.Dynamics.Keys("contacts")[0]})
			require.False(t, s.events(activities.KindDelta, activities.Window{}).Watermark.IsZero())
			mark, err := s.Ledger.Watermark(t.Context(), activities.FlowEgress, activities.FlowEgress)
			require.NoError(t, err)
			mark.ObtainedAt = time.Now().Add(-6 * 24 * time.Hour).UTC().Truncate(time.Second)
			require.NoError(t, s.Ledger.SaveWatermark(t.Context(), *mark))
			s.restart(func(o *egress.Options) { o.PageSize, o.PagesPerRun = 10, 1 })
			s.begin()
			p.Times = 25
			s.push(p)
			// The link has the page size of before, so that the first page is the last.
			mark.Link = strings.Replace(mark.Link, "limit=300", "limit=10", 1)
			require.NoError(t, s.Ledger.SaveWatermark(t.Context(), *mark))
			out := s.events(activities.KindDelta, activities.Window{})
			require.Equal(t, "COMPLETED", out.State)
			require.EqualValues(t, 10, out.Counts.Read)
			require.Equal(t, mark.ObtainedAt, out.Watermark.UTC())
			require.True(t, activitytest.Call[activities.RaiseLagResult](s.World, s.eg.RaiseLag, activities.RaiseLagInput{Alarm: activities.Duration(5 * 24 * time.Hour)}).Raised)
		})
	}
}

// A backfill from a folder of the file server tells of the files that it leaves
// alone because somebody may still write them.
func TestABackfillTellsOfFilesThatAreTooYoung(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 40).withFiles(timeline.SourceJournal)
	s.generate(200, nil)
	out := s.export()
	old := filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports", out.Files[0])
	require.NoError(t, os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)))
	s.o.Files.StableFor = time.Hour
	s.begin()
	ref := s.ref(activities.KindBackfill)
	activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
	var told []string
	read := 0
	for page := 1; ; page++ {
		got := activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: page, Phase: activities.PhaseFiles, Lanes: 1, Window: activities.Window{Folder: "sftp:d365_loads/exports"}})
		told = append(told, got.BadFiles...)
		if got.Nothing {
			break
		}
		read += got.Read
	}
	require.Positive(t, read)
	require.Len(t, told, 1)
	require.Contains(t, told[0], out.Files[1])
}

// A clock that is wrong somewhere leaves no file of an archive alone for ever; what may
// have been written a moment ago is left alone for a moment, by whatever clock.
func TestABackfillReadsFilesOfAClockThatIsAhead(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]int{time.Hour: 1, 20 * time.Second: 0} {
		s := newEventWorld(t, 2).withFiles(timeline.SourceJournal)
		s.o.Files.StableFor = time.Minute
		file := filepath.Join(s.Sandboxes.SFTPDir, "d365_loads/exports/trackinglog_20260301_120000.csv")
		require.NoError(t, os.WriteFile(file, []byte("trackingLogId,broadLogId,externalId,deliveryName,campaignName,logDate,urlType,url,urlLabel,urlCategory,mirrorPageUrl\n"+
			"1,2,"+s.Sandboxes.Dynamics.Keys("contacts")[0]+",DM1,CMP,2026-03-01T10:00:00.000Z,2,,,,\n"), 0o600))
		require.NoError(t, os.Chtimes(file, time.Time{}, time.Now().Add(ahead)))
		s.begin()
		ref := s.ref(activities.KindBackfill)
		activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
		got := activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseFiles, Lanes: 1, Window: activities.Window{Folder: "sftp:d365_loads/exports"}})
		require.Equal(t, want, got.Read, ahead)
		require.Len(t, got.BadFiles, 1-want)
	}
}

// forgetful knows no contact for a while.
type forgetful struct {
	*dataverse.Client
	fails int
}

func (f *forgetful) ByIDs(ctx context.Context, q dataverse.Query, ids []string) (*dataverse.Page, error) {
	if f.fails > 0 {
		f.fails--
		return nil, &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonServiceFault, Service: "dataverse", Op: "read contacts"}
	}
	return f.Client.ByIDs(ctx, q, ids)
}

// R18.11: a contact that goes between the look at it and the write is asked for again
// until there is an answer.
func TestAContactThatGoesIsAskedForUntilThereIsAnAnswer(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 3)
	client := &forgetful{Client: s.o.Dynamics.(*dataverse.Client)}
	s.restart(func(o *egress.Options) { o.Dynamics = client })
	s.begin()
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.push(eventlog.Pushed{Kind: "open", ExternalID: contact})
	require.EqualValues(t, 1, s.events(activities.KindDelta, activities.Window{}).Counts.Created)
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", contact))
	s.push(eventlog.Pushed{Kind: "open", ExternalID: contact})
	client.fails = 4 // all tries of one look
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 1, NoContact: 1}, out.Counts)
}

// A backfill since a time leaves out nothing of it: the journal counts back from when
// it is asked.
func TestABackfillSinceATimeBeginsThere(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 2)
	s.begin()
	s.push(eventlog.Pushed{Kind: "open", ExternalID: s.Sandboxes.Dynamics.Keys("contacts")[0]})
	s.Sandboxes.Advance(time.Hour)
	since := time.Now().Add(-time.Hour - 900*time.Millisecond)
	require.EqualValues(t, 1, s.events(activities.KindBackfill, activities.Window{Since: since}).Counts.Created)
}
