package signin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"causeway.dev/config"
)

// session is what is kept of a sign-in.
type session struct {
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
	Token    string `json:"token"` // that requests carry
	Refresh  string `json:"refresh_token,omitempty"`
	Who      Who    `json:"who"`
}

// store is the private file of one issuer and application.
type store struct{ issuer, path string }

func newStore(folder string, a config.Access) (store, error) {
	if folder == "" {
		base, err := os.UserConfigDir()
		if err != nil {
			return store{}, fail(Setting, "no folder to keep a sign-in in: %v", err)
		}
		folder = filepath.Join(base, "causeway", "tokens")
	}
	sum := sha256.Sum256([]byte(a.Issuer + "\n" + a.ClientID + "\n" + a.Audience))
	return store{a.Issuer, filepath.Join(folder, hex.EncodeToString(sum[:12])+".json")}, nil
}

// read fails with NotSignedIn when nothing is kept. A file that others can read is not
// used: somebody else may have its tokens.
func (s store) read() (session, error) {
	var kept session
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, fail(NotSignedIn, "nobody is signed in at %s; run: causeway login", s.issuer)
	}
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return kept, fail(Setting, "%s can be read by other accounts of this machine, so its sign-in is not used; run causeway logout, then causeway login", s.path)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(s.path)
	}
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil {
		return kept, fail(Setting, "the sign-in kept in %s cannot be read: %v; run causeway logout, then causeway login", s.path, reasonOfFile(err))
	}
	return kept, nil
}

// write replaces the file as a whole, so that a command that reads meanwhile has the old or
// the new one.
func (s store) write(kept session) error {
	err := s.replace(kept)
	if err != nil {
		return fail(Setting, "the sign-in cannot be kept in %s: %v", s.path, err)
	}
	return nil
}

func (s store) replace(kept session) error {
	folder := filepath.Dir(s.path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(folder, 0o700); err != nil { // it may have been there
		return err
	}
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, "new-*") // private from its beginning
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), s.path)
}

func (s store) remove() (bool, error) {
	err := os.Remove(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fail(Setting, "the sign-in kept in %s cannot be removed: %v", s.path, err)
	}
	return true, nil
}

// reasonOfFile keeps what a broken file holds out of an error.
func reasonOfFile(err error) string {
	if _, broken := errors.AsType[*fs.PathError](err); broken {
		return err.Error()
	}
	return "it is not what causeway login writes"
}
