package inbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"causeway.dev/internal/campaign"
)

// Archive reads the files of a folder again, as somebody asked for: all of them, from
// the first to the last. Nothing is noted of them and they stay where they are.
type Archive[R Rows] struct {
	box  *Box[R]
	from folder

	// Told names files that are left alone, with place and reason.
	Told []string
}

// OnServer is a folder of the file server; nil when none is configured.
func (b *Box[R]) OnServer(folder string) *Archive[R] {
	if b.o.Source == nil {
		return nil
	}
	return &Archive[R]{box: b, from: served{Source: b.o.Source, folder: folder, copies: b.o.Instance + "\n" + b.o.Flow, archive: true}}
}

// OnDisk is a folder of this machine.
func (b *Box[R]) OnDisk(folder string) *Archive[R] {
	return &Archive[R]{box: b, from: onDisk{folder: folder}}
}

// Next opens the file that a position is within, where it stands, or the next one that
// can be read; nil when there is none. A file that was written anew is read anew.
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
		a.tell(misnamed...)
	}
	if anew && !slices.ContainsFunc(mine, func(f campaign.RemoteFile) bool { return f.Path == at.Path }) {
		a.tell(cutText(at))
	}
	for _, file := range mine {
		if !at.before(file.Path) && (!anew || file.Path != at.Path) {
			continue
		}
		if a.from.young(file, a.box.o.Now()) {
			a.tell(file.Name() + ": it was changed a moment ago and may still be written; load it again later")
			continue
		}
		f, err := a.read(ctx, file)
		if f != nil || err != nil {
			return f, err
		}
	}
	return nil, nil
}

// read opens a file from its beginning; nil when it cannot be read.
func (a *Archive[R]) read(ctx context.Context, file campaign.RemoteFile) (*File[R], error) {
	local, hash, err := a.from.fetch(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", file.Name(), err)
	}
	found, err := a.box.check(ctx, file.Name(), local)
	if err != nil || found.Fault != "" {
		a.from.release(local)
		if found.Fault != "" {
			a.tell(found.Fault)
			a.box.o.Logger.Warn("a file cannot be read and is left alone", "flow", a.box.o.Flow, "file", file.Path, "error", found.Fault)
		}
		return nil, err
	}
	return a.box.openAt(a.from, begin(file, hash), local)
}

func (a *Archive[R]) tell(what ...string) {
	a.Told = append(a.Told, what...)
	a.Told = a.Told[:min(len(a.Told), mostTold)]
}
