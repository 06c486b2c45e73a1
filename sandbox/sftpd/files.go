package sftpd

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"causeway.dev/sandbox/kit"
)

// service is the name in scripted faults. The method of a rule is an operation (get,
// put, list, stat, rename, remove, mkdir, rmdir or setstat), its path that of the file.
const service = "sftp"

// errFault is the failure of an operation when a fault says respond.
var errFault = errors.New("Failure") //nolint:staticcheck // as OpenSSH words it

// files serves one session.
type files struct {
	*Server
	gone   <-chan struct{} // closed when the connection is closed
	hangUp func()
}

// within turns a path of the protocol, which may be absolute, into one relative to the
// home.
func within(name string) string {
	if rel := strings.TrimPrefix(path.Clean("/"+name), "/"); rel != "" {
		return rel
	}
	return "."
}

// begin counts an operation and carries out the scripted fault that hits it.
func (f *files) begin(op, name string) (kit.Rule, error) {
	f.requests.Add(1)
	rule, hit := f.o.Faults.Draw(service, op, path.Clean("/"+name))
	if !hit {
		return rule, nil
	}
	if rule.LatencyMS > 0 {
		timer := time.NewTimer(time.Duration(rule.LatencyMS) * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-f.gone:
		}
	}
	switch rule.Action {
	case kit.Respond:
		if rule.Body != "" {
			return rule, errors.New(rule.Body)
		}
		return rule, errFault
	case kit.ResetBefore:
		f.hangUp()
		return rule, errFault
	}
	return rule, nil
}

// end completes an operation. A ResetAfter fault breaks the connection here, after the
// operation has taken effect.
func (f *files) end(rule kit.Rule, err error) error {
	if rule.Action == kit.ResetAfter {
		f.hangUp()
	}
	return err
}

// Fileread opens a file for reading.
func (f *files) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	rule, err := f.begin("get", r.Filepath)
	if err != nil {
		return nil, err
	}
	file, err := f.openFile(r.Filepath, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	t := &transfer{f: f, file: file, cut: -1}
	if rule.Action == kit.Truncate {
		info, err := file.Stat()
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		t.cut = info.Size() / 2
	}
	return t, f.end(rule, nil)
}

// Filewrite opens a file for writing. What is written is visible at once.
func (f *files) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	rule, err := f.begin("put", r.Filepath)
	if err != nil {
		return nil, err
	}
	if err := f.Room(0); err != nil {
		return nil, err
	}
	want, flags := r.Pflags(), os.O_WRONLY
	for _, one := range []struct {
		set  bool
		flag int
	}{{want.Creat, os.O_CREATE}, {want.Trunc, os.O_TRUNC}, {want.Excl, os.O_EXCL}} {
		if one.set {
			flags |= one.flag
		}
	}
	file, err := f.openFile(r.Filepath, flags)
	if err != nil {
		return nil, err
	}
	return &transfer{f: f, file: file, cut: -1}, f.end(rule, nil)
}

func (f *files) openFile(name string, flags int) (*os.File, error) {
	file, err := f.root.OpenFile(within(name), flags, 0o644)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || info.IsDir() {
		return nil, errors.Join(err, sftp.ErrSSHFxFailure, file.Close())
	}
	return file, nil
}

// transfer is a file that is open.
type transfer struct {
	f    *files
	file *os.File
	cut  int64 // the connection breaks when reading gets here; -1 = it does not
}

// ReadAt reads at the server's speed.
func (t *transfer) ReadAt(p []byte, off int64) (int, error) {
	if t.cut >= 0 && off+int64(len(p)) > t.cut {
		t.f.hangUp()
		return 0, errFault
	}
	n, err := t.file.ReadAt(p, off)
	t.f.read.Add(int64(n))
	t.f.pace(t.f.gone, n)
	return n, err
}

// WriteAt writes at the server's speed, as far as there is room.
func (t *transfer) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > largestFile-int64(len(p)) {
		return 0, sftp.ErrSSHFxFailure
	}
	if t.f.quota.capacity.Load() > 0 {
		info, err := t.file.Stat()
		if err != nil {
			return 0, err
		}
		if grows := off + int64(len(p)) - info.Size(); grows > 0 {
			if err := t.f.Room(grows); err != nil {
				return 0, err
			}
		}
	}
	n, err := t.file.WriteAt(p, off)
	t.f.wrote.Add(int64(n))
	t.f.pace(t.f.gone, n)
	return n, err
}

// Close closes the file.
func (t *transfer) Close() error { return t.file.Close() }

// Filecmd changes names and attributes.
func (f *files) Filecmd(r *sftp.Request) error {
	rule, err := f.begin(strings.ToLower(r.Method), r.Filepath)
	if err != nil {
		return err
	}
	return f.end(rule, f.command(r))
}

func (f *files) command(r *sftp.Request) error {
	name := within(r.Filepath)
	switch r.Method {
	case "Rename": // in version 3 of the protocol it never replaces a file
		if _, err := f.root.Lstat(within(r.Target)); err == nil {
			return sftp.ErrSSHFxFailure
		}
		return f.root.Rename(name, within(r.Target))
	case "Remove", "Rmdir":
		info, err := f.root.Lstat(name)
		if err != nil {
			return err
		}
		if info.IsDir() != (r.Method == "Rmdir") {
			return sftp.ErrSSHFxFailure
		}
		return f.root.Remove(name)
	case "Mkdir":
		return f.root.Mkdir(name, 0o755)
	case "Setstat":
		return f.setstat(r, name)
	}
	return sftp.ErrSSHFxOpUnsupported
}

// largestFile bounds what a client may ask for, in bytes. No real server holds more.
const largestFile = 1 << 44

// setstat sets times and size. It ignores owners and modes.
func (f *files) setstat(r *sftp.Request, name string) error {
	flags, attrs := r.AttrFlags(), r.Attributes()
	if flags.Acmodtime {
		if err := f.root.Chtimes(name, attrs.AccessTime(), attrs.ModTime()); err != nil {
			return err
		}
	}
	if !flags.Size {
		return nil
	}
	info, err := f.root.Stat(name)
	if err != nil {
		return err
	}
	if attrs.Size > largestFile {
		return sftp.ErrSSHFxFailure
	}
	if grows := int64(attrs.Size) - info.Size(); grows > 0 { //nolint:gosec // bounded above
		if err := f.Room(grows); err != nil {
			return err
		}
	}
	file, err := f.root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(int64(attrs.Size)), file.Close()) //nolint:gosec // a file's size
}

// PosixRename replaces the target, as OpenSSH's extension does.
func (f *files) PosixRename(r *sftp.Request) error {
	rule, err := f.begin("rename", r.Filepath)
	if err != nil {
		return err
	}
	return f.end(rule, f.root.Rename(within(r.Filepath), within(r.Target)))
}

// Filelist lists a folder or describes one entry.
func (f *files) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	rule, err := f.begin(strings.ToLower(r.Method), r.Filepath)
	if err != nil {
		return nil, err
	}
	out, err := f.list(r)
	return out, f.end(rule, err)
}

func (f *files) list(r *sftp.Request) (sftp.ListerAt, error) {
	name := within(r.Filepath)
	switch r.Method {
	case "Stat":
		info, err := f.root.Stat(name)
		if err != nil {
			return nil, err
		}
		return listing{info}, nil
	case "List":
		folder, err := f.root.Open(name)
		if err != nil {
			return nil, err
		}
		defer folder.Close()
		entries, err := folder.ReadDir(-1)
		if err != nil {
			return nil, err
		}
		var out listing
		for _, e := range entries {
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			out = append(out, info)
		}
		slices.SortFunc(out, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
		return out, nil
	}
	return nil, sftp.ErrSSHFxOpUnsupported
}

type listing []fs.FileInfo

// ListAt returns the entries from a given one on.
func (l listing) ListAt(into []fs.FileInfo, from int64) (int, error) {
	if from >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(into, l[from:])
	if n < len(into) {
		return n, io.EOF
	}
	return n, nil
}
