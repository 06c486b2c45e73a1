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
	"time"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
)

// folder is where files are listed, and how they become readable here. Two that are
// equal are the same folder.
type folder interface {
	list(ctx context.Context) ([]campaign.RemoteFile, error)
	// fetch makes a file readable on this machine, and gives its path there and the
	// hash of its content.
	fetch(ctx context.Context, file campaign.RemoteFile) (local, hash string, err error)
	// held is a copy that is here already, of just the content of a position.
	held(ctx context.Context, at Position) (local string, ok bool)
	// release ends the need for a copy.
	release(local string)
	// young says that a file of an archive may still be written.
	young(file campaign.RemoteFile, now time.Time) bool
}

// served is a folder of the file server.
type served struct {
	*Source
	folder  string
	copies  string // keeps copies apart that are not the same file
	archive bool
}

func (s served) list(ctx context.Context) ([]campaign.RemoteFile, error) {
	return s.Server.List(ctx, s.folder)
}

// young compares with our clock. A stamp that is far ahead comes from another clock
// and says nothing: such a file is not left alone for ever. It is checked to its end
// as every file is.
func (s served) young(file campaign.RemoteFile, now time.Time) bool {
	return now.Sub(file.Modified).Abs() < s.StableFor
}

func (s served) fetch(ctx context.Context, file campaign.RemoteFile) (string, string, error) {
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

func (s served) held(ctx context.Context, at Position) (string, bool) {
	local := s.copyPath(at.Path)
	hash, err := hashOf(ctx, local)
	return local, err == nil && hash == at.Hash
}

func (s served) release(local string) { _ = os.Remove(local) }

// copyPath is where the local copy of a file is.
func (s served) copyPath(file string) string {
	dir := s.Dir
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "causeway-exports")
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%t\n%s", s.copies, s.archive, file))
	return filepath.Join(dir, hex.EncodeToString(sum[:8])+filepath.Ext(file))
}

// onDisk is a folder of this machine. Its files are read where they are.
type onDisk struct{ folder string }

func (d onDisk) list(context.Context) ([]campaign.RemoteFile, error) {
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

func (onDisk) fetch(ctx context.Context, file campaign.RemoteFile) (string, string, error) {
	hash, err := hashOf(ctx, file.Path)
	return file.Path, hash, err
}

func (onDisk) held(context.Context, Position) (string, bool) { return "", false }

func (onDisk) release(string) {} // it is no copy

func (onDisk) young(campaign.RemoteFile, time.Time) bool { return false }

func hashOf(ctx context.Context, local string) (string, error) {
	f, err := os.Open(local)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, &endingReader{ctx: ctx, r: f}); err != nil {
		return "", fmt.Errorf("reading %s: %w", filepath.Base(local), err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
