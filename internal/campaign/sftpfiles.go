package campaign

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"causeway.dev/internal/apierr"
)

// RemoteFile is a file as a listing shows it.
type RemoteFile struct {
	Path     string // folder and name, as the other operations take it
	Size     int64
	Modified time.Time // UTC, whole seconds
}

// Name is the last part of Path.
func (f RemoteFile) Name() string { return path.Base(f.Path) }

// List gives the regular files of a folder, by name; links, folders and files
// that begin with a dot are left out. A missing folder is Blocked, ReasonNotFound.
func (s *SFTP) List(ctx context.Context, folder string) ([]RemoteFile, error) {
	op := "list " + folder
	var files []RemoteFile
	err := s.do(ctx, op, func(c *sftp.Client) error {
		entries, err := c.ReadDirContext(ctx, folder)
		if errors.Is(err, fs.ErrNotExist) {
			return sftpFailure(apierr.Blocked, apierr.ReasonNotFound, op, "the folder does not exist; create it, or check campaign.sftp")
		}
		for _, entry := range entries {
			name := entry.Name()
			if !entry.Mode().IsRegular() || strings.HasPrefix(name, ".") || strings.ContainsAny(name, `/\`) {
				continue
			}
			files = append(files, RemoteFile{Path: path.Join(folder, name), Size: entry.Size(), Modified: entry.ModTime().UTC()})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b RemoteFile) int { return cmp.Compare(a.Path, b.Path) })
	return files, nil
}

// Downloaded is a local copy.
type Downloaded struct {
	Size   int64
	SHA256 string // lower-case hex: the name under which a file is remembered
}

// Download copies a file to the local path dest, which appears only when it is
// whole and safe on disk; only this account can read it. A file that no longer
// has the size it was listed with is Retryable, ReasonConflict.
func (s *SFTP) Download(ctx context.Context, file RemoteFile, dest string) (*Downloaded, error) {
	op := "download " + file.Path
	var got *Downloaded
	err := s.do(ctx, op, func(c *sftp.Client) error {
		remote, err := c.Open(file.Path)
		if err != nil {
			return err
		}
		defer remote.Close()
		temp, err := os.CreateTemp(filepath.Dir(dest), "."+filepath.Base(dest)+".*")
		if err != nil {
			return local(err)
		}
		defer os.Remove(temp.Name()) // after the renaming there is none
		defer temp.Close()
		hash := sha256.New()
		n, err := remote.WriteTo(io.MultiWriter(localWriter{temp}, hash))
		if err != nil {
			return err
		}
		if n != file.Size {
			return sftpFailure(apierr.Retryable, apierr.ReasonConflict, op, fmt.Sprintf("got %d bytes, want the %d it was listed with; it is still being written", n, file.Size))
		}
		if err := local(errors.Join(temp.Sync(), temp.Close())); err != nil {
			return err
		}
		got = &Downloaded{Size: n, SHA256: hex.EncodeToString(hash.Sum(nil))}
		return local(os.Rename(temp.Name(), dest))
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// Move renames a file; the folder of to must exist. It never replaces another
// file: Rejected, ReasonExists. When from is gone and to is there, it was done
// by an attempt whose answer was lost, and succeeds.
func (s *SFTP) Move(ctx context.Context, from, to string) error {
	op := "move " + from
	return s.do(ctx, op, func(c *sftp.Client) error {
		_, missing := c.Lstat(from)
		_, free := c.Lstat(to)
		switch {
		case errors.Is(missing, fs.ErrNotExist) && free == nil:
			return nil
		case missing != nil:
			return missing
		case free == nil:
			return sftpFailure(apierr.Rejected, apierr.ReasonExists, op, to+" exists already")
		case !errors.Is(free, fs.ErrNotExist):
			return free
		}
		return full(c, op, path.Dir(to), c.Rename(from, to))
	})
}

// Remove deletes a file; one that is not there is deleted already.
func (s *SFTP) Remove(ctx context.Context, file string) error {
	return s.do(ctx, "remove "+file, func(c *sftp.Client) error {
		if err := c.Remove(file); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// EnsureFolder creates a folder, and those above it, unless they exist.
func (s *SFTP) EnsureFolder(ctx context.Context, folder string) error {
	op := "create folder " + folder
	return s.do(ctx, op, func(c *sftp.Client) error {
		if info, err := c.Stat(folder); err == nil && info.IsDir() {
			return nil
		}
		return full(c, op, ".", c.MkdirAll(folder))
	})
}

// tempMark is how many letters make the name of an upload its own.
const tempMark = 8

// Upload writes a file, which appears only when it is whole. It replaces a file
// of the same name.
func (s *SFTP) Upload(ctx context.Context, file string, content io.Reader) error {
	op := "upload " + file
	temp := path.Join(path.Dir(file), "."+path.Base(file)+"."+rand.Text()[:tempMark])
	return s.do(ctx, op, func(c *sftp.Client) error {
		remote, err := c.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
		if err != nil {
			return full(c, op, path.Dir(file), err)
		}
		_, err = remote.ReadFrom(content)
		err = errors.Join(err, remote.Close())
		if err == nil {
			err = replace(c, temp, file)
		}
		if err != nil {
			err = full(c, op, path.Dir(file), err)
			_ = c.Remove(temp) // at best; listings leave it out anyway
		}
		return err
	})
}

// RemoveUnfinished removes what uploads of a file have left that were killed before
// they ended: listings leave it out, and it may hold personal data. No upload of the file
// may be under way, because it would fail.
func (s *SFTP) RemoveUnfinished(ctx context.Context, file string) error {
	op := "remove unfinished uploads of " + file
	prefix := "." + path.Base(file) + "."
	return s.do(ctx, op, func(c *sftp.Client) error {
		entries, err := c.ReadDirContext(ctx, path.Dir(file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, entry := range entries {
			rest, ours := strings.CutPrefix(entry.Name(), prefix)
			if !ours || len(rest) != tempMark || !entry.Mode().IsRegular() {
				continue
			}
			if gone := c.Remove(path.Join(path.Dir(file), entry.Name())); !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
		return err
	})
}

// replace renames over an existing file. Servers without the extension for that
// refuse, and get it in two steps.
func replace(c *sftp.Client, from, to string) error {
	if _, ok := c.HasExtension("posix-rename@openssh.com"); ok {
		return c.PosixRename(from, to)
	}
	if err := c.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return c.Rename(from, to)
}

// full turns a failure without explanation into ReasonNoSpace where the server
// says on request that its storage is used up: OpenSSH answers a full disk with
// a bare failure.
func full(c *sftp.Client, op, folder string, err error) error {
	status, answered := errors.AsType[*sftp.StatusError](err)
	if !answered || sayFull(status) {
		return err
	}
	if vfs, failed := c.StatVFS(folder); failed == nil && vfs.Blocks > 0 && (vfs.Bavail == 0 || vfs.Files > 0 && vfs.Favail == 0) {
		return noSpace(op)
	}
	return err
}
