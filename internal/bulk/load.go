package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"causeway.dev/internal/campaign"
)

// Stage is how far a part has come. Each is kept before what follows it is done, so that
// a load which was killed goes on from it.
type Stage string

// The stages, in order.
const (
	Made    Stage = "made"    // nothing of it has left
	Sent    Stage = "sent"    // it may be on the server: the workflow may import it at any time
	Started Stage = "started" // the workflow may have been told to start
	Counted Stage = "counted" // it is off the server, the workflow does not run, and the results are final
)

// Outstanding says that the workflow may still write records of the part. Until it has been
// counted or given up, nothing else may write them.
func (s Stage) Outstanding() bool { return s == Sent || s == Started }

// Progress is where a part stands.
type Progress struct {
	Part  Part  `json:"part"`
	Stage Stage `json:"stage"`
	Tries int   `json:"tries"` // how often it was sent
	// Since is when the stage was entered.
	Since time.Time `json:"since"`
}

// workflows is the API of Campaign's workflows, as campaign.Client is.
type workflows interface {
	GetWorkflow(ctx context.Context, id string) (*campaign.Workflow, error)
	CommandWorkflow(ctx context.Context, id string, command campaign.WorkflowCommand) error
}

// Loader has an import workflow load parts, one at a time.
type Loader struct {
	Outbox    *Outbox
	Workflows workflows
	Workflow  string // its internal ID
	Folder    string // for copies of results, on a local disk

	// Save keeps where the part stands. It is durable when Save returns nil; else the load
	// goes no further.
	Save func(ctx context.Context, p Progress) error
	// Wait waits between two looks at the workflow.
	Wait func(ctx context.Context) error
	Now  func() time.Time

	// Settles is how long a command may take to show, and the results after the end of a run.
	Settles time.Duration
	Tries   int // how often a part is sent whose rows do not all have an outcome; at least 1
}

// ErrNotFree says that a part cannot be sent because the workflow runs, or something lies
// at its place, that this load has not begun.
var ErrNotFree = errors.New("the import workflow is not free")

// Load brings a part to its results, from wherever it stands, and returns what became of
// its rows. Rows without an outcome stay doubtful. When it returns nil, the part is off the
// server and the workflow does not run: nothing of the part is written any more. The
// results stay on the server until Outbox.Clear, so that Load can be called again until its
// caller has kept what they say.
//
// content opens the part. Written again it must be the same, which Put sees by its size.
func (l *Loader) Load(ctx context.Context, p Progress, content func() (io.ReadCloser, error)) (*Tally, error) {
	for {
		var err error
		switch p.Stage {
		case Made:
			if err = l.free(ctx); err == nil {
				p.Tries = 1
				err = l.enter(ctx, &p, Sent)
			}
		case Sent:
			if err = l.send(ctx, p.Part, content); err == nil {
				err = l.enter(ctx, &p, Started)
			}
			if err == nil {
				// An answer that was lost is not asked for again: the results say what happened.
				err = l.Workflows.CommandWorkflow(ctx, l.Workflow, campaign.StartWorkflow)
			}
		case Started:
			err = l.finish(ctx, &p)
		case Counted:
			return l.count(ctx, p.Part)
		default:
			err = fmt.Errorf("part %s: no such stage: %q", p.Part.ID, p.Stage)
		}
		if err != nil {
			return nil, err
		}
	}
}

// GiveUp makes sure that nothing of a part is written any more: the file is removed, then
// the workflow stopped, and seen stopped. It returns what the results say of the rows; rows
// without an outcome stay doubtful. It may be called again.
func (l *Loader) GiveUp(ctx context.Context, p Progress) (*Tally, error) {
	if p.Stage.Outstanding() {
		if err := l.close(ctx); err != nil {
			return nil, err
		}
		if err := l.enter(ctx, &p, Counted); err != nil {
			return nil, err
		}
	}
	if p.Stage == Made {
		return NewTally(p.Part), nil
	}
	return l.count(ctx, p.Part)
}

func (l *Loader) enter(ctx context.Context, p *Progress, s Stage) error {
	next := *p
	next.Stage, next.Since = s, l.Now()
	if err := l.Save(ctx, next); err != nil {
		return fmt.Errorf("part %s: keeping that it is %s: %w", p.Part.ID, s, err)
	}
	*p = next
	return nil
}

// free refuses a workflow that is at something of somebody else's. Results of earlier parts
// are removed.
func (l *Loader) free(ctx context.Context) error {
	w, err := l.Workflows.GetWorkflow(ctx, l.Workflow)
	if err != nil {
		return err
	}
	if w.Status == campaign.WorkflowError { // nothing of it runs, but it takes no start
		if err := l.stop(ctx); err != nil {
			return err
		}
	} else if !idle(w.Status) {
		return fmt.Errorf("%w: the workflow %s is in the state %q, want it stopped", ErrNotFree, l.Workflow, w.Status)
	}
	if err := l.Outbox.prepare(ctx); err != nil {
		return err
	}
	there, err := l.Outbox.Outstanding(ctx)
	if err != nil {
		return err
	}
	if there {
		return fmt.Errorf("%w: the file %s is on the server, and is not of this load; remove it", ErrNotFree, l.Outbox.File)
	}
	return l.Outbox.Clear(ctx)
}

func (l *Loader) send(ctx context.Context, p Part, content func() (io.ReadCloser, error)) error {
	if err := l.Outbox.Server.RemoveUnfinished(ctx, l.Outbox.File); err != nil {
		return err
	}
	src, err := content()
	if err != nil {
		return err
	}
	defer src.Close()
	return l.Outbox.Put(ctx, p, src)
}

// finish waits until the workflow has run. A part of which not every row has an outcome is
// sent again, which changes nothing of what was imported already.
func (l *Loader) finish(ctx context.Context, p *Progress) error {
	ran, failed := false, false
	var stopped time.Time // since when it was seen standing still
	for {
		w, err := l.Workflows.GetWorkflow(ctx, l.Workflow)
		if err != nil {
			return err
		}
		now := l.Now()
		switch w.Status {
		case campaign.WorkflowStarted:
			ran, stopped = true, time.Time{}
		case campaign.WorkflowWarning:
			ran, stopped = true, time.Time{} // somebody has paused it, and resumes or stops it
		default:
			if stopped.IsZero() {
				stopped = now
			}
			failed = failed || w.Status == campaign.WorkflowError
			tally, err := l.count(ctx, p.Part)
			if err != nil {
				return err
			}
			c := tally.Counts()
			// Until a start has had time to show, a workflow that stands still says nothing.
			since := stopped
			if !ran && !failed && c.Missing == c.Read {
				since = slices.MaxFunc([]time.Time{since, p.Since}, time.Time.Compare)
			}
			if c.Balanced() || failed || now.Sub(since) >= l.Settles {
				return l.conclude(ctx, p, c.Balanced())
			}
		}
		if err := l.Wait(ctx); err != nil {
			return err
		}
	}
}

// conclude ends a try. The file is gone and the workflow seen stopped before the part
// counts as imported, for somebody's start would import it over what is written later.
func (l *Loader) conclude(ctx context.Context, p *Progress, balanced bool) error {
	if err := l.close(ctx); err != nil {
		return err
	}
	if !balanced && p.Tries < l.Tries {
		p.Tries++
		return l.enter(ctx, p, Sent)
	}
	return l.enter(ctx, p, Counted)
}

// close removes the file, and then sees that the workflow runs no more: a run that has
// begun has its own copy, and a start that comes later finds no file.
func (l *Loader) close(ctx context.Context) error {
	if err := l.Outbox.Withdraw(ctx); err != nil {
		return err
	}
	return l.stop(ctx)
}

func idle(s campaign.WorkflowStatus) bool {
	return s == campaign.WorkflowFinished || s == campaign.WorkflowEdition
}

// stop sees that the workflow does not run, and stops it where it does. Commands are only
// stored, and may show late.
func (l *Loader) stop(ctx context.Context) error {
	var told time.Time
	for {
		w, err := l.Workflows.GetWorkflow(ctx, l.Workflow)
		if err != nil {
			return err
		}
		if idle(w.Status) {
			return nil
		}
		if now := l.Now(); told.IsZero() || now.Sub(told) >= l.Settles {
			if err := l.Workflows.CommandWorkflow(ctx, l.Workflow, campaign.StopWorkflow); err != nil {
				return err
			}
			told = now
		}
		if err := l.Wait(ctx); err != nil {
			return err
		}
	}
}

// count reads what the results say now. Damaged ones say nothing.
func (l *Loader) count(ctx context.Context, p Part) (*Tally, error) {
	tally := NewTally(p)
	folder, err := os.MkdirTemp(l.Folder, "causeway-results-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // it is temporary
	err = l.Outbox.Collect(ctx, tally, folder)
	if _, damaged := errors.AsType[*Damaged](err); damaged {
		err = nil
	}
	return tally, err
}
