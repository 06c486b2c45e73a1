package egress

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/exports"
	"causeway.dev/internal/ledger"
)

// FileSource is a folder of the file server that exports are read from.
type FileSource struct {
	Server    run.FileServer
	Folder    string
	StableFor time.Duration // a file must not have changed for so long (docs/protocol/campaign.md §8)
	Delete    bool          // files that were read; else they are moved into the folder processed
	Keep      time.Duration // moved files stay so long (R20.7); 0 = for ever
	Dir       string        // of local copies; "" = the system's

	mu        sync.Mutex
	sightings []campaign.Sighting
	tidied    time.Time
	unread    []campaign.RemoteFile // in the folder processed, see eventFetch.tidy
}

func (s *FileSource) away() string { return path.Join(s.Folder, run.Processed) }

// reach asks for a sign of life.
func (s *FileSource) reach(ctx context.Context) error {
	if _, err := s.Server.List(ctx, s.Folder); err != nil {
		return fmt.Errorf("looking into campaign.sftp.folder: %w", err)
	}
	return nil
}

// copyPath is where the local copy of a file is.
func (s *FileSource) copyPath(file string) (string, error) {
	dir := s.Dir
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "causeway-exports")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("a folder for copies of exported files: %w", err)
	}
	sum := sha256.Sum256([]byte(s.Folder + "\n" + file))
	return filepath.Join(dir, hex.EncodeToString(sum[:8])+filepath.Ext(file)), nil
}

// clear moves or deletes a file that was read. It may fail, on a full server
// say; the file is remembered all the same, and tried again when it is seen. One that
// was written anew meanwhile is another file, and has not been read.
func (s *FileSource) clear(ctx context.Context, log *slog.Logger, file ledger.ExportFile) {
	if local, err := s.copyPath(file.Name); err == nil {
		_ = os.Remove(local)
	}
	if path.Dir(file.Name) == s.away() {
		return
	}
	same, err := s.same(ctx, file)
	switch {
	case err != nil || !same:
	case s.Delete:
		err = s.Server.Remove(ctx, file.Name)
	default:
		dir := s.away()
		if err = s.Server.EnsureFolder(ctx, dir); err == nil {
			err = s.Server.Move(ctx, file.Name, path.Join(dir, path.Base(file.Name)))
		}
		if apierr.ReasonOf(err) == apierr.ReasonExists { // an earlier file of this name
			kind, rest, _ := strings.Cut(path.Base(file.Name), "_")
			err = s.Server.Move(ctx, file.Name, path.Join(dir, kind+"_"+file.Hash[:min(8, len(file.Hash))]+"_"+rest))
			if apierr.ReasonOf(err) == apierr.ReasonExists { // with this very content
				err = s.Server.Remove(ctx, file.Name)
			}
		}
	}
	if err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
		log.Warn("a file that was read stays where it is", "flow", activities.FlowEgress, "file", file.Name, "error", err)
	}
}

// same says that a file is there as it was when it was read.
func (s *FileSource) same(ctx context.Context, file ledger.ExportFile) (bool, error) {
	listing, err := s.Server.List(ctx, path.Dir(file.Name))
	return slices.ContainsFunc(listing, func(f campaign.RemoteFile) bool {
		return f.Path == file.Name && f.Size == file.Size && f.Modified.Equal(file.Modified)
	}), err
}

// remoteFiles are those of a folder of the file server.
type remoteFiles struct {
	*FileSource
	folder string
	once   bool // the configured folder: each file is read once
}

func (r *remoteFiles) live() bool { return r.once }

// Release removes the copy: it holds addresses, and can be had again.
func (r *remoteFiles) Release(local string) { _ = os.Remove(local) }

func (r *remoteFiles) list(ctx context.Context, begun func(campaign.RemoteFile) bool) ([]campaign.RemoteFile, error) {
	listing, err := r.Server.List(ctx, r.folder)
	if err != nil || !r.once { // an archive, which nobody writes to, but who fills it
		return listing, err
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sightings = campaign.Observe(r.sightings, listing, now)
	stable := campaign.Stable(r.sightings, now, r.StableFor)
	return slices.DeleteFunc(listing, func(f campaign.RemoteFile) bool { return !begun(f) && !slices.Contains(stable, f) }), nil
}

func (r *remoteFiles) young(f campaign.RemoteFile) bool {
	return !r.once && time.Since(f.Modified) < r.StableFor
}

func (r *remoteFiles) fetch(ctx context.Context, file campaign.RemoteFile) (string, string, error) {
	local, err := r.copyPath(file.Path)
	if err != nil {
		return "", "", err
	}
	got, err := r.Server.Download(ctx, file, local)
	if err != nil {
		return "", "", err
	}
	return local, got.SHA256, nil
}

// localFiles are those of a folder of this machine, for a backfill.
type localFiles struct{ folder string }

func (l *localFiles) live() bool { return false }

func (l *localFiles) Release(string) {} // it is no copy

func (l *localFiles) young(campaign.RemoteFile) bool { return false }

func (l *localFiles) list(context.Context, func(campaign.RemoteFile) bool) ([]campaign.RemoteFile, error) {
	entries, err := os.ReadDir(l.folder)
	if err != nil {
		return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonNotFound, Service: "files", Op: "list the folder",
			Message: l.folder + " cannot be read on the worker's machine: " + reasonOfPath(err)}
	}
	var out []campaign.RemoteFile
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		out = append(out, campaign.RemoteFile{Path: filepath.Join(l.folder, e.Name()), Size: info.Size(), Modified: info.ModTime().UTC().Truncate(time.Second)})
	}
	return out, nil // os.ReadDir sorts by name
}

func reasonOfPath(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err.Error()
	}
	return err.Error()
}

func (l *localFiles) fetch(_ context.Context, file campaign.RemoteFile) (string, string, error) {
	f, err := os.Open(file.Path)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", "", fmt.Errorf("reading %s: %w", filepath.Base(file.Path), err)
	}
	return file.Path, hex.EncodeToString(hash.Sum(nil)), nil
}

// check reads a file to its end, or to that of the activity.
func check(ctx context.Context, kind exports.Kind, name, local string) (exports.Counts, error) {
	f, err := os.Open(local)
	if err != nil {
		return exports.Counts{}, err
	}
	defer f.Close()
	return exports.Check(kind, name, &endingReader{ctx: ctx, r: f})
}

// endingReader ends with its context.
type endingReader struct {
	ctx context.Context
	r   io.Reader
}

func (e *endingReader) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.r.Read(p)
}

// fileReader is a file that is read on from page to page.
type fileReader struct {
	path, hash, name string
	local            string
	row              int // rows with events, and refused ones, that were read
	file             *os.File
	events           *exports.Events
	ignored          int // as counted so far
}

func openReader(kind exports.Kind, file campaign.RemoteFile, local, hash string, row int) (*fileReader, error) {
	f, err := os.Open(local)
	if err != nil {
		return nil, err
	}
	events, err := exports.OpenEvents(kind, file.Name(), f)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	r := &fileReader{path: file.Path, hash: hash, name: file.Name(), local: local, file: f, events: events}
	for r.row < row {
		if _, err := r.events.Next(); err != nil && !isRowError(err) {
			r.close()
			return nil, err
		}
		r.row++
	}
	r.ignored = r.events.Counts().Ignored
	return r, nil
}

func isRowError(err error) bool {
	_, ok := errors.AsType[*exports.RowError](err)
	return ok
}

func (r *fileReader) close() { _ = r.file.Close() }

// stage adds the next rows, about n events; more says that the file goes on.
func (r *fileReader) stage(s *staging, n int) (more bool, err error) {
	for added := 0; added < n; {
		list, err := r.events.Next()
		refused := isRowError(err)
		if err != nil && !refused && !errors.Is(err, io.EOF) {
			return false, err
		}
		for now := r.events.Counts().Ignored; r.ignored < now; r.ignored++ {
			s.ignore(place(r.name, r.events.Line()))
			added++
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		r.row++
		if refused {
			s.refuse(place(r.name, r.events.Line()), err, nil)
			added++
			continue
		}
		for i := range list {
			s.add(&list[i])
			added++
		}
	}
	return true, nil
}

// readerCache keeps one file open between pages, so that a page does not begin
// with reading the file up to it.
type readerCache struct {
	mu   sync.Mutex
	open *fileReader
}

// take returns the reader that stands at a position; nil without one.
func (c *readerCache) take(at filePosition) *fileReader {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.open
	if r == nil || r.path != at.path || r.hash != at.hash || r.row != at.row {
		return nil
	}
	c.open = nil
	return r
}

// put keeps a reader in place of another.
func (c *readerCache) put(r *fileReader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open != nil {
		c.open.close()
	}
	c.open = r
}
