package edit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"causeway.dev/config"
)

// Saved is what Save wrote.
type Saved struct {
	Files       []Change
	Differences []Difference
}

// Conflict says that a file changed since it was opened; nothing was overwritten.
type Conflict struct {
	File        string
	At          time.Time    // of the other change; zero when the file is gone
	Digest      string       // of the file as it is now: whoever saved it is known by it
	Differences []Difference // what the other change says, in words
}

// Error names the file and what the other change did.
func (c *Conflict) Error() string {
	if c.At.IsZero() {
		return c.File + " was removed since it was opened; nothing was saved"
	}
	var what strings.Builder
	for _, d := range c.Differences {
		what.WriteString("\n  " + d.Sentence)
	}
	return fmt.Sprintf("%s was changed by somebody else at %s, since it was opened; nothing was saved%s", c.File, c.At.UTC().Format("2006-01-02 15:04:05 UTC"), what.String())
}

// ReadOnly says that the files cannot be written here. Files holds what they should be, to
// be put there by other means.
type ReadOnly struct {
	File  string // the first that cannot be written
	Why   string
	Files []Change
}

// Error names the file and the reason.
func (r *ReadOnly) Error() string {
	return fmt.Sprintf("%s cannot be written here (%s); nothing was saved. Put the changed file there by other means", r.File, r.Why)
}

// Digest identifies what a file holds.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// saving keeps this process from saving twice at the same time; lock does other processes.
var saving sync.Mutex

// Save writes the draft: each file whole or not at all, with its mode and its owner, to
// where a symbolic link leads. It fails with *config.Problems when the configuration would
// have any, *Conflict when somebody changed a file since, and *ReadOnly when a file cannot
// be written; nothing is written then. What says what was opened is not written.
func (d *Draft) Save() (*Saved, error) {
	differences, err := d.Differences()
	if err != nil {
		return nil, err
	}
	saving.Lock()
	defer saving.Unlock()
	defer lock(filepath.Dir(d.files[0].path))()
	if err := d.unchanged(); err != nil {
		return nil, err
	}
	out := &Saved{Files: d.Changes(), Differences: differences}
	var written []replacement
	defer func() {
		for _, w := range written {
			_ = os.Remove(w.temporary) // gone already where it was put in place
		}
	}()
	for _, c := range out.Files {
		w, err := prepare(c)
		if err != nil {
			return nil, readOnly(c.Path, err, out.Files)
		}
		written = append(written, *w)
	}
	if err := d.unchanged(); err != nil { // the files took a moment
		return nil, err
	}
	for i, w := range written {
		if err := os.Rename(w.temporary, w.target); err != nil {
			return nil, readOnly(out.Files[i].Path, err, out.Files)
		}
		syncFolder(filepath.Dir(w.target))
	}
	for _, f := range d.files {
		f.opened, f.isNew = f.text.data, false
	}
	if d.opened, err = d.Check(); err != nil {
		return nil, err
	}
	return out, nil
}

// unchanged fails with *Conflict when a file of the configuration is not as it was opened,
// also one that the draft leaves alone: the draft was checked with it.
func (d *Draft) unchanged() error {
	for _, f := range d.files {
		data, err := os.ReadFile(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && f.isNew:
			continue
		case errors.Is(err, fs.ErrNotExist):
			return &Conflict{File: f.path}
		case err != nil:
			return fmt.Errorf("reading %s: %w", f.path, err)
		case !f.isNew && bytes.Equal(data, f.opened):
			continue
		}
		c := &Conflict{File: f.path, Digest: Digest(data)}
		if info, err := os.Stat(f.path); err == nil {
			c.At = info.ModTime()
		}
		if now, err := config.Load(d.files[0].path); err == nil || d.opened != nil {
			c.Differences = Differences(d.opened, now)
		}
		return c
	}
	return nil
}

// replacement is a file that waits to take the place of another one.
type replacement struct{ temporary, target string }

// prepare writes a file beside the one that it replaces.
func prepare(c Change) (w *replacement, err error) {
	w = &replacement{target: c.Path}
	mode := fs.FileMode(0o644)
	var like os.FileInfo
	if c.Before != nil {
		if w.target, err = filepath.EvalSymlinks(c.Path); err != nil {
			return nil, err
		}
		if like, err = os.Stat(w.target); err != nil {
			return nil, err
		}
		mode = like.Mode().Perm()
	}
	dir, err := os.Stat(filepath.Dir(w.target))
	switch {
	case err != nil:
		return nil, err
	case mode&0o222 == 0, dir.Mode()&0o222 == 0: // also for whoever may write everything
		return nil, fs.ErrPermission
	}
	f, err := os.CreateTemp(filepath.Dir(w.target), ".causeway-*.tmp")
	if err != nil {
		return nil, err
	}
	w.temporary = f.Name()
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(w.temporary)
		}
	}()
	if _, err = f.Write(c.After); err != nil {
		return nil, err
	}
	if like != nil {
		if err = own(f, like); err != nil {
			return nil, err
		}
	}
	if err = f.Chmod(mode); err != nil {
		return nil, err
	}
	return w, f.Sync()
}

// readOnly makes a *ReadOnly of what a file system says that does not take a file there.
func readOnly(file string, err error, all []Change) error {
	for _, one := range []error{fs.ErrPermission, syscall.EROFS, syscall.EBUSY, syscall.EXDEV} {
		if errors.Is(err, one) {
			return &ReadOnly{File: file, Why: one.Error(), Files: all}
		}
	}
	return fmt.Errorf("writing %s: %w", file, err)
}

// syncFolder makes a new name last; not every system can.
func syncFolder(dir string) {
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}
