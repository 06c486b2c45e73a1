package inbox

import (
	"context"
	"path"
	"slices"
	"strings"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
)

// processedName is the folder, beside the files, that read ones are moved to.
const processedName = "processed"

func (s *Source) processedFolder() string { return path.Join(s.Folder, processedName) }

// Finish tells the ledger that the files of a run were read to their ends, and puts them
// away. It returns the files. It may be repeated.
func (b *Box[R]) Finish(ctx context.Context, run string) ([]ledger.ExportFile, error) {
	reading, err := b.o.Ledger.ExportFiles(ctx, b.o.Flow, ledger.FileReading, 0)
	if err != nil {
		return nil, err
	}
	reading = slices.DeleteFunc(reading, func(n ledger.ExportFile) bool { return n.Run != run })
	slices.SortFunc(reading, func(x, y ledger.ExportFile) int { return byName(x.Name, y.Name) })
	for _, note := range reading {
		if err := b.markDone(ctx, note); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(reading) > 0 && b.cut.run != run {
		b.cut = cutFile{}
	}
	return reading, nil
}

// Skip is for a file that Next has just opened and that has no rows for the flow. It counts
// as read without a run.
func (b *Box[R]) Skip(ctx context.Context, f *File[R]) error {
	f.Close()
	return b.markDone(ctx, f.note)
}

func (b *Box[R]) markDone(ctx context.Context, note ledger.ExportFile) error {
	note.State = ledger.FileDone
	if err := b.o.Ledger.PutExportFile(ctx, note); err != nil {
		return err
	}
	b.putAway(ctx, note)
	return nil
}

// putAway moves or deletes a file that was read. If that fails, for instance because the
// server is full, nothing waits for it, and Next tries again when it meets the file. A file
// that was written anew meanwhile is another one, which has not been read, and stays.
func (b *Box[R]) putAway(ctx context.Context, note ledger.ExportFile) {
	s := b.o.Source
	if s == nil {
		return
	}
	live := b.takeFolder()
	live.release(live.copyPath(note.Name))
	if path.Dir(note.Name) == s.processedFolder() {
		return
	}
	same, err := s.unchanged(ctx, note)
	switch {
	case err != nil || !same:
	case s.Delete:
		err = s.Server.Remove(ctx, note.Name)
	default:
		err = s.move(ctx, note)
	}
	if err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
		b.o.Logger.Warn("a file that was read stays where it is for now", "flow", b.o.Flow, "file", note.Name, "error", err)
	}
}

// unchanged says whether a file is still there as it was read.
func (s *Source) unchanged(ctx context.Context, note ledger.ExportFile) (bool, error) {
	listing, err := s.Server.List(ctx, path.Dir(note.Name))
	return slices.ContainsFunc(listing, func(f campaign.RemoteFile) bool { return sameFile(f, note) }), err
}

// move puts a file beside those that were read before. Files of the same name and another
// content are kept side by side.
func (s *Source) move(ctx context.Context, note ledger.ExportFile) error {
	if err := s.Server.EnsureFolder(ctx, s.processedFolder()); err != nil {
		return err
	}
	err := s.Server.Move(ctx, note.Name, path.Join(s.processedFolder(), base(note.Name)))
	if apierr.ReasonOf(err) == apierr.ReasonExists {
		err = s.Server.Move(ctx, note.Name, path.Join(s.processedFolder(), nameByContent(base(note.Name), note.Hash)))
	}
	if apierr.ReasonOf(err) == apierr.ReasonExists { // put away before, with this very content
		err = s.Server.Remove(ctx, note.Name)
	}
	return err
}

// nameByContent is a file's name with a part of its hash. The beginning of the name stays,
// because it says of which kind the file is.
func nameByContent(name, hash string) string {
	kind, rest, _ := strings.Cut(name, "_")
	return kind + "_" + hash[:min(8, len(hash))] + "_" + rest
}

// formerNames are the names that a file may have had before it was put away.
func formerNames(name string) []string {
	out := []string{name}
	if parts := strings.SplitN(name, "_", 3); len(parts) == 3 {
		out = append(out, parts[0]+"_"+parts[2])
	}
	return out
}
