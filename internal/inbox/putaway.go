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

// processed is the folder, beside the files, that read ones are moved to.
const processed = "processed"

func (s *Source) away() string { return path.Join(s.Folder, processed) }

// Finish notes that the files of a run were read to their ends, and puts them away.
// It may be repeated. What it gives are the files.
func (b *Box[R]) Finish(ctx context.Context, run string) ([]ledger.ExportFile, error) {
	reading, err := b.o.Ledger.ExportFiles(ctx, b.o.Flow, ledger.FileReading, 0)
	if err != nil {
		return nil, err
	}
	reading = slices.DeleteFunc(reading, func(n ledger.ExportFile) bool { return n.Run != run })
	slices.SortFunc(reading, func(x, y ledger.ExportFile) int { return byName(x.Name, y.Name) })
	for _, note := range reading {
		if err := b.done(ctx, note); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(reading) > 0 && b.cut.run != run {
		b.cut = cut{}
	}
	return reading, nil
}

// Skip is for a file that was just opened by Next and has nothing of the flow's in it:
// it counts as read without a run.
func (b *Box[R]) Skip(ctx context.Context, f *File[R]) error {
	f.Close()
	return b.done(ctx, f.note)
}

func (b *Box[R]) done(ctx context.Context, note ledger.ExportFile) error {
	note.State = ledger.FileDone
	if err := b.o.Ledger.PutExportFile(ctx, note); err != nil {
		return err
	}
	b.putAway(ctx, note)
	return nil
}

// putAway moves or deletes a file that was read. It may fail, on a full server say:
// nothing waits for it, and the next look at the file tries again. One that was written
// anew meanwhile is another file, which nobody has read.
func (b *Box[R]) putAway(ctx context.Context, note ledger.ExportFile) {
	s := b.o.Source
	if s == nil {
		return
	}
	live := b.live()
	live.release(live.copyPath(note.Name))
	if path.Dir(note.Name) == s.away() {
		return
	}
	same, err := s.same(ctx, note)
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

// same says that a file is there as it was when it was read.
func (s *Source) same(ctx context.Context, note ledger.ExportFile) (bool, error) {
	listing, err := s.Server.List(ctx, path.Dir(note.Name))
	return slices.ContainsFunc(listing, func(f campaign.RemoteFile) bool { return isNoted(f, note) }), err
}

// move puts a file beside those that were read before. Files of one name, but not of
// one content, are kept side by side.
func (s *Source) move(ctx context.Context, note ledger.ExportFile) error {
	if err := s.Server.EnsureFolder(ctx, s.away()); err != nil {
		return err
	}
	err := s.Server.Move(ctx, note.Name, path.Join(s.away(), base(note.Name)))
	if apierr.ReasonOf(err) == apierr.ReasonExists {
		err = s.Server.Move(ctx, note.Name, path.Join(s.away(), byContent(base(note.Name), note.Hash)))
	}
	if apierr.ReasonOf(err) == apierr.ReasonExists { // put away before, with this very content
		err = s.Server.Remove(ctx, note.Name)
	}
	return err
}

// byContent is a name that says whose content it is. What the name begins with, which
// tells the kind of the file, stays.
func byContent(name, hash string) string {
	kind, rest, _ := strings.Cut(name, "_")
	return kind + "_" + hash[:min(8, len(hash))] + "_" + rest
}

// namesBefore are those that a file which was put away may have had.
func namesBefore(name string) []string {
	out := []string{name}
	if parts := strings.SplitN(name, "_", 3); len(parts) == 3 {
		out = append(out, parts[0]+"_"+parts[2])
	}
	return out
}
