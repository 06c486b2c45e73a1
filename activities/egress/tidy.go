package egress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/exports"
	"causeway.dev/internal/ledger"
)

// tidied is a listing of the configured folder in which what was kept long enough is
// no more, and with files that were put away although the ledger does not know them
// to have been read: it was restored from a backup.
func (f *eventFetch) tidied(ctx context.Context, listing []campaign.RemoteFile, at filePosition) ([]campaign.RemoteFile, error) {
	s := f.o.Files
	s.mu.Lock()
	defer s.mu.Unlock()
	begun := at.within && path.Dir(at.path) == s.away() && !slices.ContainsFunc(s.unread, func(file campaign.RemoteFile) bool { return file.Path == at.path })
	var err error
	if begun || time.Since(s.tidied) >= run.TidyEvery {
		if listing, err = f.tidy(ctx, listing); err != nil {
			return nil, err
		}
	} else if s.unread, err = f.notRead(ctx, s.unread); err != nil {
		return nil, err
	}
	listing = append(listing, s.unread...)
	slices.SortFunc(listing, func(a, b campaign.RemoteFile) int { return cmp.Compare(a.Path, b.Path) })
	return listing, nil
}

// tidy deletes what was kept long enough (R20.7), also of files that cannot be read,
// and looks for files that were put away and are not known.
func (f *eventFetch) tidy(ctx context.Context, listing []campaign.RemoteFile) ([]campaign.RemoteFile, error) {
	s := f.o.Files
	s.tidied = time.Now()
	away, err := s.Server.List(ctx, s.away())
	if err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
		return nil, fmt.Errorf("looking at the files that were read: %w", err)
	}
	old := func(file campaign.RemoteFile) bool { return s.Keep > 0 && time.Since(file.Modified) > s.Keep }
	var remove, kept, young []campaign.RemoteFile
	for _, file := range listing {
		if old(file) {
			note, err := f.o.Ledger.ExportFile(ctx, activities.FlowEgress, file.Path, file.Size, file.Modified)
			if err != nil && !errors.Is(err, ledger.ErrNotFound) {
				return nil, err
			}
			if err == nil && note.State == ledger.FileBad {
				remove = append(remove, file)
				continue
			}
		}
		kept = append(kept, file)
	}
	for _, file := range away {
		switch kind, ours := exports.KindOf(file.Name()); {
		case old(file):
			remove = append(remove, file)
		case ours && kind != exports.OptOuts && time.Since(file.Modified) < f.o.KeepEvents: // notes are kept no longer
			young = append(young, file)
		}
	}
	for _, file := range remove {
		if err := s.Server.Remove(ctx, file.Path); err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
			f.o.Logger.Warn("a file that was kept long enough stays on the server", "flow", activities.FlowEgress, "file", file.Path, "error", err)
		}
	}
	s.unread, err = f.notRead(ctx, young)
	return kept, err
}

// notRead leaves out the files put away that the ledger knows, by the name they have
// now or had when they were read.
func (f *eventFetch) notRead(ctx context.Context, files []campaign.RemoteFile) ([]campaign.RemoteFile, error) {
	var out []campaign.RemoteFile
	for _, file := range files {
		names := []string{file.Path, path.Join(f.o.Files.Folder, file.Name())}
		if parts := strings.SplitN(file.Name(), "_", 3); len(parts) == 3 { // another file of its name was there
			names = append(names, path.Join(f.o.Files.Folder, parts[0]+"_"+parts[2]))
		}
		known := false
		for _, name := range names {
			note, err := f.o.Ledger.ExportFile(ctx, activities.FlowEgress, name, file.Size, file.Modified)
			if err != nil && !errors.Is(err, ledger.ErrNotFound) {
				return nil, err
			}
			known = known || err == nil && note.State != ledger.FileReading
		}
		if !known {
			out = append(out, file)
		}
	}
	return out, nil
}
