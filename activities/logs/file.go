package logs

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// columns of a file. docs/logs.md says what is in each.
var columns = []string{"time", "flow", "run", "kind", "key", "outcome", "reason"}

// line is one.
type line struct {
	at                                    time.Time
	flow, run, kind, key, outcome, reason string
}

// file is a CSV that ends at a size.
type file struct {
	csv   *csv.Writer
	out   *bufio.Writer
	size  *counter
	max   int64
	mask  bool
	lines int64
	cut   int64
	err   error
}

// counter counts what is written through it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func newFile(w io.Writer, most int64, mask bool) *file {
	f := &file{out: bufio.NewWriter(w), max: most, mask: mask}
	f.size = &counter{w: f.out}
	f.csv = csv.NewWriter(f.size)
	f.put(columns)
	return f
}

// put writes a row at once, so that the size is known.
func (f *file) put(row []string) {
	if f.err == nil {
		f.err = f.csv.Write(row)
	}
	f.csv.Flush()
	if f.err == nil {
		f.err = f.csv.Error()
	}
}

// room is kept for the line that says what did not fit.
const room = 256

func (f *file) add(l line) {
	row := []string{l.at.UTC().Format(time.RFC3339), l.flow, l.run, l.kind, l.key, l.outcome, strings.Join(strings.Fields(l.reason), " ")}
	length := int64(0)
	for i := range row {
		if f.mask {
			row[i] = address.ReplaceAllString(row[i], "***")
		}
		length += int64(len(row[i])) + 3
	}
	if f.cut > 0 || f.size.n+length+room > f.max {
		f.cut++
		return
	}
	f.lines++
	f.put(row)
}

// address is what looks like an e-mail address.
var address = regexp.MustCompile(`[^\s@,;:<>"'()=]+@[^\s@,;:<>"'()=]+`)

// end writes what is left to say.
func (f *file) end() error {
	if f.cut > 0 {
		f.put([]string{"", "", "", "cut", "", "", fmt.Sprintf("%d lines or more did not fit; log_export.max_mib is the limit", f.cut)})
	}
	if f.err == nil {
		f.err = f.out.Flush()
	}
	return f.err
}
