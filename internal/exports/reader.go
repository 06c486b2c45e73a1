package exports

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
)

const (
	longestHeader = 64 << 10 // bytes
	longestRecord = 1 << 20  // bytes; without a limit, a quotation mark left open would make one record of the rest of the file
)

// column is a column of a contract. Its names are matched without regard to case.
type column struct {
	name     string
	aliases  []string
	optional bool
}

// reader reads the rows of a file by the columns of its contract.
type reader struct {
	file    string
	columns []column
	csv     *csv.Reader
	src     *source
	header  []string // as the file names them
	at      []int    // index in the file per column of the contract; -1 when absent
	row     []string
	line    int // on which the row begins
	end     error
	counts  Counts
}

// newReader reads the header. It fails with *FileError, or with the error of src.
func newReader(file string, src io.Reader, columns []column) (*reader, error) {
	r := &reader{file: file, columns: columns, line: 1}
	raw := bufio.NewReaderSize(&origin{src}, longestHeader)
	var text io.Reader = raw
	if magic, err := raw.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		unzipped, err := gzip.NewReader(raw)
		if err != nil {
			return nil, r.broken(err)
		}
		text = unzipped
	}
	r.src = &source{r: text, budget: longestRecord}
	lines := bufio.NewReaderSize(r.src, longestHeader)
	delimiter, err := r.sniff(lines)
	if err != nil {
		return nil, err
	}
	r.csv = csv.NewReader(lines) // uses this very buffer
	r.csv.Comma, r.csv.FieldsPerRecord, r.csv.ReuseRecord = delimiter, -1, true
	if err := r.record(); errors.Is(err, io.EOF) {
		return nil, r.fileError(Columns, "", "there are only empty lines, want a header line")
	} else if err != nil {
		return nil, err
	}
	return r, r.match()
}

// sniff skips a byte order mark and finds the delimiter. It is the one that separates
// the most names of the contract.
func (r *reader) sniff(lines *bufio.Reader) (rune, error) {
	head, err := lines.Peek(longestHeader)
	if bytesBegin(head, "\xff\xfe") || bytesBegin(head, "\xfe\xff") {
		return 0, r.fileError(Encoding, "", "the file is UTF-16, want UTF-8")
	}
	if bytesBegin(head, "\xef\xbb\xbf") {
		_, _ = lines.Discard(3)
		head = head[3:]
	}
	line, _, whole := strings.Cut(string(head), "\n")
	switch {
	case strings.ContainsRune(line, 0):
		return 0, r.fileError(Encoding, "", "the header holds zero bytes, as UTF-16 does; want UTF-8")
	case whole:
	case err == nil:
		return 0, r.fileError(TooLong, "", fmt.Sprintf("no line ends within %d bytes, want a header line", longestHeader))
	case len(head) == 0 && errors.Is(err, io.EOF):
		return 0, r.fileError(Columns, "", "the file is empty, want a header line")
	default:
		return 0, r.broken(err)
	}
	best, found := ',', 0
	for _, delimiter := range ";,\t" {
		n := 0
		for name := range strings.SplitSeq(line, string(delimiter)) {
			if r.known(strings.Trim(name, "\"\r ")) >= 0 {
				n++
			}
		}
		if n > found {
			best, found = delimiter, n
		}
	}
	return best, nil
}

func bytesBegin(b []byte, with string) bool {
	return len(b) >= len(with) && string(b[:len(with)]) == with
}

// known returns the index of the contract's column with that name, or -1.
func (r *reader) known(name string) int {
	return slices.IndexFunc(r.columns, func(c column) bool {
		return strings.EqualFold(name, c.name) || slices.ContainsFunc(c.aliases, func(a string) bool { return strings.EqualFold(name, a) })
	})
}

// match finds the contract's columns in the header.
func (r *reader) match() error {
	r.header = slices.Clone(r.row)
	r.at = slices.Repeat([]int{-1}, len(r.columns))
	for i, name := range r.header {
		k := r.known(strings.TrimSpace(name))
		if k < 0 {
			continue
		}
		if r.at[k] >= 0 {
			return r.fileError(Columns, r.columns[k].name, "the header names it twice")
		}
		r.at[k] = i
	}
	var missing []string
	for k, c := range r.columns {
		if r.at[k] < 0 && !c.optional {
			missing = append(missing, c.name)
		}
	}
	if len(missing) > 0 {
		return r.fileError(Columns, strings.Join(missing, ", "), "not in the header; add it to the export")
	}
	return nil
}

// has says that the file has the contract's k-th column.
func (r *reader) has(k int) bool { return r.at[k] >= 0 }

// value is the row's cell in the contract's k-th column; "" when the file has
// no such column.
func (r *reader) value(k int) string {
	if r.at[k] < 0 {
		return ""
	}
	return r.row[r.at[k]]
}

// next reads a row. The error is io.EOF after the last one. A *RowError concerns this
// row only; after any other error there are no more rows.
func (r *reader) next() error {
	if r.end != nil {
		return r.end
	}
	if r.end = r.record(); r.end != nil {
		return r.end
	}
	r.counts.Rows++
	if len(r.row) != len(r.header) {
		return r.refuse("", fmt.Sprintf("got %d fields, want %d as in the header", len(r.row), len(r.header)))
	}
	return nil
}

// record reads one record and checks its encoding.
func (r *reader) record() error {
	r.src.budget = longestRecord
	row, err := r.csv.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return r.broken(err)
	}
	r.row = row
	r.line, _ = r.csv.FieldPos(0)
	for i, cell := range row {
		if utf8.ValidString(cell) && !strings.ContainsRune(cell, 0) {
			continue
		}
		line, _ := r.csv.FieldPos(i)
		name := ""
		if i < len(r.header) && r.header[i] != "" && utf8.ValidString(r.header[i]) {
			name = r.header[i]
		}
		e := r.fileError(Encoding, name, "not valid UTF-8; export the file in UTF-8")
		e.Line = line
		return e
	}
	return nil
}

func (r *reader) refuse(column, problem string) *RowError {
	r.counts.Refused++
	return &RowError{File: r.file, Line: r.line, Column: column, Problem: problem}
}

func (r *reader) fileError(f Fault, column, problem string) *FileError {
	return &FileError{File: r.file, Line: r.line, Column: column, Fault: f, Problem: problem}
}

// broken turns an error in the middle of the file into one that explains it.
func (r *reader) broken(err error) error {
	if own, ok := errors.AsType[*originError](err); ok {
		return fmt.Errorf("reading %s: %w", r.file, own.err)
	}
	parse, quotes := errors.AsType[*csv.ParseError](err)
	switch {
	case errors.Is(err, errTooLong):
		return r.fileError(TooLong, "", fmt.Sprintf("the record after this line is longer than %d bytes; is a quotation mark left open?", longestRecord))
	case errors.Is(err, errUnterminated):
		return r.fileError(Truncated, "", "the last line does not end; the file is half-written")
	case quotes:
		e := r.fileError(Quotes, "", fmt.Sprintf("a quotation mark out of place at byte %d of the line; quote fields as RFC 4180 says", parse.Column))
		e.Line = parse.Line
		return e
	}
	return r.fileError(Truncated, "", "the compressed file breaks off or is damaged after this line")
}

var (
	errTooLong      = errors.New("record too long")
	errUnterminated = errors.New("last line not terminated")
)

// source passes the text on and checks that no record is too long and that the last
// line ends.
type source struct {
	r      io.Reader
	budget int // bytes until errTooLong
	last   byte
}

func (s *source) Read(p []byte) (int, error) {
	if s.budget <= 0 {
		return 0, errTooLong
	}
	n, err := s.r.Read(p)
	s.budget -= n
	if n > 0 {
		s.last = p[n-1]
	}
	if errors.Is(err, io.EOF) && s.last != '\n' && s.last != 0 {
		err = errUnterminated
	}
	return n, err
}

// origin marks errors of the caller's reader, which are no fault of the file.
type origin struct{ r io.Reader }

type originError struct{ err error }

func (e *originError) Error() string { return e.err.Error() }

func (o *origin) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &originError{err}
	}
	return n, err
}
