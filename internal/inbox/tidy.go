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

// tidyEvery is how often the files that were put away are listed.
const tidyEvery = time.Hour

// tidy deletes files that were kept long enough (R20.7), also those that cannot be read. It
// also finds files that were put away although the ledger does not know that they were
// read, because it was restored from a backup. It returns the ready files that stay.
func (b *Box[R]) tidy(ctx context.Context, ready []campaign.RemoteFile) ([]campaign.RemoteFile, error) {
	s, now := b.o.Source, b.o.Now()
	listing, err := s.Server.List(ctx, s.processedFolder())
	if err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
		return nil, fmt.Errorf("looking at the files that were read: %w", err)
	}
	old := func(f campaign.RemoteFile) bool { return s.Keep > 0 && now.Sub(f.Modified) > s.Keep }
	var remove []campaign.RemoteFile
	for _, seen := range b.sightedFiles() {
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
	for _, file := range listing { // of whatever kind: the server is not for keeping files
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
	b.tidied, b.processed = now, away
	b.unread = slices.DeleteFunc(slices.Clone(away), func(f campaign.RemoteFile) bool {
		return b.o.KeepNotes > 0 && now.Sub(f.Modified) >= b.o.KeepNotes // the ledger may have forgotten it
	})
	return slices.DeleteFunc(ready, gone), nil
}

func (b *Box[R]) sightedFiles() (out []campaign.RemoteFile) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sightings {
		out = append(out, s.RemoteFile)
	}
	return out
}

// stillUnread are the files that were put away and that the ledger does not know, neither
// under their names nor under former ones.
func (b *Box[R]) stillUnread(ctx context.Context) ([]campaign.RemoteFile, error) {
	b.mu.Lock()
	files := b.unread
	b.mu.Unlock()
	var out []campaign.RemoteFile
	for _, file := range files {
		known, err := b.isKnown(ctx, file)
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

func (b *Box[R]) isKnown(ctx context.Context, file campaign.RemoteFile) (bool, error) {
	paths := []string{file.Path}
	for _, name := range formerNames(file.Name()) {
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
