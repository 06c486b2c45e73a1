package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/exports"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
)

// stageFilePage stages the next page of exported files. Files are read in the order of
// their names, each to its end, some rows to a page. A file that cannot be read is named
// in the result, and the others are read.
func (f *pageFetch) stageFilePage(ctx context.Context) (*activities.FetchResult, error) {
	archive := f.archive()
	if archive == nil && !f.takesFiles() {
		return f.nothing(), nil
	}
	var at inbox.Position
	if f.last != nil && f.last.Phase == string(activities.PhaseFiles) {
		var err error
		if at, err = inbox.ParsePosition(f.last.Next); err != nil {
			return nil, run.Blocked(apierr.ReasonConfig, err.Error())
		}
		if f.last.Next.None() {
			return f.nothing(), nil
		}
	}
	var file *inbox.File[*eventRows]
	var err error
	if archive != nil {
		file, err = archive.Next(ctx, at)
		f.badFiles = archive.BadFiles
	} else {
		file, err = f.nextFile(ctx, at)
		f.badFiles = f.files.BadFiles(ctx)
	}
	if err != nil {
		return nil, err
	}
	f.metrics.badFiles.Tell(ctx, float64(len(f.badFiles)))
	if file == nil {
		return f.nothing(), nil
	}
	out, err := f.stageFile(ctx, file, archive == nil)
	if err != nil {
		return nil, err
	}
	out.BadFiles = f.badFiles
	return out, nil
}

// remoteFolder is how the folder of a window begins that is on the file server.
const remoteFolder = "sftp:"

// archive is the folder that a backfill reads; nil when it reads none.
func (f *pageFetch) archive() *inbox.Archive[*eventRows] {
	from := f.in.Window.Folder
	if !f.in.Window.Since.IsZero() || from == "" {
		return nil
	}
	return f.archiveOf(from)
}

// archiveOf is a folder as a Window names it; nil when it is on a file server and none is
// configured.
func (a *Activities) archiveOf(from string) *inbox.Archive[*eventRows] {
	if on, ok := strings.CutPrefix(from, remoteFolder); ok {
		return a.files.OnServer(on)
	}
	return a.files.OnDisk(from)
}

// CheckFolder says whether a backfill finds files in a folder, so that whoever asks for one
// learns at once when it does not.
func (a *Activities) CheckFolder(ctx context.Context, in activities.CheckFolderInput) (*activities.CheckFolderResult, error) {
	archive := a.archiveOf(in.Folder)
	if archive == nil {
		return &activities.CheckFolderResult{Problem: "got a folder of the file server, and the worker has no campaign.sftp"}, nil
	}
	n, err := archive.Files(ctx)
	switch fail, ours := errors.AsType[*apierr.Error](err); {
	case ours && apierr.ReasonOf(err) == apierr.ReasonNotFound:
		return &activities.CheckFolderResult{Problem: fmt.Sprintf("got %s: %s", in.Folder, fail.Message)}, nil
	case err != nil:
		return nil, run.ToTemporal(ctx, fmt.Errorf("looking into %s: %w", in.Folder, err))
	case n == 0:
		return &activities.CheckFolderResult{Problem: fmt.Sprintf("got %s, which holds no exported logs (broadlog_*.csv, trackinglog_*.csv, also .gz)", in.Folder)}, nil
	}
	return &activities.CheckFolderResult{Files: n}, nil
}

// takesFiles says whether this run takes files from the configured folder.
func (f *pageFetch) takesFiles() bool {
	return f.in.Window.Since.IsZero() && f.in.Window.Folder == "" && f.plan.Settings.SFTP()
}

// nextFile is the file in which a position of the configured folder is, or the next one that
// can be read; nil when there is none. After a file that was cut off, the next is read.
func (f *pageFetch) nextFile(ctx context.Context, at inbox.Position) (*inbox.File[*eventRows], error) {
	if at.Within() {
		file, err := f.files.Resume(ctx, f.in.Run, at)
		if !errors.Is(err, inbox.ErrCutOff) {
			return file, err
		}
	}
	file, err := f.files.Next(ctx, f.in.Run, at)
	if err != nil {
		return nil, f.unlessDown(ctx, at, err)
	}
	return file, nil
}

// unlessDown keeps a file server that is down from holding up a pass that has read events
// of the journal already: the files are left to a later pass. For a file that was begun
// the pass waits.
func (f *pageFetch) unlessDown(ctx context.Context, at inbox.Position, err error) error {
	class := apierr.ClassOf(err)
	if f.in.Page == 1 || at.Within() || class != apierr.Retryable && class != apierr.Throttled || ctx.Err() != nil {
		return err
	}
	activity.GetLogger(ctx).Warn("the file server cannot be read for now", "flow", activities.FlowEgress, "error", err)
	return nil
}

// stageFile stages the next page of an open file. taken says that the file is from the
// configured folder.
func (f *pageFetch) stageFile(ctx context.Context, file *inbox.File[*eventRows], taken bool) (*activities.FetchResult, error) {
	s := newSortedPage(f.plan, f.in.Lanes)
	more, err := file.Rows.stage(s, f.o.PageSize)
	if err != nil {
		file.Leave()
		return nil, fmt.Errorf("reading %s: %w", file.Name(), err)
	}
	next := file.Behind().Cursor()
	switch {
	case more:
		next = file.At().Cursor()
	case taken && f.in.Page >= f.o.PagesPerRun:
		next = ledger.Cursor{} // the files that follow are for the next run
	}
	out, err := f.stage(ctx, activities.PhaseFiles, s, next, ledger.Cursor{}, time.Time{})
	switch {
	case err != nil:
		file.Leave()
	case more:
		file.Keep()
	default:
		file.Close()
	}
	return out, err
}

// eventFiles says which exported files are of this flow, and how they are read: logs of
// deliveries and of what recipients did.
var eventFiles = inbox.Format[*eventRows]{
	Mine: func(name string) bool {
		kind, ok := exports.KindOf(name)
		return ok && kind != exports.OptOuts
	},
	Check: func(name string, src io.Reader) (inbox.Contents, error) {
		kind, _ := exports.KindOf(name)
		counts, err := exports.Check(kind, name, src)
		if bad, ok := errors.AsType[*exports.FileError](err); ok {
			return inbox.Contents{Rows: counts.Rows, Fault: bad.Error()}, nil
		}
		return inbox.Contents{Rows: counts.Rows}, err
	},
	Open: openRows,
}

// eventRows are the rows of a file of events.
type eventRows struct {
	name    string
	row     int // rows with events, and refused ones, that were read
	events  *exports.Events
	ignored int // as counted so far
}

func openRows(name string, src io.Reader, row int) (*eventRows, error) {
	kind, _ := exports.KindOf(name)
	events, err := exports.OpenEvents(kind, name, src)
	if err != nil {
		return nil, err
	}
	r := &eventRows{name: name, events: events}
	for r.row < row {
		if _, err := r.events.Next(); err != nil && !isRowError(err) {
			return nil, err
		}
		r.row++
	}
	r.ignored = r.events.Counts().Ignored
	return r, nil
}

func isRowError(err error) bool {
	_, ok := errors.AsType[*exports.RowError](err)
	return ok
}

// Row says how far the file was read.
func (r *eventRows) Row() int { return r.row }

// stage adds the events of the next rows, about n; more says that the file goes on.
func (r *eventRows) stage(s *sortedPage, n int) (more bool, err error) {
	for added := 0; added < n; {
		list, err := r.events.Next()
		refused := isRowError(err)
		if err != nil && !refused && !errors.Is(err, io.EOF) {
			return false, err
		}
		for now := r.events.Counts().Ignored; r.ignored < now; r.ignored++ {
			s.ignore(rowKey(r.name, r.events.Line()))
			added++
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		r.row++
		if refused {
			s.refuse(rowKey(r.name, r.events.Line()), err, nil)
			added++
			continue
		}
		for i := range list {
			s.add(&list[i])
			added++
		}
	}
	return true, nil
}
