package imports

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp"

	"causeway.dev/sandbox/campaign"
)

// Columns of a file that are loaded and passed on to the results, and written nowhere.
const (
	fileColumn = "causeway_file"
	rowColumn  = "causeway_row"
)

// run is one run of a workflow.
type run struct {
	into  *campaign.Importer
	rows  []row
	known []bool // by row, as reconciled before the first was written
	next  int    // the row to write
	since time.Time
	base  int // rows that were written before since

	header  []string
	rejects [][]string // lines that Load file rejected
	ended   [3][]int   // rows inserted, updated, refused
}

type row struct {
	values []string
	campaign.Loaded
}

// Outcomes of the rows that were loaded, as their results are named.
const (
	inserted = iota
	updated
	refused
)

var outcomes = [3]string{"inserted", "updated", "refused"}

// begin is Transfer file, Load file and Reconciliation. The file is copied first, so that
// removing it has no effect on the run.
func (f *flow) begin(e *Engine, at time.Time) (*run, error) {
	r := &run{since: at, header: f.Columns}
	columns := slices.Clone(f.Columns)
	for i, name := range columns {
		if name == fileColumn || name == rowColumn {
			columns[i] = ""
		}
	}
	var err error
	if r.into, err = e.o.Into(f.Resource, columns); err != nil {
		return nil, fmt.Errorf("update data: %w", err)
	}
	data, err := os.ReadFile(filepath.Join(e.o.Dir, filepath.FromSlash(f.File)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("transfer file: no file was found at %s", f.File)
	}
	if err != nil {
		return nil, errors.New("transfer file: the file cannot be read")
	}
	if f.PrivateKey != "" {
		if data, err = decrypted(data, f.PrivateKey); err != nil {
			return nil, err
		}
	}
	if !utf8.Valid(data) {
		return nil, errors.New("load file: the file is not encoded in UTF-8")
	}
	if err := r.load(data); err != nil {
		return nil, fmt.Errorf("load file: %w", err)
	}
	for _, one := range r.rows {
		r.known = append(r.known, r.into.Known(one.Loaded))
	}
	return r, nil
}

// decrypted is the pre-processing step Decryption GPG. A file that is not encrypted is a
// failure of it.
func decrypted(data []byte, key string) ([]byte, error) {
	ring, err := openpgp.ReadArmoredKeyRing(strings.NewReader(key))
	if err != nil {
		return nil, errors.New("load file: the instance has no key for its pre-processing step")
	}
	message, err := openpgp.ReadMessage(bytes.NewReader(data), ring, nil, nil)
	var plain []byte
	if err == nil {
		plain, err = io.ReadAll(message.UnverifiedBody)
	}
	if err != nil {
		return nil, errors.New("load file: the pre-processing step Decryption GPG failed")
	}
	return plain, nil
}

// load reads the rows. The option "Check columns from file against column definitions"
// is on, so another header is an error of the workflow.
func (r *run) load(data []byte) error {
	lines := csv.NewReader(bytes.NewReader(data))
	lines.FieldsPerRecord = -1
	header, err := lines.Read()
	if err != nil {
		return errors.New("the file has no header")
	}
	if !slices.Equal(header, r.header) {
		return fmt.Errorf("the columns of the file (%d) do not match the column definition (%d)", len(header), len(r.header))
	}
	for {
		values, err := lines.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errors.New("a quotation mark is out of place")
		case len(values) != len(r.header):
			r.rejects = append(r.rejects, append(values, "the number of columns is wrong"))
			continue
		}
		loaded, err := r.into.Load(values)
		if err != nil {
			r.rejects = append(r.rejects, append(values, err.Error()))
			continue
		}
		r.rows = append(r.rows, row{values, loaded})
	}
}

// due says that the next batch may be written at a moment.
func (r *run) due(e *Engine, at time.Time) bool {
	if e.o.RowsPerSecond == 0 {
		return !at.Before(r.since)
	}
	done := r.base + int(at.Sub(r.since).Seconds()*e.o.RowsPerSecond)
	return done >= min(r.next+e.o.BatchSize, len(r.rows))
}

// batch writes the next rows. It fails after the given number of rows of the run.
func (r *run) batch(e *Engine, breakAfter int) error {
	for end := min(r.next+e.o.BatchSize, len(r.rows)); r.next < end; r.next++ {
		if r.next == breakAfter {
			return errBroken
		}
		outcome := inserted
		if r.known[r.next] {
			outcome = updated
		}
		if err := r.into.Write(r.rows[r.next].Loaded, r.known[r.next]); err != nil {
			outcome = refused
		}
		r.ended[outcome] = append(r.ended[outcome], r.next)
	}
	if breakAfter >= 0 && r.next == len(r.rows) {
		return errBroken
	}
	return nil
}

// results are the files of Extract file and Transfer file, also those without rows.
func (r *run) results(e *Engine, folder string, at time.Time) error {
	suffix := "_" + at.UTC().Format("20060102_150405") + ".csv"
	for outcome, rows := range r.ended {
		lines := [][]string{{fileColumn, rowColumn, "key"}}
		for _, i := range rows {
			one := r.rows[i]
			lines = append(lines, []string{r.value(one, fileColumn), r.value(one, rowColumn), one.Key})
		}
		if err := e.transfer(folder, outcomes[outcome]+suffix, lines); err != nil {
			return err
		}
	}
	return e.transfer(folder, "rejects"+suffix, append([][]string{r.header}, r.rejects...))
}

func (r *run) value(one row, column string) string {
	if i := slices.Index(r.header, column); i >= 0 {
		return one.values[i]
	}
	return ""
}

func (e *Engine) transfer(folder, name string, lines [][]string) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(lines); err != nil {
		return err
	}
	if err := e.o.Room(int64(b.Len())); err != nil {
		return fmt.Errorf("transferring %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(e.o.Dir, filepath.FromSlash(folder), name), b.Bytes(), 0o644)
}
