package bulk

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"strconv"

	"causeway.dev/internal/mapping"
)

// Part is a file that is complete. What it holds follows from its name, its records and
// the sheet alone: written again, it has the same bytes.
type Part struct {
	ID     string `json:"id"`
	Rows   int    `json:"rows"` // without the header; they are numbered from 1
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // lower-case hex
}

// Same says that a part which was written again is the one that was written before.
func (p Part) Same(again Part) error {
	if p != again {
		return fmt.Errorf("part %s: written again it differs: %d rows and %d bytes, before %d and %d", p.ID, again.Rows, again.Bytes, p.Rows, p.Bytes)
	}
	return nil
}

// Limits bound a part. The row that would pass one begins the next part.
type Limits struct {
	Rows  int   // at least 1
	Bytes int64 // a part holds one row at least, however long
}

// Splitter writes records into parts, in the order in which they come.
type Splitter struct {
	sheet  *Sheet
	prefix string
	limits Limits
	open   func(id string) (io.WriteCloser, error)
	done   []Part
	next   int // number of the next part
	part   *part
	line   bytes.Buffer
	row    []string
}

type part struct {
	Part
	to  io.WriteCloser
	sum hash.Hash
}

var usable = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,49}$`)

// Split returns a Splitter whose parts are named prefix-0001 and so on, from the given
// number. To resume, it begins with the number and the first record of a part.
//
// prefix must be of lower-case letters, digits and hyphens, and used for one run only:
// the results of the workflow name the parts by it. open makes the place of a part, which
// replaces one that is there.
func (s *Sheet) Split(prefix string, from int, limits Limits, open func(id string) (io.WriteCloser, error)) (*Splitter, error) {
	switch {
	case !usable.MatchString(prefix):
		return nil, fmt.Errorf("name of parts: got %q, want up to 50 lower-case letters, digits and hyphens", prefix)
	case from < 1 || limits.Rows < 1 || limits.Bytes < 1:
		return nil, errors.New("parts: want a first number, rows and bytes of at least 1")
	}
	return &Splitter{sheet: s, prefix: prefix, limits: limits, open: open, next: from}, nil
}

// Add writes a record and returns the part and the row in which it is. It returns
// *ByREST, having written nothing, for a record that REST has to write.
func (w *Splitter) Add(p *mapping.Payload) (id string, row int, err error) {
	w.row, err = w.sheet.fill(append(w.row[:0], "", ""), p)
	if err != nil {
		return "", 0, err
	}
	if err := w.number(); err != nil {
		return "", 0, err
	}
	if w.part != nil && (w.part.Rows == w.limits.Rows || w.part.Rows > 0 && w.part.Bytes+int64(w.line.Len()) > w.limits.Bytes) {
		if err := w.closePart(); err != nil {
			return "", 0, err
		}
	}
	if w.part == nil {
		if err := w.begin(); err != nil {
			return "", 0, err
		}
		if err := w.number(); err != nil {
			return "", 0, err
		}
	}
	if err := w.part.write(w.line.Bytes()); err != nil {
		return "", 0, err
	}
	w.part.Rows++
	return w.part.ID, w.part.Rows, nil
}

// number encodes the row with the name of the part and its place in it.
func (w *Splitter) number() error {
	if w.part != nil {
		w.row[0], w.row[1] = w.part.ID, strconv.Itoa(w.part.Rows+1)
	}
	return w.encode(w.row)
}

func (w *Splitter) encode(values []string) error {
	w.line.Reset()
	out := csv.NewWriter(&w.line)
	err := out.Write(values)
	out.Flush()
	return errors.Join(err, out.Error())
}

func (w *Splitter) begin() error {
	id := fmt.Sprintf("%s-%04d", w.prefix, w.next)
	to, err := w.open(id)
	if err != nil {
		return fmt.Errorf("part %s: %w", id, err)
	}
	w.next++
	w.part = &part{Part: Part{ID: id}, to: to, sum: sha256.New()}
	if err := w.encode(w.sheet.columns); err != nil {
		return err
	}
	return w.part.write(w.line.Bytes())
}

func (p *part) write(b []byte) error {
	n, err := p.to.Write(b)
	p.sum.Write(b[:n])
	p.Bytes += int64(n)
	if err != nil {
		return fmt.Errorf("part %s: %w", p.ID, err)
	}
	return nil
}

func (w *Splitter) closePart() error {
	p := w.part
	w.part = nil
	if err := p.to.Close(); err != nil {
		return fmt.Errorf("part %s: %w", p.ID, err)
	}
	p.SHA256 = hex.EncodeToString(p.sum.Sum(nil))
	w.done = append(w.done, p.Part)
	return nil
}

// Close completes the last part and returns all of them. There are none when no record
// was added.
func (w *Splitter) Close() ([]Part, error) {
	if w.part != nil {
		if err := w.closePart(); err != nil {
			return nil, err
		}
	}
	return w.done, nil
}
