package exports

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// job is one run of a workflow.
type job struct {
	*Engine
	since, until time.Time
	name         time.Time // in the names of its files
	twists       []Twist
}

func (j job) twisted(t Twist) bool { return slices.Contains(j.twists, t) }

// spoiled says that twists spoil this row.
func spoiled(row int) bool { return row%10 == 0 }

// xmlTime is the form of times in files (§6.4).
const xmlTime = "2006-01-02T15:04:05.000Z"

// sheet is a file that is being extracted.
type sheet struct {
	job
	kind    string // optout, broadlog, trackinglog
	columns []string
	missing string // the column to leave out; "" = none
	temp    *os.File
	buffer  *bufio.Writer
	zip     *gzip.Writer
	text    io.WriteCloser // encodes the text
	csv     *csv.Writer
	rows    int
}

// extract begins the file in the temporary folder.
func (j job) extract(kind, missing string, columns []string) (*sheet, error) {
	temp, err := os.CreateTemp(j.o.Temp, "extract-*")
	if err != nil {
		return nil, err
	}
	s := &sheet{job: j, kind: kind, columns: columns, missing: missing, temp: temp, buffer: bufio.NewWriterSize(temp, 64<<10)}
	var out io.Writer = s.buffer
	if j.twisted(Gzip) || j.twisted(TruncatedGzip) {
		s.zip = gzip.NewWriter(out)
		out = s.zip
	}
	switch {
	case j.twisted(UTF16):
		s.text = transform.NewWriter(out, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder())
	case j.twisted(Latin1):
		s.text = transform.NewWriter(out, encoding.ReplaceUnsupported(charmap.ISO8859_1.NewEncoder()))
	default:
		s.text = plain{out}
	}
	if j.twisted(BOM) {
		if _, err := io.WriteString(s.text, "\ufeff"); err != nil {
			return nil, errors.Join(err, s.discard())
		}
	}
	s.csv = csv.NewWriter(s.text)
	s.csv.UseCRLF = j.twisted(CRLF)
	switch {
	case j.twisted(Semicolon):
		s.csv.Comma = ';'
	case j.twisted(Tab):
		s.csv.Comma = '\t'
	}
	return s, nil
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// noisy says that the file has unknown columns with free text.
func (s *sheet) noisy() bool {
	return s.twisted(Unknown) || s.kind == optOutFile && (s.twisted(Quotes) || s.twisted(Latin1))
}

func (s *sheet) note() string {
	if s.twisted(Quotes) {
		return "said \"no\",\nthen; hung up"
	}
	return "Änderung"
}

// write adds a row. values are in the order of the columns.
func (s *sheet) write(values []string) error {
	if s.rows == 0 {
		if err := s.record(s.columns, "segment", "Bemerkung"); err != nil {
			return err
		}
	}
	s.rows++
	return s.record(values, "7", s.note())
}

func (s *sheet) record(values []string, first, last string) error {
	out := make([]string, 0, len(values)+2)
	if s.noisy() {
		out = append(out, first)
	}
	for i, v := range values {
		if !s.twisted(MissingColumn) || s.columns[i] != s.missing {
			out = append(out, v)
		}
	}
	if s.noisy() {
		out = append(out, last)
	}
	if s.twisted(Reordered) {
		slices.Reverse(out)
	}
	return s.csv.Write(out)
}

// close ends the extraction and transfers the file. An empty file is not transferred:
// "do not generate a file if the inbound transition is empty".
func (s *sheet) close(err error) (Result, error) {
	s.csv.Flush()
	errs := []error{err, s.csv.Error(), s.text.Close()}
	if s.zip != nil {
		errs = append(errs, s.zip.Close())
	}
	errs = append(errs, s.buffer.Flush())
	if err := errors.Join(errs...); err != nil || s.rows == 0 {
		return Result{}, errors.Join(err, s.discard())
	}
	names := []string{s.fileName(s.job.name)}
	if s.twisted(Duplicate) {
		names = append(names, s.fileName(s.job.name.Add(time.Second)))
	}
	for _, name := range names {
		if err := s.transfer(filepath.Join(s.o.Dir, name)); err != nil {
			return Result{}, errors.Join(err, s.discard())
		}
	}
	if s.twisted(HalfWritten) {
		return Result{names, s.rows}, s.temp.Close() // Complete needs the rest later
	}
	return Result{names, s.rows}, s.discard()
}

func (s *sheet) fileName(at time.Time) string {
	name := s.kind + "_" + at.UTC().Format("20060102_150405") + ".csv"
	if s.zip != nil {
		name += ".gz"
	}
	return name
}

func (s *sheet) discard() error { return errors.Join(s.temp.Close(), os.Remove(s.temp.Name())) }

// transfer copies the file, or a part of it, to the folder that clients see. They can
// see it grow, because Campaign uses no temporary names (§6.4).
func (s *sheet) transfer(to string) error {
	info, err := s.temp.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if err := s.o.Room(size); err != nil {
		return fmt.Errorf("transferring %s: %w", filepath.Base(to), err)
	}
	switch {
	case s.twisted(TruncatedGzip):
		size -= max(9, size/3)
	case s.twisted(Unterminated):
		size -= 3
	case s.twisted(HalfWritten):
		size /= 2
		s.partial = append(s.partial, partial{s.temp.Name(), to})
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.NewSectionReader(s.temp, 0, max(0, size)))
	return errors.Join(err, out.Close())
}
