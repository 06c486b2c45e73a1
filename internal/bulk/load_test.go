package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/bulk"
	"causeway.dev/internal/campaign"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
)

var errKilled = errors.New("killed")

// killer ends a load at one of its calls: before it, or after it was done and before its
// answer was there. What it does then is lost, as in a process that is gone.
type killer struct {
	left  int // calls until then; -1: never
	after bool
	dead  bool
}

func (k *killer) call(do func() error) error {
	if k.dead {
		return errKilled
	}
	if k.left == 0 {
		k.dead = true
		if k.after {
			_ = do()
		}
		return errKilled
	}
	k.left--
	return do()
}

// life is one process that loads a part. What it has kept is in site.kept.
type life struct {
	*killer
	loading *loading
}

// loading is a load of one part, over several lives.
type loading struct {
	*site
	t       *testing.T
	part    bulk.Part
	content string
	kept    bulk.Progress // as a ledger has it
	starts  int
	broken  []string // rules that were broken
	waited  func()   // instead of the passing of a minute
}

func newLoading(t *testing.T, s *site, rows int) *loading {
	t.Helper()
	p, content := s.part(t, rows)
	return &loading{site: s, t: t, part: p, content: content, kept: bulk.Progress{Part: p, Stage: bulk.Made}}
}

func (l *loading) loader(k *killer) *bulk.Loader {
	life := &life{k, l}
	box := *l.outbox
	box.Server = life.files(l.outbox)
	return &bulk.Loader{
		Outbox: &box, Workflows: life, Workflow: workflow, Folder: l.t.TempDir(), Tries: 3, Settles: 5 * time.Minute,
		Save: func(_ context.Context, p bulk.Progress) error {
			return life.call(func() error { l.kept = p; return nil })
		},
		Wait: func(ctx context.Context) error {
			return life.call(func() error {
				if l.waited != nil {
					l.waited()
				}
				l.Advance(time.Minute)
				return ctx.Err()
			})
		},
		Now: l.Clock.Now,
	}
}

func (l *loading) open() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(l.content)), nil
}

func (l *loading) load(k *killer) (*bulk.Tally, error) {
	return l.loader(k).Load(l.t.Context(), l.kept, l.open)
}

// closed checks that nothing of the part can be written any more, and that nothing was done
// that the ledger did not know of.
func (l *loading) closed() {
	l.t.Helper()
	require.Empty(l.t, l.broken)
	require.False(l.t, l.kept.Stage.Outstanding())
	files, err := filepath.Glob(filepath.Join(l.SFTPDir, "import", "*"))
	require.NoError(l.t, err)
	hidden, err := filepath.Glob(filepath.Join(l.SFTPDir, "import", ".*"))
	require.NoError(l.t, err)
	require.Equal(l.t, []string{filepath.Join(l.SFTPDir, "import", "results")}, append(files, hidden...), "no part is on the server, and no half of one")
	before := l.Campaign.Count("profile")
	l.Advance(time.Hour)
	w, err := l.api.GetWorkflow(l.t.Context(), workflow)
	require.NoError(l.t, err)
	require.NotEqual(l.t, campaign.WorkflowStarted, w.Status)
	require.EqualValues(l.t, before, l.Campaign.Count("profile"), "nothing is written later")
}

func (f *life) GetWorkflow(ctx context.Context, id string) (w *campaign.Workflow, err error) {
	err = f.call(func() error { w, err = f.loading.api.GetWorkflow(ctx, id); return err })
	return w, err
}

func (f *life) CommandWorkflow(ctx context.Context, id string, c campaign.WorkflowCommand) error {
	return f.call(func() error {
		if c == campaign.StartWorkflow {
			f.loading.starts++
			if f.loading.kept.Stage != bulk.Started {
				f.loading.broken = append(f.loading.broken, "started, and the ledger does not know")
			}
		}
		return f.loading.api.CommandWorkflow(ctx, id, c)
	})
}

// served is the file server of one life.
type served struct {
	*life
	to interface {
		EnsureFolder(ctx context.Context, folder string) error
		Upload(ctx context.Context, file string, content io.Reader) error
		List(ctx context.Context, folder string) ([]campaign.RemoteFile, error)
		Download(ctx context.Context, file campaign.RemoteFile, dest string) (*campaign.Downloaded, error)
		Remove(ctx context.Context, file string) error
		RemoveUnfinished(ctx context.Context, file string) error
	}
}

func (f *life) files(o *bulk.Outbox) *served { return &served{f, o.Server} }

func (s *served) EnsureFolder(ctx context.Context, folder string) error {
	return s.call(func() error { return s.to.EnsureFolder(ctx, folder) })
}

func (s *served) Upload(ctx context.Context, file string, content io.Reader) error {
	return s.call(func() error {
		if s.loading.kept.Stage != bulk.Sent {
			s.loading.broken = append(s.loading.broken, "sent, and the ledger does not know")
		}
		return s.to.Upload(ctx, file, content)
	})
}

func (s *served) List(ctx context.Context, folder string) (files []campaign.RemoteFile, err error) {
	err = s.call(func() error { files, err = s.to.List(ctx, folder); return err })
	return files, err
}

func (s *served) Download(ctx context.Context, file campaign.RemoteFile, dest string) (got *campaign.Downloaded, err error) {
	err = s.call(func() error { got, err = s.to.Download(ctx, file, dest); return err })
	return got, err
}

func (s *served) Remove(ctx context.Context, file string) error {
	return s.call(func() error { return s.to.Remove(ctx, file) })
}

func (s *served) RemoveUnfinished(ctx context.Context, file string) error {
	return s.call(func() error { return s.to.RemoveUnfinished(ctx, file) })
}

// slow makes a run of five rows take about two minutes.
func slow(o *stack.Options) { o.ImportRate = 0.05 }

func TestALoadOfAPart(t *testing.T) {
	t.Parallel()
	l := newLoading(t, newSite(t), 50)
	tally, err := l.load(&killer{left: -1})
	require.NoError(t, err)
	require.Equal(t, bulk.Counts{Read: 50, Inserted: 50}, tally.Counts())
	require.Equal(t, 1, l.starts)
	l.closed()
	require.Zero(t, l.Campaign.Calls().Engine())
}

// A process that is killed at any of its calls loses nothing: the next one goes on from
// what was kept, and a part that is imported again changes nothing.
func TestALoadThatIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%v", after), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			for at := 0; ; at++ {
				for n := range s.Campaign.Count("profile") {
					require.NoError(t, s.Campaign.Delete("profile", fmt.Sprint("k", n)))
				}
				l := newLoading(t, s, 5)
				k := &killer{left: at, after: after}
				_, err := l.load(k)
				if !k.dead {
					require.NoError(t, err)
					require.Greater(t, at, 15, "the calls were counted")
					return
				}
				require.ErrorIs(t, err, errKilled)
				tally, err := l.load(&killer{left: -1})
				require.NoError(t, err, "killed at call %d", at)
				c := tally.Counts()
				require.True(t, c.Balanced(), "killed at call %d: %+v", at, c)
				require.Zero(t, c.Refused)
				require.EqualValues(t, 5, s.Campaign.Count("profile"))
				require.LessOrEqual(t, l.starts, 2, "killed at call %d", at)
				l.closed()
				require.NoError(t, l.outbox.Clear(t.Context()))
			}
		})
	}
}

// Giving up in the middle of a run: the file is gone and the workflow stopped, whatever
// kills the one who gives up, and what was written stays doubtful.
func TestGivingUpAPart(t *testing.T) {
	t.Parallel()
	s := newSite(t, slow)
	for at := 0; ; at++ {
		l := newLoading(t, s, 5)
		for n := range s.Campaign.Count("profile") {
			require.NoError(t, s.Campaign.Delete("profile", fmt.Sprint("k", n)))
		}
		starting := &killer{left: -1}
		l.waited = func() { starting.dead = true } // killed as soon as the workflow has been told to start
		_, err := l.load(starting)
		require.NoError(t, errNot(err))
		l.waited = nil
		require.True(t, l.kept.Stage.Outstanding())
		k := &killer{left: at}
		_, err = l.loader(k).GiveUp(t.Context(), l.kept)
		if k.dead {
			require.ErrorIs(t, err, errKilled)
			_, err = l.loader(&killer{left: -1}).GiveUp(t.Context(), l.kept)
		}
		require.NoError(t, err)
		tally, err := l.loader(&killer{left: -1}).GiveUp(t.Context(), l.kept)
		require.NoError(t, err, "again")
		require.Equal(t, 5, tally.Counts().Missing)
		l.closed()
		if !k.dead {
			require.Greater(t, at, 4)
			return
		}
	}
}

func errNot(err error) error {
	if errors.Is(err, errKilled) {
		return nil
	}
	return fmt.Errorf("want it killed, got %w", err)
}

// A part that was never sent needs nothing to be given up.
func TestGivingUpAPartThatWasNotSent(t *testing.T) {
	t.Parallel()
	l := newLoading(t, newSite(t), 5)
	tally, err := l.loader(&killer{}).GiveUp(t.Context(), l.kept)
	require.NoError(t, err)
	require.Equal(t, 5, tally.Counts().Missing)
	require.Equal(t, bulk.Made, l.kept.Stage)
}

// A run that breaks half way is made again, with the same part.
func TestALoadWhoseWorkflowBreaks(t *testing.T) {
	t.Parallel()
	l := newLoading(t, newSite(t), 50)
	require.NoError(t, l.Imports.BreakAfter(workflow, 20))
	tally, err := l.load(&killer{left: -1})
	require.NoError(t, err)
	require.Equal(t, bulk.Counts{Read: 50, Inserted: 30, Updated: 20}, tally.Counts())
	require.Equal(t, 2, l.starts)
	l.closed()
}

// A workflow that always breaks is tried a bounded number of times. Then nothing says what
// was written, and the rows stay doubtful.
func TestALoadWhoseWorkflowAlwaysBreaks(t *testing.T) {
	t.Parallel()
	l := newLoading(t, newSite(t), 50)
	l.waited = func() { _ = l.Imports.BreakAfter(workflow, 20) }
	require.NoError(t, l.Imports.BreakAfter(workflow, 20))
	tally, err := l.load(&killer{left: -1})
	require.NoError(t, err)
	require.Equal(t, bulk.Counts{Read: 50, Missing: 50}, tally.Counts())
	require.Equal(t, 3, l.starts)
	l.closed()
}

// A workflow that somebody stops in the middle is started again: finished does not mean done.
func TestALoadWhoseWorkflowIsStoppedByAPerson(t *testing.T) {
	t.Parallel()
	l := newLoading(t, newSite(t, slow), 5)
	l.waited = func() {
		if l.waited = nil; l.starts == 1 {
			l.Advance(10 * time.Second)
			require.NoError(t, l.api.CommandWorkflow(t.Context(), workflow, campaign.StopWorkflow))
		}
	}
	tally, err := l.load(&killer{left: -1})
	require.NoError(t, err)
	require.True(t, tally.Counts().Balanced())
	require.Equal(t, 2, l.starts)
	l.closed()
}

// A result that is damaged says nothing, and hides nothing that the others say.
func TestALoadWithADamagedResult(t *testing.T) {
	t.Parallel()
	l := newLoading(t, newSite(t), 5)
	l.waited = func() {
		require.NoError(t, os.WriteFile(filepath.Join(l.SFTPDir, "import", "results", "refused_0.csv"), []byte("not a table\n"), 0o600))
	}
	tally, err := l.load(&killer{left: -1})
	require.NoError(t, err)
	require.Equal(t, bulk.Counts{Read: 5, Inserted: 5}, tally.Counts())
	l.closed()
}

// What is not of this load is left alone: a workflow that somebody runs, a file that
// somebody has put there. Nothing is sent then.
func TestALoadThatWouldMeetAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t, slow)
	l := newLoading(t, s, 5)
	require.NoError(t, l.outbox.Put(t.Context(), l.part, strings.NewReader(l.content)))
	_, err := l.load(&killer{left: -1})
	require.ErrorIs(t, err, bulk.ErrNotFree)
	require.ErrorContains(t, err, "import/profile.csv is on the server")
	require.NoError(t, l.api.CommandWorkflow(t.Context(), workflow, campaign.StartWorkflow))
	s.Advance(10 * time.Second)
	_, err = l.load(&killer{left: -1})
	require.ErrorIs(t, err, bulk.ErrNotFree)
	require.ErrorContains(t, err, `in the state "started"`)
	require.Equal(t, bulk.Made, l.kept.Stage)
	require.Zero(t, l.starts)
}

// A start whose answer is lost is not given again while nobody knows what it did.
func TestAStartWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	l := newLoading(t, newSite(t, slow), 5)
	_, err := l.Faults.Add(kit.Rule{Service: "campaign", Method: "POST", Path: "/commands", Action: kit.ResetAfter, Times: 1})
	require.NoError(t, err)
	if _, err = l.load(&killer{left: -1}); err != nil {
		_, err = l.load(&killer{left: -1})
	}
	require.NoError(t, err)
	require.Equal(t, 1, l.starts)
	l.closed()
}

// What a killed upload has left is removed with the part.
func TestALoadRemovesWhatAKilledUploadLeft(t *testing.T) {
	t.Parallel()
	l := newLoading(t, newSite(t), 5)
	half := filepath.Join(l.SFTPDir, "import", ".profile.csv.ABCDEFGH")
	others := filepath.Join(l.SFTPDir, "import", ".profile.csv.of-somebody-else")
	for _, file := range []string{half, others} {
		require.NoError(t, os.WriteFile(file, []byte("half of a part"), 0o600))
	}
	_, err := l.load(&killer{left: -1})
	require.NoError(t, err)
	require.NoFileExists(t, half)
	require.FileExists(t, others)
	require.NoError(t, os.Remove(others))
	l.closed()
}
