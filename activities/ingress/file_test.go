package ingress_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/bulk"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	"causeway.dev/sandbox/imports"
	"causeway.dev/sandbox/stack"
)

const importFlow = "WKF_import"

// filed is a world whose contacts can be loaded by file.
type filed struct {
	*activitytest.World
	load ingress.FileLoad
}

func newFiled(t *testing.T, contacts int, edit ...func(*stack.Options)) *filed {
	t.Helper()
	s := &filed{World: activitytest.NewWorld(t, contacts, edit...)}
	boxes := s.Sandboxes
	key, err := os.ReadFile(boxes.SFTPKeyFile)
	require.NoError(t, err)
	files, err := campaign.NewSFTP(campaign.SFTPOptions{Addr: boxes.SFTPAddress, User: boxes.SFTPUser, Key: key, KnownHosts: boxes.SFTPKnownHostsFile})
	require.NoError(t, err)
	t.Cleanup(func() { _ = files.Close() })
	s.load = ingress.FileLoad{
		Outbox:    bulk.Outbox{Server: files, File: "import/contacts.csv", Results: "import/results"},
		Workflows: s.IngressOptions.Target.(*campaign.Client), Workflow: importFlow, Folder: t.TempDir(), Settles: 5 * time.Minute, Tries: 3, Sample: 5,
		Now: boxes.Clock.Now,
		Wait: func(ctx context.Context) error {
			boxes.Advance(time.Minute)
			return ctx.Err()
		},
	}
	columns := []string{"causeway_file", "causeway_row", "birthDate", "email", "externalId", "firstName", "lastName", "location_city"}
	require.NoError(t, boxes.Imports.Build(imports.Workflow{ID: importFlow, Resource: "profile", Columns: columns, File: s.load.Outbox.File, Results: s.load.Outbox.Results}))
	s.restart()
	return s
}

// restart makes the activities anew, with the load as it is set now.
func (s *filed) restart() {
	s.IngressOptions.Files = map[string]ingress.FileLoad{"contacts": s.load}
	s.Ingress = ingress.New(s.IngressOptions)
	s.Env = activitytest.NewEnv()
	s.Register()
}

func (s *filed) initial() activities.RunRef {
	s.Runs++
	return activities.RunRef{Run: fmt.Sprintf("contacts-%d", s.Runs), Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindInitial, ByFile: true}
}

func (s *filed) loadAll() activities.SaveWatermarkResult {
	s.Preflight()
	return s.RunPhases(s.initial(), activities.PhaseBaseline, activities.PhaseCatchUp)
}

// done checks that Campaign holds what REST would have written, that the ledger knows it, and
// that nothing of the files is left.
func (s *filed) done() {
	s.T.Helper()
	require.Empty(s.T, s.Differences())
	out, err := s.Ledger.OutstandingFile(s.T.Context(), "contacts")
	require.NoError(s.T, err)
	require.Nil(s.T, out)
	var left []string
	require.NoError(s.T, filepath.WalkDir(filepath.Join(s.Sandboxes.SFTPDir, "import"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, path)
		}
		return err
	}))
	require.Empty(s.T, left, "personal data stays on the server")
	calls := s.EngineCalls()
	require.Zero(s.T, s.Scan(activities.Window{}).Written(), "the ledger does not know what the files have written")
	require.Equal(s.T, calls, s.EngineCalls())
}

// The first page goes by REST, and of the others only what opts out, and a sample.
func TestALoadByFile(t *testing.T) {
	t.Parallel()
	s := newFiled(t, 1000)
	optOut := int64(0)
	s.Sandboxes.Dynamics.Each("contacts", func(_ string, row map[string]any) bool {
		if row["donotbulkemail"] == true {
			optOut++
		}
		return true
	})
	require.NotZero(t, optOut)
	out := s.loadAll()
	require.Equal(t, "COMPLETED", out.State)
	require.Equal(t, int64(1000), out.Counts.Created, "%+v", out.Counts)
	require.Less(t, s.EngineCalls(), 100+optOut+9*4*6+10)
	s.done()

	key := s.Sandboxes.Dynamics.Keys("contacts")[700]
	s.Edit(key, map[string]any{"lastname": "Quitten"})
	require.Equal(t, int64(1), s.Delta().Updated, "the changes go on by REST")
}

// What a file created is undone like what REST created.
func TestALoadByFileIsRolledBack(t *testing.T) {
	t.Parallel()
	s := newFiled(t, 140)
	s.load.Wait = func(ctx context.Context) error {
		s.Sandboxes.Advance(6 * time.Second) // hardly more than a command takes: a rollback compares clocks
		return ctx.Err()
	}
	s.restart()
	s.loadAll()
	require.EqualValues(t, 140, s.Sandboxes.Campaign.Count("profile"))
	s.Rollback("contacts-1")
	require.Zero(t, s.Sandboxes.Campaign.Count("profile"))
}

// A load by file and a load by REST leave the same in Campaign and in the ledger.
func TestNoRecordOfAFileDiffersFromOneByREST(t *testing.T) {
	t.Parallel()
	file, rest := newFiled(t, 400), activitytest.NewWorld(t, 400)
	file.loadAll()
	rest.Load()
	require.Equal(t, rest.Profiles(), file.Profiles())
	for _, key := range rest.Sandboxes.Dynamics.Keys("contacts") {
		want, err := rest.Ledger.Records(t.Context(), "contacts", []string{key})
		require.NoError(t, err)
		got, err := file.Ledger.Records(t.Context(), "contacts", []string{key})
		require.NoError(t, err)
		require.Equal(t, want[key], got[key])
	}
}

var errPulled = errors.New("the plug was pulled")

// plug ends a lane at one of its calls to the file server or the workflow, as a kill does.
type plug struct {
	inner interface {
		EnsureFolder(ctx context.Context, folder string) error
		Upload(ctx context.Context, file string, content io.Reader) error
		List(ctx context.Context, folder string) ([]campaign.RemoteFile, error)
		Download(ctx context.Context, file campaign.RemoteFile, dest string) (*campaign.Downloaded, error)
		Remove(ctx context.Context, file string) error
		RemoveUnfinished(ctx context.Context, file string) error
	}
	left int
}

func (p *plug) pull() error {
	if p.left--; p.left == 0 {
		return errPulled
	}
	return nil
}

func (p *plug) EnsureFolder(ctx context.Context, folder string) error {
	return errors.Join(p.pull(), p.inner.EnsureFolder(ctx, folder))
}

func (p *plug) Upload(ctx context.Context, file string, content io.Reader) error {
	return errors.Join(p.inner.Upload(ctx, file, content), p.pull())
}

func (p *plug) List(ctx context.Context, folder string) ([]campaign.RemoteFile, error) {
	files, err := p.inner.List(ctx, folder)
	return files, errors.Join(err, p.pull())
}

func (p *plug) Download(ctx context.Context, file campaign.RemoteFile, dest string) (*campaign.Downloaded, error) {
	got, err := p.inner.Download(ctx, file, dest)
	return got, errors.Join(err, p.pull())
}

func (p *plug) Remove(ctx context.Context, file string) error {
	return errors.Join(p.inner.Remove(ctx, file), p.pull())
}

func (p *plug) RemoveUnfinished(ctx context.Context, file string) error {
	return errors.Join(p.inner.RemoveUnfinished(ctx, file), p.pull())
}

// An attempt that ends anywhere loses nothing: the next goes on with the part where it was.
func TestALoadByFileThatIsInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	for at := 1; at < 60; at += 4 {
		s := newFiled(t, 220)
		s.load.Outbox.Server = &plug{inner: s.load.Outbox.Server, left: at}
		s.LaneAttempts = 5
		s.restart()
		out := s.loadAll()
		require.Equal(t, int64(220), out.Counts.Created+out.Counts.Updated+out.Counts.Unchanged, "pulled at %d: %+v", at, out.Counts)
		s.done()
	}
}

// What the workflow refuses goes by REST, which says why, and to quarantine.
func TestWhatAFileCannotSettleGoesByREST(t *testing.T) {
	t.Parallel()
	s := newFiled(t, 300)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys[150:160] {
		s.Edit(key, map[string]any{"address1_city": "two\nlines"})
	}
	require.NoError(t, s.Sandboxes.Imports.BreakAfter(importFlow, 7))
	out := s.loadAll()
	require.Equal(t, int64(310), out.Counts.Read, "the catch-up reads what was edited again")
	require.Equal(t, int64(300), out.Counts.Created+out.Counts.Updated)
	s.done()
}

// While a file is outstanding, no lane of the table is written; who gives the run up removes
// the file first. A run whose workflow was ended from outside is given up by the next.
func TestAnOutstandingFileIsGivenUpFirst(t *testing.T) {
	t.Parallel()
	for name, ended := range map[string]bool{"by the end of its run": true, "by the next run": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFiled(t, 220, func(o *stack.Options) { o.ImportRate = 0.01 })
			s.load.Wait = func(context.Context) error { return errPulled }
			s.restart()
			s.Preflight()
			ref := s.initial()
			activitytest.Call[activities.OpenRunResult](s.World, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref})
			for page := 1; page <= 2; page++ {
				activitytest.Call[activities.FetchResult](s.World, s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: page, Phase: activities.PhaseBaseline, Lanes: 2})
			}
			_, err := s.Env.ExecuteActivity(s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 2})
			require.ErrorContains(t, err, errPulled.Error())
			s.Sandboxes.Advance(10 * time.Second)
			out, err := s.Ledger.OutstandingFile(t.Context(), "contacts")
			require.NoError(t, err)
			require.NotNil(t, out)
			require.EqualValues(t, 1, s.EngineCalls(), "whether Campaign holds records was asked once")
			_, err = s.Env.ExecuteActivity(s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
			require.ErrorContains(t, err, "outstanding")
			require.EqualValues(t, 1, s.EngineCalls(), "nothing was written")

			s.load.Wait = func(ctx context.Context) error { s.Sandboxes.Advance(time.Minute); return ctx.Err() }
			s.restart()
			if ended {
				_, err = s.Env.ExecuteActivity(s.Ingress.EndRun, activities.EndRunInput{RunRef: ref, State: string(ledger.RunCancelled), Drop: true})
				require.NoError(t, err)
				out, err = s.Ledger.OutstandingFile(t.Context(), "contacts")
				require.NoError(t, err)
				require.Nil(t, out)
			} else {
				require.NoError(t, s.Ledger.SetRunState(t.Context(), ref.Run, ledger.RunFailed, "its workflow was ended from outside"))
				require.NoError(t, s.Ledger.DropPages(t.Context(), ref.Run))
			}
			before := s.Sandboxes.Campaign.Count("profile")
			s.Load()
			require.EqualValues(t, 220, s.Sandboxes.Campaign.Count("profile"), "%d were there", before)
			w, err := s.load.Workflows.GetWorkflow(t.Context(), importFlow)
			require.NoError(t, err)
			require.NotEqual(t, campaign.WorkflowStarted, w.Status)
			require.Empty(t, s.Differences())
		})
	}
}
