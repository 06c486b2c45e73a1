package edit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"causeway.dev/config"
)

// SecretFile is the file that a secret is kept in; "" for one from the environment.
func SecretFile(s config.Secret) string {
	path, _ := strings.CutPrefix(string(s), "file:")
	if path == string(s) {
		return ""
	}
	return path
}

// maxSecret is more than any key or password needs.
const maxSecret = 64 << 10

// ReplaceSecret puts a new value in place of a secret's file: whole or not at all, with the
// file's mode and owner, to where a symbolic link leads. A file that is not there yet is for
// its owner alone. Its errors name the file and never the value; *ReadOnly has no files,
// because nobody shall download one.
func ReplaceSecret(s config.Secret, value []byte) error {
	path := SecretFile(s)
	value = bytes.TrimSpace(bytes.ReplaceAll(value, []byte("\r\n"), []byte("\n")))
	switch {
	case path == "":
		return errors.New("the secret is not kept in a file, so it is not replaced here")
	case len(value) == 0:
		return errors.New("got an empty secret, want its new value; nothing was replaced")
	case len(value) > maxSecret:
		return fmt.Errorf("got a secret of %d bytes, want at most %d; nothing was replaced", len(value), maxSecret)
	}
	saving.Lock()
	defer saving.Unlock()
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return readOnly(path, err, nil)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	w, err := prepare(Change{Path: path, Before: []byte{}, After: append(value, '\n')})
	if err != nil {
		return readOnly(path, err, nil)
	}
	if err := os.Rename(w.temporary, w.target); err != nil {
		_ = os.Remove(w.temporary)
		return readOnly(path, err, nil)
	}
	syncFolder(filepath.Dir(w.target))
	return nil
}
