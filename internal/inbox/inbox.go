// Package inbox takes exported files from Campaign's file server, each once. The
// activities of events and of opt-outs call it, and say how their files are read.
//
// A file is taken once it has not changed for a while (inbox.go). It is fetched whole and
// checked to its end before anything of it is used (take.go). It is read page by page
// (file.go), and any worker can go on from a position (position.go). A file that was read
// is put away (putaway.go), and deleted when it was kept long enough (tidy.go). Old files
// can be read from any folder without being taken (archive.go, folder.go).
package inbox

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
)

// Server is what an inbox needs of Campaign's file server.
type Server interface {
	List(ctx context.Context, folder string) ([]campaign.RemoteFile, error)
	Download(ctx context.Context, file campaign.RemoteFile, dest string) (*campaign.Downloaded, error)
	Move(ctx context.Context, from, to string) error
	Remove(ctx context.Context, file string) error
	EnsureFolder(ctx context.Context, folder string) error
}

// Source is the folder of the file server that files are taken from.
type Source struct {
	Server    Server
	Folder    string
	StableFor time.Duration // a file must not have changed for so long (docs/protocol/campaign.md §8)
	Delete    bool          // delete files that were read; else they are moved into the folder processed
	Keep      time.Duration // how long files stay that were moved or cannot be read (R20.7); 0 = for ever
	Dir       string        // for local copies; "" = a private folder of this account
}

// Reach fails when the folder cannot be listed.
func (s *Source) Reach(ctx context.Context) error {
	if _, err := s.Server.List(ctx, s.Folder); err != nil {
		return fmt.Errorf("looking into campaign.sftp.folder: %w", err)
	}
	return nil
}

// Format is what a flow knows of its files.
type Format[R Rows] struct {
	// Mine says by its name whether a file is one of the flow's.
	Mine func(name string) bool
	// Check reads a file to its end.
	Check func(name string, src io.Reader) (Contents, error)
	// Open opens a file behind its first row rows.
	Open func(name string, src io.Reader, row int) (R, error)
}

// Contents says what is in a file as a whole.
type Contents struct {
	Rows  int
	Fault string // why nothing of it can be used, with the place and no value; "" when it can
}

// Rows are the rows of an open file. The flow reads them in its own way.
type Rows interface {
	// Row is how many rows were read from the beginning of the file. It grows with every
	// page.
	Row() int
}

// Options of an inbox.
type Options struct {
	Flow      string  // under whose name the ledger keeps which files were read
	Instance  string  // so that local copies of two instances do not meet
	Source    *Source // nil: no file server is configured
	KeepNotes time.Duration
	Ledger    *ledger.Ledger
	Logger    *slog.Logger
	Now       func() time.Time // nil: time.Now
}

// Box is the inbox of one flow in one worker. It may be used by several activities
// at once.
type Box[R Rows] struct {
	o      Options
	format Format[R]

	mu         sync.Mutex
	sightings  []campaign.Sighting
	misnamed   []string              // files whose names cannot be kept
	nextStable time.Time             // when the first file that was seen may be known not to change any more; zero: none is awaited
	tidied     time.Time             // when the folder processed was last listed
	processed  []campaign.RemoteFile // what was in it then
	unread     []campaign.RemoteFile // of these, the files that the ledger does not know to have been read
	cut        cutFile
	open       *File[R] // where the last page ended
}

// New makes an inbox.
func New[R Rows](o Options, format Format[R]) *Box[R] {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Box[R]{o: o, format: format}
}

// ready are the files that may be read, in the order of their names: files of the flow that
// do not change any more, and files that were put away although the ledger does not know
// them.
func (b *Box[R]) ready(ctx context.Context) ([]campaign.RemoteFile, error) {
	s := b.o.Source
	b.setNextStable(time.Time{})
	listing, err := s.Server.List(ctx, s.Folder)
	if err != nil {
		return nil, fmt.Errorf("looking for exported files: %w", err)
	}
	now := b.o.Now()
	mine, misnamed := b.mine(listing)
	b.mu.Lock()
	b.sightings, b.misnamed = campaign.Observe(b.sightings, mine, now), misnamed
	ready := campaign.Stable(b.sightings, now, s.StableFor)
	b.nextStable = firstStable(b.sightings, now, s.StableFor)
	due := now.Sub(b.tidied) >= tidyEvery
	b.mu.Unlock()
	if due {
		if ready, err = b.tidy(ctx, ready); err != nil {
			return nil, err
		}
	}
	unread, err := b.stillUnread(ctx)
	if err != nil {
		return nil, err
	}
	ready = append(ready, unread...)
	slices.SortFunc(ready, func(x, y campaign.RemoteFile) int { return byName(x.Path, y.Path) })
	return ready, nil
}

// mine are the flow's files of a listing. misnamed describes those whose names cannot be
// kept in the ledger, which holds text.
func (b *Box[R]) mine(listing []campaign.RemoteFile) (mine []campaign.RemoteFile, misnamed []string) {
	for _, file := range listing {
		switch name := file.Name(); {
		case !b.format.Mine(name):
		case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
			misnamed = append(misnamed, fmt.Sprintf("%q: it cannot be read under this name; rename it", name))
		default:
			mine = append(mine, file)
		}
	}
	return mine, misnamed
}

// firstStable is when the first of the files that may still change will be old enough.
func firstStable(sightings []campaign.Sighting, now time.Time, wait time.Duration) time.Time {
	var first time.Time
	for _, s := range sightings {
		if at := s.Since.Add(wait); at.After(now) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

func (b *Box[R]) setNextStable(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nextStable = t
}

// Due says whether asking Next is worth it now: a file that was seen may not change any
// more, or there may be more behind the one that was found last.
func (b *Box[R]) Due() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.nextStable.IsZero() && !b.o.Now().Before(b.nextStable)
}

// maxBadFiles is how many bad files are named at a time.
const maxBadFiles = 20

// BadFiles names the files on the server that cannot be read, with place and reason. It
// also names a file that was cut off, until another run has read a file to its end.
func (b *Box[R]) BadFiles(ctx context.Context) []string {
	notes, err := b.o.Ledger.ExportFiles(ctx, b.o.Flow, ledger.FileBad, 0)
	if err != nil {
		b.o.Logger.Warn("files that cannot be read", "flow", b.o.Flow, "error", err)
		return nil
	}
	slices.SortFunc(notes, func(x, y ledger.ExportFile) int { return byName(x.Name, y.Name) })
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(b.misnamed)
	for _, n := range notes {
		is := func(f campaign.RemoteFile) bool { return sameFile(f, n) }
		if slices.ContainsFunc(b.sightings, func(s campaign.Sighting) bool { return is(s.RemoteFile) }) || slices.ContainsFunc(b.processed, is) {
			out = append(out, n.Error)
		}
	}
	out = out[:min(len(out), maxBadFiles)]
	if b.cut.what != "" {
		out = append(out, b.cut.what)
	}
	return out
}

// sameFile says whether a listing shows a file as the ledger has it.
func sameFile(f campaign.RemoteFile, n ledger.ExportFile) bool {
	return f.Path == n.Name && f.Size == n.Size && f.Modified.Equal(n.Modified)
}

// byName orders files as they are read: by their names, so the oldest first, in
// whatever folder they are.
func byName(x, y string) int {
	return cmp.Or(cmp.Compare(base(x), base(y)), cmp.Compare(x, y))
}
