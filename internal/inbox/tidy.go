package inbox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
)

// tidyEvery is how often the files that were put away are looked at.
const tidyEvery = time.Hour

// tidy deletes what was kept long enough (R20.7), also of files that cannot be read,
// and finds files that were put away although the ledger does not know them to have
// been read: it was restored from a backup. It gives the ready files that stay.
func (b *Box[R]) tidy(ctx context.Context, ready []campaign.RemoteFile) ([]campaign.RemoteFile, error) {
	s, now := b.o.Source, b.o.Now()
	listing, err := s.Server.List(ctx, s.away())
	if err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
		return nil, fmt.Errorf("looking at the files that were read: %w", err)
	}
	old := func(f campaign.RemoteFile) bool { return s.Keep > 0 && now.Sub(f.Modified) > s.Keep }
	var remove []campaign.RemoteFile
	for _, seen := range b.seen() {
		if !old(seen) {
			continue
		}
		note, err := b.o.Ledger.ExportFile(ctx, b.o.Flow, seen.Path, seen.Size, seen.Modified)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return nil, err
		}
		if err == nil && note.State == ledger.FileBad {
			remove = append(remove, seen)
		}
	}
	for _, file := range listing { // whatever it is: the server is no place to keep things
		if old(file) {
			remove = append(remove, file)
		}
	}
	for _, file := range remove {
		if err := s.Server.Remove(ctx, file.Path); err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
			b.o.Logger.Warn("a file that was kept long enough stays on the server", "flow", b.o.Flow, "file", file.Path, "error", err)
		}
	}
	if b.o.KeepNotes > 0 {
		if err := b.o.Ledger.ForgetExportFiles(ctx, b.o.Flow, now.Add(-b.o.KeepNotes)); err != nil {
			return nil, err
		}
	}
	gone := func(f campaign.RemoteFile) bool { return slices.Contains(remove, f) }
	away, _ := b.mine(slices.DeleteFunc(listing, gone))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sightings = slices.DeleteFunc(b.sightings, func(s campaign.Sighting) bool { return gone(s.RemoteFile) })
	b.tidied, b.away = now, away
	b.unread = slices.DeleteFunc(slices.Clone(away), func(f campaign.RemoteFile) bool {
		return b.o.KeepNotes > 0 && now.Sub(f.Modified) >= b.o.KeepNotes // its note may be forgotten
	})
	return slices.DeleteFunc(ready, gone), nil
}

func (b *Box[R]) seen() (out []campaign.RemoteFile) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sightings {
		out = append(out, s.RemoteFile)
	}
	return out
}

// stillUnread are the files put away that the ledger does not know, under the name
// which they have or one that they had when they were read.
func (b *Box[R]) stillUnread(ctx context.Context) ([]campaign.RemoteFile, error) {
	b.mu.Lock()
	files := b.unread
	b.mu.Unlock()
	var out []campaign.RemoteFile
	for _, file := range files {
		known, err := b.knownAway(ctx, file)
		if err != nil {
			return nil, err
		}
		if !known {
			out = append(out, file)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unread = out
	return slices.Clone(out), nil
}

func (b *Box[R]) knownAway(ctx context.Context, file campaign.RemoteFile) (bool, error) {
	paths := []string{file.Path}
	for _, name := range namesBefore(file.Name()) {
		paths = append(paths, path.Join(b.o.Source.Folder, name))
	}
	for _, p := range paths {
		note, err := b.o.Ledger.ExportFile(ctx, b.o.Flow, p, file.Size, file.Modified)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return false, err
		}
		if err == nil && note.State != ledger.FileReading {
			return true, nil
		}
	}
	return false, nil
}
