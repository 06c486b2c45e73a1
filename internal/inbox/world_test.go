package inbox_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/sftpd"
)

const (
	folder = "d365_loads/exports"
	flow   = "logs"
)

// world is the stand-in of the file server, a ledger, and the workers that use them.
type world struct {
	*testing.T
	*sftpd.Server
	home   string
	server *picky
	books  *ledger.Ledger
	now    time.Time
	source *inbox.Source
	was    *inbox.Source // of a worker before
}

func newWorld(t *testing.T) *world {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dir := t.TempDir()
	w := &world{T: t, home: filepath.Join(dir, "home"), now: time.Now().UTC().Truncate(time.Second)}
	w.Server, err = sftpd.Start(sftpd.Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}, Listener: l, Dir: w.home, KeyDir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.Server.Close() })
	require.NoError(t, os.MkdirAll(w.path(""), 0o755))
	key, err := os.ReadFile(w.UserKeyFile())
	require.NoError(t, err)
	client, err := campaign.NewSFTP(campaign.SFTPOptions{Addr: l.Addr().String(), User: w.User(), Key: key, KnownHosts: w.KnownHostsFile()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	w.server = &picky{SFTP: client}
	w.books = ledgertest.Open(t, ledgertest.SQLite(t))
	w.source = &inbox.Source{Server: w.server, Folder: folder, Keep: 15 * 24 * time.Hour}
	return w
}

// picky is the client of the file server, with operations that can be made to fail.
type picky struct {
	*campaign.SFTP
	list, download, move, remove error
	listed                       func() // after each listing
}

func (p *picky) List(ctx context.Context, folder string) ([]campaign.RemoteFile, error) {
	if p.list != nil {
		return nil, p.list
	}
	files, err := p.SFTP.List(ctx, folder)
	if p.listed != nil {
		p.listed()
	}
	return files, err
}

func (p *picky) Download(ctx context.Context, file campaign.RemoteFile, dest string) (*campaign.Downloaded, error) {
	if p.download != nil {
		return nil, p.download
	}
	return p.SFTP.Download(ctx, file, dest)
}

func (p *picky) Move(ctx context.Context, from, to string) error {
	if p.move != nil {
		return p.move
	}
	return p.SFTP.Move(ctx, from, to)
}

func (p *picky) Remove(ctx context.Context, file string) error {
	if p.remove != nil {
		return p.remove
	}
	return p.SFTP.Remove(ctx, file)
}

func failing(class apierr.Class, reason string) error {
	return &apierr.Error{Class: class, Reason: reason, Service: "sftp", Op: "it"}
}

// lines are the rows of a test's files: log_x.txt holds lines, of which the last says
// "end". A file with "poison" in it has a fault.
type lines struct {
	row  int
	scan *bufio.Scanner
}

func (l *lines) Row() int { return l.row }

func (l *lines) next() (string, bool) {
	if !l.scan.Scan() {
		return "", false
	}
	l.row++
	return l.scan.Text(), true
}

var format = inbox.Format[*lines]{
	Mine: func(name string) bool { return strings.HasPrefix(name, "log_") },
	Check: func(name string, src io.Reader) (inbox.Contents, error) {
		data, err := io.ReadAll(src)
		found := inbox.Contents{Rows: strings.Count(string(data), "\n")}
		if !strings.HasSuffix(string(data), "end\n") {
			found.Fault = name + ", line " + string(rune('0'+found.Rows)) + ": it does not end"
		}
		return found, err
	},
	Open: func(_ string, src io.Reader, row int) (*lines, error) {
		l := &lines{scan: bufio.NewScanner(src)}
		for l.row < row {
			if _, ok := l.next(); !ok {
				return nil, errors.New("too short")
			}
		}
		return l, nil
	},
}

type (
	box  = inbox.Box[*lines]
	file = inbox.File[*lines]
)

// worker is a new worker on a machine of its own.
func (w *world) worker(edit ...func(*inbox.Options)) *box {
	w.Helper()
	source := *w.source
	source.Dir = w.TempDir()
	w.source = &source
	o := inbox.Options{Flow: flow, Instance: "test", Source: w.source, KeepNotes: 30 * 24 * time.Hour, Ledger: w.books, Now: func() time.Time { return w.now }}
	for _, e := range edit {
		e(&o)
	}
	return inbox.New(o, format)
}

// path is that of a file on the server's disk.
func (w *world) path(name string) string { return filepath.Join(w.home, folder, name) }

// put writes a file to the server, which changed so long ago.
func (w *world) put(name, text string, age time.Duration) {
	w.Helper()
	require.NoError(w, os.MkdirAll(filepath.Dir(w.path(name)), 0o755))
	require.NoError(w, os.WriteFile(w.path(name), []byte(text), 0o600))
	require.NoError(w, os.Chtimes(w.path(name), time.Time{}, w.now.Add(-age)))
}

// names are the files of a folder on the server.
func (w *world) names(sub string) []string {
	w.Helper()
	entries, err := os.ReadDir(w.path(sub))
	if !os.IsNotExist(err) {
		require.NoError(w, err)
	}
	out := []string{}
	for _, e := range entries {
		if !e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}

// next opens the next file behind a position.
func (w *world) next(b *box, run string, at inbox.Position) *file {
	w.Helper()
	f, err := b.Next(w.Context(), run, at)
	require.NoError(w, err)
	return f
}

// page reads up to two rows; the position behind them comes back as a page keeps it.
func (w *world) page(f *file) ([]string, inbox.Position) {
	w.Helper()
	var out []string
	for len(out) < 2 {
		line, ok := f.Rows.next()
		if !ok {
			f.Close()
			return out, w.again(f.Behind())
		}
		out = append(out, line)
	}
	at := w.again(f.At())
	f.Keep()
	return out, at
}

func (w *world) again(p inbox.Position) inbox.Position {
	w.Helper()
	again, err := inbox.ParsePosition(p.Cursor())
	require.NoError(w, err)
	return again
}

// read reads what there is, as a run does that goes through all files.
func (w *world) read(b *box, run string) []string {
	w.Helper()
	out, at := []string{}, inbox.Position{}
	for {
		var f *file
		var err error
		if at.Within() {
			f, err = b.Resume(w.Context(), run, at)
		} else {
			f, err = b.Next(w.Context(), run, at)
		}
		require.NoError(w, err)
		if f == nil {
			break
		}
		var rows []string
		rows, at = w.page(f)
		out = append(out, rows...)
	}
	_, err := b.Finish(w.Context(), run)
	require.NoError(w, err)
	return out
}

// state is what the ledger knows of a file; "" when nothing.
func (w *world) state(name string, state ledger.FileState) bool {
	w.Helper()
	notes, err := w.books.ExportFiles(w.Context(), flow, state, 0)
	require.NoError(w, err)
	for _, n := range notes {
		if n.Name == folder+"/"+name {
			return true
		}
	}
	return false
}
