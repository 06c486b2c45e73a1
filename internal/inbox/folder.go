package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
)

// folder lists files and makes them readable on this machine. Two values that are equal are
// the same folder.
type folder interface {
	list(ctx context.Context) ([]campaign.RemoteFile, error)
	// fetch makes a file readable on this machine, and returns its path here and the hash
	// of its content.
	fetch(ctx context.Context, file campaign.RemoteFile) (local, hash string, err error)
	// heldCopy is a copy that is here already, of just the content of a position.
	heldCopy(ctx context.Context, at Position) (local string, ok bool)
	// release removes a copy that is not needed any more.
	release(local string)
	// mayStillChange says that a file of an archive may still be written.
	mayStillChange(file campaign.RemoteFile, now time.Time) bool
}

// serverFolder is a folder of the file server.
type serverFolder struct {
	*Source
	folder  string
	copies  string // in the names of copies, so that those of other instances and flows differ
	archive bool
}

func (s serverFolder) list(ctx context.Context) ([]campaign.RemoteFile, error) {
	return s.Server.List(ctx, s.folder)
}

// mayStillChange compares with our clock. A stamp that is far ahead comes from another clock
// and says nothing: such a file is not left alone for ever. It is checked to its end
// as every file is.
func (s serverFolder) mayStillChange(file campaign.RemoteFile, now time.Time) bool {
	return now.Sub(file.Modified).Abs() < s.StableFor
}

func (s serverFolder) fetch(ctx context.Context, file campaign.RemoteFile) (string, string, error) {
	local := s.copyPath(file.Path)
	if err := os.MkdirAll(filepath.Dir(local), 0o700); err != nil {
		return "", "", fmt.Errorf("a folder for copies of exported files: %w", err)
	}
	got, err := s.Server.Download(ctx, file, local)
	if err != nil {
		return "", "", err
	}
	return local, got.SHA256, nil
}

func (s serverFolder) heldCopy(ctx context.Context, at Position) (string, bool) {
	local := s.copyPath(at.Path)
	hash, err := hashOf(ctx, local)
	return local, err == nil && hash == at.Hash
}

func (s serverFolder) release(local string) { _ = os.Remove(local) }

// copyPath is where the local copy of a file is.
func (s serverFolder) copyPath(file string) string {
	dir := s.Dir
	if dir == "" {
		dir = privateFolder()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%t\n%s", s.copies, s.archive, file))
	return filepath.Join(dir, hex.EncodeToString(sum[:8])+filepath.Ext(file))
}

// privateFolder is where copies are kept that nothing else says the place of. Files with
// values of persons do not belong under a name that other accounts of the machine can
// foretell and take first.
var privateFolder = sync.OnceValue(func() string {
	if cache, err := os.UserCacheDir(); err == nil {
		dir := filepath.Join(cache, "causeway", "exports")
		if err := os.MkdirAll(dir, 0o700); err == nil && os.Chmod(dir, 0o700) == nil {
			return dir
		}
	}
	dir, err := os.MkdirTemp("", "causeway-exports-") // 0700, and gone for the next process
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("causeway-exports-%d", os.Getpid())) // creating it fails, and says why
	}
	return dir
})

// diskFolder is a folder of this machine. Its files are read in place.
type diskFolder struct{ folder string }

func (d diskFolder) list(context.Context) ([]campaign.RemoteFile, error) {
	entries, err := os.ReadDir(d.folder)
	if err != nil {
		return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonNotFound, Service: "files", Op: "list the folder",
			Message: d.folder + " cannot be read on the worker's machine: " + reasonOfPath(err)}
	}
	var out []campaign.RemoteFile
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		out = append(out, campaign.RemoteFile{Path: filepath.Join(d.folder, e.Name()), Size: info.Size(), Modified: info.ModTime().UTC().Truncate(time.Second)})
	}
	return out, nil // os.ReadDir sorts by name
}

func reasonOfPath(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err.Error()
	}
	return err.Error()
}

func (diskFolder) fetch(ctx context.Context, file campaign.RemoteFile) (string, string, error) {
	hash, err := hashOf(ctx, file.Path)
	return file.Path, hash, err
}

func (diskFolder) heldCopy(context.Context, Position) (string, bool) { return "", false }

func (diskFolder) release(string) {} // the file itself must stay

func (diskFolder) mayStillChange(campaign.RemoteFile, time.Time) bool { return false }

// hashOf is the hash of a file's content.
func hashOf(ctx context.Context, local string) (string, error) {
	f, err := os.Open(local)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, &cancellableReader{ctx: ctx, r: f}); err != nil {
		return "", fmt.Errorf("reading %s: %w", filepath.Base(local), err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
