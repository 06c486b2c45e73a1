package optout

import (
	"context"
	"fmt"
	"path"
	"slices"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
)

// What becomes of exported files on the server once they were read, or cannot be.

// finished notes that nothing is left to be read in a file, and puts it away.
func (x *exportFiles) finished(ctx context.Context, note *ledger.ExportFile, file campaign.RemoteFile) error {
	note.State = ledger.FileDone
	if err := x.o.Ledger.PutExportFile(ctx, *note); err != nil {
		return err
	}
	x.putAway(ctx, file)
	return nil
}

// putAway moves or deletes a file that was read. It may fail, on a full server say:
// nothing waits for it, and the next look tries again.
func (x *exportFiles) putAway(ctx context.Context, file campaign.RemoteFile) {
	away := path.Join(x.o.Folder, run.Processed)
	if path.Dir(file.Path) == away || x.o.Files == nil {
		return
	}
	same, err := x.same(ctx, file)
	switch {
	case err != nil || !same:
	case x.o.DeleteFiles:
		err = x.o.Files.Remove(ctx, file.Path)
	default:
		if err = x.o.Files.EnsureFolder(ctx, away); err == nil {
			err = x.o.Files.Move(ctx, file.Path, path.Join(away, file.Name()))
		}
		if apierr.ReasonOf(err) == apierr.ReasonExists { // of the same name: an export that was written anew
			err = x.o.Files.Move(ctx, file.Path, path.Join(away, fmt.Sprintf("optout_%s_%d_%s", file.Modified.UTC().Format("20060102T150405Z"), file.Size, file.Name()[len("optout_"):])))
			if apierr.ReasonOf(err) == apierr.ReasonExists { // it was put away before, and put back
				err = x.o.Files.Remove(ctx, file.Path)
			}
		}
	}
	if err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
		x.o.Logger.Warn("a file that was read stays where it is for now", "flow", activities.FlowOptOut, "file", file.Name(), "error", err)
	}
}

// same says that a file is there as it was when it was read: one that was written
// anew meanwhile is another one, which nobody has read.
func (x *exportFiles) same(ctx context.Context, file campaign.RemoteFile) (bool, error) {
	listing, err := x.o.Files.List(ctx, path.Dir(file.Path))
	return slices.ContainsFunc(listing, func(f campaign.RemoteFile) bool {
		return f.Path == file.Path && f.Size == file.Size && f.Modified.Equal(file.Modified)
	}), err
}

// tidy deletes what was kept long enough (R20.7), and finds files that the ledger
// does not know to have been read: it was restored from a backup.
func (x *exportFiles) tidy(ctx context.Context) ([]campaign.RemoteFile, error) {
	x.tidied = x.o.Now()
	kept, err := x.o.Files.List(ctx, path.Join(x.o.Folder, run.Processed))
	if err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
		return nil, fmt.Errorf("looking at the files that were read: %w", err)
	}
	for _, seen := range x.sightings { // those that cannot be read must not stay for ever either
		note, err := x.o.Ledger.ExportFile(ctx, activities.FlowOptOut, seen.Name(), seen.Size, seen.Modified)
		if err == nil && note.State == ledger.FileBad && x.o.Now().Sub(seen.Modified) > x.o.KeepFiles {
			kept = append(kept, seen.RemoteFile)
		}
	}
	var again []campaign.RemoteFile
	for _, file := range ofOptOuts(kept) {
		if x.o.Now().Sub(file.Modified) > x.o.KeepFiles {
			if err := x.o.Files.Remove(ctx, file.Path); err != nil {
				x.o.Logger.Warn("a file that was kept long enough stays on the server", "flow", activities.FlowOptOut, "file", file.Name(), "error", err)
			}
			continue
		}
		again = append(again, file)
	}
	return again, x.o.Ledger.ForgetExportFiles(ctx, activities.FlowOptOut, x.o.Now().Add(-2*x.o.KeepFiles))
}

// report names the files on the server that cannot be read, with place and reason.
func (x *exportFiles) report(ctx context.Context) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	notes, err := x.o.Ledger.ExportFiles(ctx, activities.FlowOptOut, ledger.FileBad, 20)
	if err != nil {
		x.o.Logger.Warn("files that cannot be read", "flow", activities.FlowOptOut, "error", err)
		return nil
	}
	var out []string
	for _, n := range notes {
		if slices.ContainsFunc(x.sightings, func(s campaign.Sighting) bool {
			return s.Name() == n.Name && s.Size == n.Size && s.Modified.Equal(n.Modified)
		}) {
			out = append(out, n.Error)
		}
	}
	if x.cut != "" {
		out = append(out, x.cut)
	}
	x.metrics.badFiles.Update(float64(len(out)))
	return out
}
