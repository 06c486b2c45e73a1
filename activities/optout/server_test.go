package optout_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/optout"
)

// pickyFiles is the file server with operations that fail.
type pickyFiles struct {
	*campaign.SFTP
	list, download, move, remove error
}

func (p *pickyFiles) List(ctx context.Context, folder string) ([]campaign.RemoteFile, error) {
	if p.list != nil {
		return nil, p.list
	}
	return p.SFTP.List(ctx, folder)
}

func (p *pickyFiles) Download(ctx context.Context, file campaign.RemoteFile, dest string) (*campaign.Downloaded, error) {
	if p.download != nil {
		return nil, p.download
	}
	return p.SFTP.Download(ctx, file, dest)
}

func (p *pickyFiles) Move(ctx context.Context, from, to string) error {
	if p.move != nil {
		return p.move
	}
	return p.SFTP.Move(ctx, from, to)
}

func (p *pickyFiles) Remove(ctx context.Context, file string) error {
	if p.remove != nil {
		return p.remove
	}
	return p.SFTP.Remove(ctx, file)
}

// picky puts a file server in between whose operations can be made to fail.
func (s *optOutWorld) picky() *pickyFiles {
	p := &pickyFiles{SFTP: s.optOpts.Files.Server.(*campaign.SFTP)}
	s.optOpts.Files.Server = p
	s.rebuild()
	return p
}

// looked is one turn of the waiting flow.
func (s *optOutWorld) looked(run string, now bool) activities.FetchResult {
	s.T.Helper()
	ref := s.ref
	ref.Run, ref.Kind = run, activities.KindDelta
	return activitytest.Call[activities.FetchResult](s.World, s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 1, Now: now})
}

// carried ends a run of one page, with what looked found.
func (s *optOutWorld) carried(run string) {
	s.T.Helper()
	ref := s.ref
	ref.Run, ref.Kind = run, activities.KindDelta
	s.carryLane(activities.LaneInput{RunRef: ref, Page: 1})
	require.Equal(s.T, "COMPLETED", activitytest.Call[activities.SaveWatermarkResult](s.World, s.opt.SaveOptOutPosition, activities.SaveWatermarkInput{RunRef: ref}).State)
}

// An export that is written anew while it is carried, under the name that every one
// has, is neither deleted nor moved away: what is new in it is read next.
func TestAnExportThatIsReplacedIsNotPutAway(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]bool{"deleted when read": true, "moved when read": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
			s.optOpts.Files.Delete = remove
			s.rebuild()
			s.startOptOut()
			a, b := s.keys[0], s.keys[1]
			s.inCampaign(a, "blackListEmail", true)
			s.export("optout_daily.csv", exportHeader+s.exportRow(a))
			require.Equal(t, []int{1}, s.looked("first", true).Lanes)
			s.inCampaign(b, "blackListEmail", true)
			s.export("optout_daily.csv", exportHeader+s.exportRow(a)+s.exportRow(b))
			s.carried("first")
			waiting, processed := s.exports()
			require.Equal(t, []string{"optout_daily.csv"}, waiting)
			require.Empty(t, processed)
			s.settle()
			require.Equal(t, [2]bool{true, true}, s.both(b))
			waiting, _ = s.exports()
			require.Empty(t, waiting)
		})
	}
}

// R20.2: a file that was read and cannot be put away holds up neither the flow nor
// the files behind it.
func TestAFileThatCannotBePutAwayHoldsNothingUp(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]*apierr.Error{
		"the server is full":      {Class: apierr.Blocked, Reason: apierr.ReasonNoSpace, Service: "sftp", Op: "move"},
		"it may not be moved":     {Class: apierr.Blocked, Reason: apierr.ReasonPermission, Service: "sftp", Op: "move"},
		"the server fails at it":  {Class: apierr.Retryable, Reason: apierr.ReasonServiceFault, Service: "sftp", Op: "move"},
		"files of its name exist": {Class: apierr.Rejected, Reason: apierr.ReasonExists, Service: "sftp", Op: "move"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
			server := s.picky()
			require.NoError(t, server.EnsureFolder(t.Context(), "d365_loads/exports/processed"))
			s.startOptOut()
			a, b := s.keys[0], s.keys[1]
			server.move, server.remove = why, why
			old := s.export("processed/optout_20260101_010000.csv", exportHeader) // kept long enough
			require.NoError(t, os.Chtimes(old, time.Time{}, s.Sandboxes.Clock.Now().Add(-16*24*time.Hour)))
			s.inCampaign(a, "blackListEmail", true)
			s.export("optout_20260301_010000.csv", exportHeader+s.exportRow(a))
			s.settle()
			s.inCampaign(b, "blackListEmail", true)
			s.export("optout_20260302_010000.csv", exportHeader+s.exportRow(b))
			s.settle()
			require.Equal(t, [2]bool{true, true}, s.both(a))
			require.Equal(t, [2]bool{true, true}, s.both(b))
			server.move, server.remove = nil, nil
			s.Sandboxes.Clock.Advance(time.Hour)
			s.settle()
			waiting, processed := s.exports()
			require.Empty(t, waiting)
			require.Len(t, processed, 2)
		})
	}
}

// A file that was put back, with its date, is put away as often as that is done.
func TestAFileThatIsPutBackIsPutAway(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
	s.startOptOut()
	s.inCampaign(s.keys[0], "blackListEmail", true)
	text, at := exportHeader+s.exportRow(s.keys[0]), s.Sandboxes.Clock.Now()
	for range 4 {
		path := s.export("optout_20260301_010000.csv", text)
		require.NoError(t, os.Chtimes(path, at, at))
		s.settle()
		waiting, _ := s.exports()
		require.Empty(t, waiting)
	}
}

// Files that have piled up are read one after the other, however long the pause
// between looks is.
func TestFilesThatPiledUpAreReadAtOnce(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
	s.settings.CampaignEvery = 24 * time.Hour
	s.startOptOut()
	for i, name := range []string{"optout_20260301_010000.csv", "optout_20260302_010000.csv", "optout_20260303_010000.csv"} {
		s.inCampaign(s.keys[i], "blackListEmail", true)
		s.export(name, exportHeader+s.exportRow(s.keys[i]))
	}
	for i, run := range []string{"one", "two", "three"} {
		require.Equal(t, 1, s.looked(run, i == 0).Read, run)
		s.carried(run)
		require.Equal(t, [2]bool{true, true}, s.both(s.keys[i]))
	}
}

// A look that failed is no look: the next one follows within a minute, however long
// the pause between looks is. Also when Dynamics had something meanwhile.
func TestALookThatFailedIsSoonRepeated(t *testing.T) {
	t.Parallel()
	down := &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonNetwork, Service: "sftp", Op: "it"}
	for name, fails := range map[string]func(*pickyFiles, error){
		"the server is away": func(p *pickyFiles, err error) { p.list = err },
		"the download broke": func(p *pickyFiles, err error) { p.download = err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceSFTP)
			s.settings.CampaignEvery = 24 * time.Hour
			server := s.picky()
			s.startOptOut()
			s.inCampaign(s.keys[0], "blackListEmail", true)
			s.export("optout_20260301_010000.csv", exportHeader+s.exportRow(s.keys[0]))
			s.inDynamics(s.keys[1], "donotbulkemail", true)
			fails(server, down)
			require.Equal(t, 1, s.looked("dynamics", true).Read, "what Dynamics has")
			s.carried("dynamics")
			fails(server, nil)
			s.Sandboxes.Clock.Advance(time.Minute)
			require.Equal(t, 1, s.looked("files", false).Read)
		})
	}
}
