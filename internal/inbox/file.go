package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
)

// File is a file that is read page by page. A page ends in the middle of it, which
// Keep is for, or with its last row: then Close it, once the page is staged. Leave it
// when the page cannot be staged.
type File[R Rows] struct {
	Rows R

	box   *Box[R]
	from  folder
	at    Position
	note  ledger.ExportFile // as it was taken; of none when it was read on
	local string
	file  *os.File
}

// Name is the name of the file, without its folder.
func (f *File[R]) Name() string { return base(f.at.Path) }

// At is the position behind what was read, when the file goes on.
func (f *File[R]) At() Position {
	p := f.at
	p.Row = f.Rows.Row()
	return p
}

// Behind is the position behind the file.
func (f *File[R]) Behind() Position { return Position{Path: f.at.Path} }

// Keep leaves the file open for the next page, so that it does not begin with reading
// the file up to there. Only the last one that was kept stays open.
func (f *File[R]) Keep() {
	f.box.mu.Lock()
	defer f.box.mu.Unlock()
	if f.box.open != nil {
		f.box.open.closeFile()
	}
	f.box.open = f
}

// Leave closes the file where it stands. Its local copy stays for another attempt.
func (f *File[R]) Leave() { f.closeFile() }

// Close ends the reading. The local copy goes: it holds what persons did, and can be
// had again.
func (f *File[R]) Close() {
	f.closeFile()
	f.from.release(f.local)
}

func (f *File[R]) closeFile() { _ = f.file.Close() }

// takeKept is the file that Keep has left open at a position; nil when there is none.
func (b *Box[R]) takeKept(from folder, at Position) *File[R] {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.open
	if f == nil || f.from != from || f.At().text() != at.text() {
		return nil
	}
	b.open = nil
	return f
}

// errChanged says that a file is not there any more as it was begun.
var errChanged = errors.New("the file is not what it was when it was begun")

// reopen opens the file that a position is in, at that position. Another worker may have
// read up to there.
func (b *Box[R]) reopen(ctx context.Context, from folder, at Position) (*File[R], error) {
	if f := b.takeKept(from, at); f != nil {
		return f, nil
	}
	local, ok := from.heldCopy(ctx, at)
	if !ok {
		var hash string
		var err error
		local, hash, err = from.fetch(ctx, at.file())
		switch reason := apierr.ReasonOf(err); {
		case reason == apierr.ReasonNotFound, reason == apierr.ReasonConflict, errors.Is(err, fs.ErrNotExist):
			return nil, errChanged
		case err != nil:
			return nil, fmt.Errorf("fetching %s: %w", base(at.Path), err)
		case hash != at.Hash:
			from.release(local)
			return nil, errChanged
		}
	}
	return b.openAt(from, at, local)
}

// openAt opens a file that is on this machine.
func (b *Box[R]) openAt(from folder, at Position, local string) (*File[R], error) {
	file, err := os.Open(local)
	if err != nil {
		return nil, fmt.Errorf("opening the copy of %s: %w", base(at.Path), err)
	}
	rows, err := b.format.Open(base(at.Path), file, at.Row)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("reading the copy of %s: %w", base(at.Path), err)
	}
	return &File[R]{Rows: rows, box: b, from: from, at: at, local: local, file: file}, nil
}

// check reads a file to its end, or until the activity ends.
func (b *Box[R]) check(ctx context.Context, name, local string) (Contents, error) {
	file, err := os.Open(local)
	if err != nil {
		return Contents{}, fmt.Errorf("opening the copy of %s: %w", name, err)
	}
	defer file.Close()
	found, err := b.format.Check(name, &cancellableReader{ctx: ctx, r: file})
	if err != nil {
		return found, fmt.Errorf("reading the copy of %s: %w", name, err)
	}
	return found, nil
}

// cancellableReader fails when its context ends.
type cancellableReader struct {
	ctx context.Context
	r   io.Reader
}

func (e *cancellableReader) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.r.Read(p)
}

// beginningOf is the position at the beginning of a file. Its Row is 0 until rows are read.
func beginningOf(file campaign.RemoteFile, hash string) Position {
	return Position{Path: file.Path, Size: file.Size, Modified: file.Modified.UTC().Truncate(time.Millisecond), Hash: hash}
}
