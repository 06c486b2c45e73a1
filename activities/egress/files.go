package egress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/exports"
	"causeway.dev/internal/ledger"
)

// Files are read in the order of their names, each to its end, some rows to a
// page. The cursor of the next page says where: within a file, by its content and row, or
// behind a name.
type filePosition struct {
	within bool
	hash   string
	row    int
	path   string // of the file, or of the last one that was read
}

const (
	withinFile = "in"
	behindFile = "after"
)

func (p filePosition) String() string {
	if p.within {
		return strings.Join([]string{withinFile, p.hash, strconv.Itoa(p.row), p.path}, "\n")
	}
	return behindFile + "\n" + p.path
}

func parsePosition(link string) (p filePosition, err error) {
	parts := strings.SplitN(link, "\n", 4)
	switch {
	case link == "":
		return p, nil
	case parts[0] == behindFile && len(parts) == 2:
		return filePosition{path: parts[1]}, nil
	case parts[0] == withinFile && len(parts) == 4:
		p = filePosition{within: true, hash: parts[1], path: parts[3]}
		p.row, err = strconv.Atoi(parts[2])
		return p, err
	}
	return p, errors.New("the position in the files cannot be read; it is from a newer build")
}

// filePage stages the next page of exported files. What is wrong with a file as
// a whole is found before anything of it is staged; such a file is set aside and
// told, and the others are read.
func (f *eventFetch) filePage(ctx context.Context) (*activities.FetchResult, error) {
	files := f.files()
	if files == nil {
		return f.nothing(), nil
	}
	var at filePosition
	if f.last != nil && f.last.Phase == string(activities.PhaseFiles) {
		var err error
		if at, err = parsePosition(f.last.Next.At); err != nil {
			return nil, run.Blocked(apierr.ReasonConfig, err.Error())
		}
		if f.last.Next.None() {
			return f.nothing(), nil
		}
	}
	out, err := f.nextFile(ctx, files, at)
	if err != nil {
		return nil, err
	}
	if out == nil {
		out = f.nothing()
	}
	out.BadFiles = f.bad
	f.metrics.badFiles.Update(float64(len(f.bad)))
	return out, nil
}

// folder is where files are looked for, and how.
type folder interface {
	// list gives the files that may be read, by name: those that do not change any
	// more, and the one that a page was read of, if it still is what it was then.
	list(ctx context.Context, begun func(campaign.RemoteFile) bool) ([]campaign.RemoteFile, error)
	// fetch makes a file readable here and gives its path and the hash of its content.
	fetch(ctx context.Context, file campaign.RemoteFile) (local, hash string, err error)
	// live says that files are read once and then cleared away.
	live() bool
	// Release ends the need for a local copy.
	Release(local string)
	// young says that a listed file may still be written.
	young(file campaign.RemoteFile) bool
}

func (f *eventFetch) files() folder {
	switch from := f.in.Window.Folder; {
	case !f.in.Window.Since.IsZero():
		return nil
	case strings.HasPrefix(from, remoteFolder):
		if f.o.Files == nil {
			return nil
		}
		return &remoteFiles{FileSource: f.o.Files, folder: strings.TrimPrefix(from, remoteFolder)}
	case from != "":
		return &localFiles{folder: from}
	case f.o.Files != nil && f.plan.Settings.SFTP():
		return &remoteFiles{FileSource: f.o.Files, folder: f.o.Files.Folder, once: true}
	}
	return nil
}

// remoteFolder begins a folder of the file server in a window.
const remoteFolder = "sftp:"

// nextFile stages a page of the file at a position or of the next one that can
// be read; nil when there is none.
func (f *eventFetch) nextFile(ctx context.Context, files folder, at filePosition) (*activities.FetchResult, error) {
	if at.within { // as long as the file is open here, the server is not needed
		if reader := f.readers.take(at); reader != nil {
			return f.stageFile(ctx, files, reader)
		}
	}
	note, err := f.noteOf(ctx, files, at)
	if err != nil {
		return nil, err
	}
	listing, err := files.list(ctx, func(file campaign.RemoteFile) bool {
		return note != nil && file.Path == note.Name && file.Size == note.Size && file.Modified.Equal(note.Modified)
	})
	if err != nil {
		return nil, f.unlessDown(ctx, files, at, err)
	}
	if files.live() {
		if listing, err = f.tidied(ctx, listing, at); err != nil {
			return nil, f.unlessDown(ctx, files, at, err)
		}
	}
	if at.within && !slices.ContainsFunc(listing, func(file campaign.RemoteFile) bool { return file.Path == at.path }) {
		if err := f.cutOff(ctx, at, note); err != nil {
			return nil, err
		}
	}
	for _, file := range listing {
		kind, ours := exports.KindOf(file.Name())
		if !ours || kind == exports.OptOuts {
			continue
		}
		within := at.within && file.Path == at.path
		if !within && file.Path <= at.path {
			continue
		}
		if files.young(file) {
			f.tellBad(file.Name() + ": it was changed a moment ago and may still be written; load it again later")
			continue
		}
		if files.live() && !within {
			skip, err := f.known(ctx, file)
			if err != nil {
				return nil, err
			}
			if skip {
				continue
			}
		}
		out, err := f.readFile(ctx, files, file, kind, at)
		if err != nil {
			return nil, f.unlessDown(ctx, files, at, err)
		}
		if out != nil {
			return out, nil
		}
	}
	return nil, nil
}

// noteOf is the note of the file that a page was read of: another worker may have
// seen that it was stable. nil when there is none.
func (f *eventFetch) noteOf(ctx context.Context, files folder, at filePosition) (*ledger.ExportFile, error) {
	if !at.within || !files.live() {
		return nil, nil
	}
	reading, err := f.o.Ledger.ExportFiles(ctx, activities.FlowEgress, ledger.FileReading, 0)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(reading, func(n ledger.ExportFile) bool { return n.Run == f.in.Run && n.Name == at.path && n.Hash == at.hash })
	if i < 0 {
		return nil, nil
	}
	return &reading[i], nil
}

// cutOff tells of a file that is not there any more as it was begun, so that its
// rest is not taken for read.
func (f *eventFetch) cutOff(ctx context.Context, at filePosition, note *ledger.ExportFile) error {
	what := fmt.Sprintf("%s: it was removed or written anew after %d of its rows had been read; if it is gone, export it again", path.Base(at.path), at.row)
	f.tellBad(what)
	activity.GetLogger(ctx).Warn("a file is not what it was when it was begun", "flow", activities.FlowEgress, "file", at.path, "error", what)
	if note == nil {
		return nil
	}
	note.State, note.Error = ledger.FileBad, what
	return f.o.Ledger.PutExportFile(ctx, *note)
}

// unlessDown keeps a file server that is down from holding up a pass that has
// brought the events of the journal: its files are for a later one. A file that
// was begun is waited for.
func (f *eventFetch) unlessDown(ctx context.Context, files folder, at filePosition, err error) error {
	class := apierr.ClassOf(err)
	if f.in.Page == 1 || at.within || !files.live() || class != apierr.Retryable && class != apierr.Throttled || ctx.Err() != nil {
		return err
	}
	activity.GetLogger(ctx).Warn("the file server cannot be read for now", "flow", activities.FlowEgress, "error", err)
	return nil
}

// known says that a file, as it is listed, needs no look: it was read, or cannot be.
func (f *eventFetch) known(ctx context.Context, file campaign.RemoteFile) (bool, error) {
	was, err := f.o.Ledger.ExportFile(ctx, activities.FlowEgress, file.Path, file.Size, file.Modified)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case was.State == ledger.FileBad:
		f.tellBad(was.Error)
		return true, nil
	case was.State == ledger.FileDone: // and could not be cleared away then
		f.o.Files.clear(ctx, f.o.Logger, *was)
		return true, nil
	}
	return false, nil
}

// readFile stages a page of one file; nil when it has nothing (more).
func (f *eventFetch) readFile(ctx context.Context, files folder, file campaign.RemoteFile, kind exports.Kind, at filePosition) (*activities.FetchResult, error) {
	note := ledger.ExportFile{Flow: activities.FlowEgress, Name: file.Path, Size: file.Size, Modified: file.Modified, State: ledger.FileReading, Run: f.in.Run}
	local, hash, err := files.fetch(ctx, file)
	if err != nil {
		return nil, err
	}
	note.Hash = hash
	row := 0
	if at.within && at.path == file.Path && at.hash == hash {
		row = at.row // else it was written anew meanwhile, and is read anew
	}
	if row == 0 {
		if use, err := f.examine(ctx, files, local, kind, &note); err != nil || !use {
			files.Release(local)
			return nil, err
		}
	}
	reader, err := openReader(kind, file, local, hash, row)
	if err != nil {
		return nil, err
	}
	return f.stageFile(ctx, files, reader)
}

// stageFile stages the next page of an open file.
func (f *eventFetch) stageFile(ctx context.Context, files folder, reader *fileReader) (*activities.FetchResult, error) {
	s := newStaging(f.plan, f.in.Lanes)
	more, err := reader.stage(s, f.o.PageSize)
	if err != nil {
		reader.close()
		return nil, fmt.Errorf("reading %s: %w", reader.name, err)
	}
	next := filePosition{path: reader.path}
	if more {
		next = filePosition{within: true, hash: reader.hash, row: reader.row, path: reader.path}
	}
	cursor := ledger.Cursor{Kind: ledger.CursorFile, At: next.String()}
	if !more && files.live() && f.in.Page >= f.o.PagesPerRun {
		cursor = ledger.Cursor{} // the files that follow are for the next run
	}
	out, err := f.stage(ctx, activities.PhaseFiles, s, cursor, ledger.Cursor{}, time.Time{})
	if more && err == nil {
		f.readers.put(reader)
		return out, nil
	}
	reader.close()
	if err == nil {
		files.Release(reader.local)
	}
	return out, err
}

// mostBadFiles is how many bad files are told of at a time.
const mostBadFiles = 20

func (f *eventFetch) tellBad(what string) {
	if len(f.bad) < mostBadFiles {
		f.bad = append(f.bad, what)
	}
}

// examine reads a file to its end before anything of it is used, and notes what
// it is; false when it is not to be used.
func (f *eventFetch) examine(ctx context.Context, files folder, local string, kind exports.Kind, note *ledger.ExportFile) (bool, error) {
	if files.live() {
		before, err := f.o.Ledger.ExportFileTwin(ctx, *note)
		if err == nil { // the same content under another name
			note.State, note.Run, note.Rows = ledger.FileDone, before.Run, before.Rows
			f.o.Files.clear(ctx, f.o.Logger, *note)
			return false, f.o.Ledger.PutExportFile(ctx, *note)
		}
		if !errors.Is(err, ledger.ErrNotFound) {
			return false, err
		}
	}
	counts, err := check(ctx, kind, path.Base(note.Name), local)
	note.Rows = int64(counts.Rows)
	if bad, ok := errors.AsType[*exports.FileError](err); ok {
		f.tellBad(bad.Error())
		note.State, note.Error = ledger.FileBad, bad.Error()
		activity.GetLogger(ctx).Warn("a file cannot be read and is left alone", "flow", activities.FlowEgress, "file", note.Name, "error", bad.Error())
		if !files.live() {
			return false, nil
		}
		return false, f.o.Ledger.PutExportFile(ctx, *note)
	}
	if err != nil {
		return false, err
	}
	if !files.live() {
		return true, nil
	}
	return true, f.o.Ledger.PutExportFile(ctx, *note)
}

// filesDone marks the files of a run as read, and clears them away.
func (a *Activities) filesDone(ctx context.Context, run string) error {
	reading, err := a.o.Ledger.ExportFiles(ctx, activities.FlowEgress, ledger.FileReading, 0)
	if err != nil {
		return err
	}
	slices.SortFunc(reading, func(x, y ledger.ExportFile) int { return cmp.Compare(x.Name, y.Name) })
	for _, file := range reading {
		if file.Run != run {
			continue
		}
		file.State = ledger.FileDone
		if err := a.o.Ledger.PutExportFile(ctx, file); err != nil {
			return err
		}
		if a.o.Files != nil {
			a.o.Files.clear(ctx, a.o.Logger, file)
		}
	}
	return nil
}
