package inbox

import (
	"context"
	"errors"
	"fmt"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
)

// takeFolder is the folder that files are taken from.
func (b *Box[R]) takeFolder() serverFolder {
	return serverFolder{Source: b.o.Source, folder: b.o.Source.Folder, copies: b.o.Instance + "\n" + b.o.Flow}
}

// Next opens the next file behind a position that does not change any more, is whole and
// new; nil when there is none. The run reads it, and at its end calls Finish. On the way,
// files that were read before are put away, and the ledger is told of those that cannot be
// read.
func (b *Box[R]) Next(ctx context.Context, run string, at Position) (*File[R], error) {
	if b.o.Source == nil {
		return nil, nil
	}
	if err := b.dropUnstaged(ctx, run, at); err != nil {
		return nil, err
	}
	ready, err := b.ready(ctx)
	if err != nil {
		return nil, err
	}
	for _, file := range ready {
		if !at.before(file.Path) {
			continue
		}
		f, err := b.take(ctx, run, file)
		if err != nil {
			return nil, err
		}
		if f != nil {
			b.setNextStable(b.o.Now()) // those behind it have settled, too
			return f, nil
		}
	}
	return nil, nil
}

// dropUnstaged makes the ledger forget the files that an earlier attempt took for the
// present page and did not stage. Another file may come first by now, and they must not
// count as read when the run ends.
func (b *Box[R]) dropUnstaged(ctx context.Context, run string, at Position) error {
	reading, err := b.o.Ledger.ExportFiles(ctx, b.o.Flow, ledger.FileReading, 0)
	if err != nil {
		return err
	}
	for _, note := range reading {
		if note.Run == run && at.before(note.Name) {
			if err := b.o.Ledger.DropExportFile(ctx, note); err != nil {
				return err
			}
		}
	}
	return nil
}

// take opens a file that is new; nil when it is not, or is not to be used.
func (b *Box[R]) take(ctx context.Context, run string, file campaign.RemoteFile) (*File[R], error) {
	known, err := b.o.Ledger.ExportFile(ctx, b.o.Flow, file.Path, file.Size, file.Modified)
	switch {
	case err == nil && known.State == ledger.FileDone:
		b.putAway(ctx, *known) // it was not put away at the end of its run, because of a kill or a failure
		return nil, nil
	case err == nil && known.State == ledger.FileBad:
		return nil, nil // until it changes
	case err != nil && !errors.Is(err, ledger.ErrNotFound):
		return nil, err
	}
	live := b.takeFolder()
	local, hash, err := live.fetch(ctx, file)
	switch reason := apierr.ReasonOf(err); {
	case reason == apierr.ReasonNotFound, reason == apierr.ReasonConflict:
		return nil, nil // it was put away, or is being written after all; a later call sees which
	case err != nil:
		return nil, fmt.Errorf("fetching %s: %w", file.Name(), err)
	}
	note := ledger.ExportFile{Flow: b.o.Flow, Name: file.Path, Size: file.Size, Modified: file.Modified, Hash: hash, State: ledger.FileReading, Run: run}
	use, err := b.examine(ctx, local, &note)
	if err != nil || !use {
		live.release(local)
		return nil, err
	}
	f, err := b.openAt(live, beginningOf(file, hash), local)
	if err != nil {
		return nil, err
	}
	f.note = note
	return f, nil
}

// examine checks a file as a whole before anything of it is used, and tells the ledger what
// it is; false when it is not to be used.
func (b *Box[R]) examine(ctx context.Context, local string, note *ledger.ExportFile) (bool, error) {
	twin, err := b.o.Ledger.ExportFileTwin(ctx, *note)
	if err == nil { // the same content under another name or date
		note.Run, note.Rows = twin.Run, twin.Rows
		return false, b.markDone(ctx, *note)
	}
	if !errors.Is(err, ledger.ErrNotFound) {
		return false, err
	}
	found, err := b.check(ctx, base(note.Name), local)
	if err != nil {
		return false, err
	}
	note.Rows = int64(found.Rows)
	if found.Fault != "" {
		note.State, note.Error = ledger.FileBad, found.Fault
		b.o.Logger.Warn("an exported file cannot be used and is left alone", "flow", b.o.Flow, "file", note.Name, "error", found.Fault)
	}
	return found.Fault == "", b.o.Ledger.PutExportFile(ctx, *note)
}

// cutFile is a file that was not read to its end.
type cutFile struct{ run, what string }

// ErrCutOff says that the file which a position is in is not there any more as it was
// begun. Neither its rest nor what took its place counts as read; BadFiles tells of it.
var ErrCutOff = errors.New("a file was removed or written anew while it was read")

// Resume opens the file that a position is within, at that position. It fails with
// ErrCutOff when the file is not there any more as it was.
func (b *Box[R]) Resume(ctx context.Context, run string, at Position) (*File[R], error) {
	if b.o.Source == nil { // it was taken out of the configuration meanwhile
		return nil, b.cutOff(ctx, run, at)
	}
	f, err := b.reopen(ctx, b.takeFolder(), at)
	if errors.Is(err, errChanged) {
		return nil, b.cutOff(ctx, run, at)
	}
	return f, err
}

func (b *Box[R]) cutOff(ctx context.Context, run string, at Position) error {
	what := cutOffText(at)
	b.o.Logger.Warn("a file is not what it was when it was begun", "flow", b.o.Flow, "file", at.Path, "error", what)
	b.mu.Lock()
	b.cut = cutFile{run: run, what: what}
	b.mu.Unlock()
	if err := b.o.Ledger.DropExportFile(ctx, ledger.ExportFile{Flow: b.o.Flow, Name: at.Path, Size: at.Size, Modified: at.Modified}); err != nil {
		return err
	}
	return ErrCutOff
}

func cutOffText(at Position) string {
	return fmt.Sprintf("%s: it was removed or written anew after %d of its rows had been read; if it is gone, export it again", base(at.Path), at.Row)
}
