package inbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"causeway.dev/internal/campaign"
)

// Archive reads all files of a folder for a backfill, from the first to the last. The
// ledger is not told of them, and they stay where they are.
type Archive[R Rows] struct {
	box  *Box[R]
	from folder

	// BadFiles names files that are not read, with place and reason.
	BadFiles []string
}

// OnServer is a folder of the file server; nil when none is configured.
func (b *Box[R]) OnServer(folder string) *Archive[R] {
	if b.o.Source == nil {
		return nil
	}
	return &Archive[R]{box: b, from: serverFolder{Source: b.o.Source, folder: folder, copies: b.o.Instance + "\n" + b.o.Flow, archive: true}}
}

// OnDisk is a folder of this machine.
func (b *Box[R]) OnDisk(folder string) *Archive[R] {
	return &Archive[R]{box: b, from: diskFolder{folder: folder}}
}

// Files is how many files there are that may hold what is looked for. It fails when the
// folder is not there.
func (a *Archive[R]) Files(ctx context.Context) (int, error) {
	listing, err := a.from.list(ctx)
	mine, _ := a.box.mine(listing)
	return len(mine), err
}

// Next opens the file that a position is within, at that position, or the next one that can
// be read; nil when there is none. A file that was written anew is read from its beginning.
func (a *Archive[R]) Next(ctx context.Context, at Position) (*File[R], error) {
	anew := false
	if at.Within() {
		f, err := a.box.reopen(ctx, a.from, at)
		if !errors.Is(err, errChanged) {
			return f, err
		}
		anew = true
	}
	listing, err := a.from.list(ctx)
	if err != nil {
		return nil, err
	}
	mine, misnamed := a.box.mine(listing)
	if at.Path == "" {
		a.addBad(misnamed...)
	}
	if anew && !slices.ContainsFunc(mine, func(f campaign.RemoteFile) bool { return f.Path == at.Path }) {
		a.addBad(cutOffText(at))
	}
	for _, file := range mine {
		if !at.before(file.Path) && (!anew || file.Path != at.Path) {
			continue
		}
		if a.from.mayStillChange(file, a.box.o.Now()) {
			a.addBad(file.Name() + ": it was changed a moment ago and may still be written; load it again later")
			continue
		}
		f, err := a.read(ctx, file)
		if f != nil || err != nil {
			return f, err
		}
	}
	return nil, nil
}

// read opens a file at its beginning; nil when it cannot be read.
func (a *Archive[R]) read(ctx context.Context, file campaign.RemoteFile) (*File[R], error) {
	local, hash, err := a.from.fetch(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", file.Name(), err)
	}
	found, err := a.box.check(ctx, file.Name(), local)
	if err != nil || found.Fault != "" {
		a.from.release(local)
		if found.Fault != "" {
			a.addBad(found.Fault)
			a.box.o.Logger.Warn("a file cannot be read and is left alone", "flow", a.box.o.Flow, "file", file.Path, "error", found.Fault)
		}
		return nil, err
	}
	return a.box.openAt(a.from, beginningOf(file, hash), local)
}

func (a *Archive[R]) addBad(what ...string) {
	a.BadFiles = append(a.BadFiles, what...)
	a.BadFiles = a.BadFiles[:min(len(a.BadFiles), maxBadFiles)]
}
