package conformance

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// Files is Campaign's SFTP server. Without an address it is not asked.
type Files struct {
	Address, User string
	Key           ssh.Signer
	HostKeys      ssh.HostKeyCallback
	Writes        bool // folders and files may be made and removed
}

// FileCheck is a question about files, and the answer of its row.
type FileCheck struct {
	Row, Name string
	Writes    bool
	Want      string // done, or why not
	do        func(*session) error
}

// Refused says that the question is a request that must be refused.
func (c FileCheck) Refused() bool { return c.Want != "done" }

// session is a user at work. In folder the suite keeps what it makes.
type session struct {
	Files
	*sftp.Client
	conn   *ssh.Client
	folder string
}

func (f Files) dial(user string, how ssh.AuthMethod) (*ssh.Client, error) {
	return ssh.Dial("tcp", f.Address, &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{how}, HostKeyCallback: f.HostKeys, Timeout: 30 * time.Second})
}

// Ask asks every question about files, and returns the answers in their order.
func (f Files) Ask(around func(FileCheck) func(answer string)) ([]string, error) {
	out := make([]string, len(FileChecks))
	for i := range out {
		out[i] = Skipped
	}
	if f.Address == "" {
		return out, nil
	}
	conn, err := f.dial(f.User, ssh.PublicKeys(f.Key))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	client, err := sftp.NewClient(conn)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	s := &session{f, client, conn, "causeway-conformance-" + strconv.FormatInt(time.Now().UnixMilli(), 36)}
	for i, c := range FileChecks {
		if c.Writes && !f.Writes {
			continue
		}
		after := func(string) {}
		if around != nil {
			after = around(c)
		}
		out[i] = answerOf(c.do(s))
		after(out[i])
	}
	return out, nil
}

func answerOf(err error) string {
	status, coded := errors.AsType[*sftp.StatusError](err)
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, fs.ErrNotExist):
		return "no such file"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case coded && status.FxCode() == sftp.ErrSSHFxFailure:
		return "failure"
	case strings.Contains(err.Error(), "unable to authenticate"):
		return "not signed in"
	}
	return "refused"
}

func (s *session) signIn(user string, how ssh.AuthMethod) error {
	c, err := s.dial(user, how)
	if err == nil {
		_ = c.Close()
	}
	return err
}

// run asks for a shell, or for a command.
func (s *session) run(command string) error {
	one, err := s.conn.NewSession()
	if err != nil {
		return err
	}
	defer one.Close()
	if command == "" {
		return one.Shell()
	}
	return one.Run(command)
}

func (s *session) put(name string) error {
	f, err := s.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte("conformance"))
	return errors.Join(err, f.Close())
}

func (s *session) get(name string) error {
	f, err := s.Open(name)
	if err != nil {
		return err
	}
	return f.Close()
}

// FileChecks are asked in this order.
var FileChecks = []FileCheck{
	{"SFTP-6", "a password", false, "not signed in", func(s *session) error { return s.signIn(s.User, ssh.Password("campaign")) }},
	{"SFTP-6", "another key", false, "not signed in", func(s *session) error {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		key, err := ssh.NewSignerFromKey(private)
		if err != nil {
			return err
		}
		return s.signIn(s.User, ssh.PublicKeys(key))
	}},
	{"SFTP-6", "another user", false, "not signed in", func(s *session) error { return s.signIn("causeway-nobody", ssh.PublicKeys(s.Key)) }},
	{"SFTP-7", "a shell", false, "refused", func(s *session) error { return s.run("") }},
	{"SFTP-7", "a command", false, "refused", func(s *session) error { return s.run("true") }},
	{"SFTP-7", "a way to another host", false, "refused", func(s *session) error {
		c, err := s.conn.Dial("tcp", "127.0.0.1:22")
		if err == nil {
			_ = c.Close()
		}
		return err
	}},
	{"SFTP-8", "the home", false, "done", func(s *session) error { _, err := s.ReadDir("."); return err }},
	{"SFTP-8", "a file that is not there", false, "no such file", func(s *session) error { return s.get("causeway-nothing") }},
	{"SFTP-8", "a folder that is not there", false, "no such file", func(s *session) error { _, err := s.ReadDir("causeway-nothing"); return err }},
	{"SFTP-8", "a file outside of the home", false, "no such file", func(s *session) error { return s.get("../../causeway-nothing") }},
	{"SFTP-9", "a new folder", true, "done", func(s *session) error { return s.Mkdir(s.folder) }},
	{"SFTP-9", "a new file", true, "done", func(s *session) error { return s.put(s.folder + "/a") }},
	{"SFTP-9", "another one", true, "done", func(s *session) error { return s.put(s.folder + "/b") }},
	{"SFTP-10", "the folder again", true, "failure", func(s *session) error { return s.Mkdir(s.folder) }},
	{"SFTP-10", "a name that is taken", true, "failure", func(s *session) error { return s.Rename(s.folder+"/a", s.folder+"/b") }},
	{"SFTP-10", "the removal of a folder that holds files", true, "failure", func(s *session) error { return s.RemoveDirectory(s.folder) }},
	{"SFTP-10", "a folder as a file", true, "failure", func(s *session) error { return s.put(s.folder) }},
	{"SFTP-11", "a file in a folder that is not there", true, "no such file", func(s *session) error { return s.put("causeway-nothing/a") }},
	{"SFTP-11", "the removal of nothing", true, "no such file", func(s *session) error { return s.Remove("causeway-nothing") }},
	{"SFTP-11", "another name for nothing", true, "no such file", func(s *session) error { return s.Rename("causeway-nothing", s.folder+"/c") }},
	{"SFTP-9", "the first file is removed", true, "done", func(s *session) error { return s.Remove(s.folder + "/a") }},
	{"SFTP-9", "the second file is removed", true, "done", func(s *session) error { return s.Remove(s.folder + "/b") }},
	{"SFTP-9", "the folder is removed", true, "done", func(s *session) error { return s.RemoveDirectory(s.folder) }},
}
