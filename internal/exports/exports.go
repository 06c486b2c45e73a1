// Package exports reads the files a Campaign workflow exports to SFTP: delivery
// logs, tracking logs and opt-outs (docs/protocol/campaign.md §6.3, §6.4, §7). It streams:
// memory does not grow with the file. Activities call it on a local copy.
package exports

import (
	"strconv"
	"strings"
)

// Kind is what a file holds.
type Kind string

// The kinds of file, which are also how their names begin.
const (
	BroadLog    Kind = "broadlog"
	TrackingLog Kind = "trackinglog"
	OptOuts     Kind = "optout"
)

// KindOf tells a file's kind by its name: broadlog_20260301_020000.csv, with or
// without .gz. Other files in the folder are none of ours.
func KindOf(name string) (Kind, bool) {
	name = strings.ToLower(name)
	if !strings.HasSuffix(strings.TrimSuffix(name, ".gz"), ".csv") {
		return "", false
	}
	for _, k := range []Kind{BroadLog, TrackingLog, OptOuts} {
		if strings.HasPrefix(name, string(k)+"_") {
			return k, true
		}
	}
	return "", false
}

// Fault is what makes a whole file unusable.
type Fault string

// The faults of a file.
const (
	Truncated Fault = "Truncated" // half-written or damaged: an attempt after the next export may find it whole
	Encoding  Fault = "Encoding"  // not UTF-8
	Quotes    Fault = "Quotes"    // where records begin and end is not certain
	Columns   Fault = "Columns"   // no header, or columns are missing or named twice
	Labels    Fault = "Labels"    // enumerations exported with labels instead of values
	TooLong   Fault = "TooLong"   // a record or header beyond any sense
)

// FileError says that a file cannot be used, and where that showed. Nothing of
// it should be applied: let Check read it first. It never quotes the file.
type FileError struct {
	File    string
	Line    int    // from 1; 0 when no line is to blame
	Column  string // as the header names it; "" when no column is to blame
	Fault   Fault
	Problem string
}

func (e *FileError) Error() string { return place(e.File, e.Line, e.Column) + ": " + e.Problem }

// RowError says that one row is refused; the rows after it can be read. It never
// quotes the row.
type RowError struct {
	File    string
	Line    int    // where the row begins, from 1
	Column  string // "" when the row as a whole is to blame
	Problem string
}

func (e *RowError) Error() string { return place(e.File, e.Line, e.Column) + ": " + e.Problem }

func place(file string, line int, column string) string {
	if line > 0 {
		file += ", line " + strconv.Itoa(line)
	}
	if column != "" {
		file += ", column " + column
	}
	return file
}

// Counts say what became of the rows read so far.
type Counts struct {
	Rows    int // without the header
	Ignored int // read, but of no concern: a pending message, a mirror page view, a profile that is no contact
	Refused int // RowErrors
}
