// Package exports reads the files that Campaign workflows export to SFTP: delivery
// logs, tracking logs and opt-outs (docs/protocol/campaign.md §6.3, §6.4, §7). It
// streams, so memory does not grow with the file. activities/egress and
// activities/optout call it on local copies.
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

// KindOf returns a file's kind by its name: broadlog_20260301_020000.csv, with or
// without .gz. It returns false for any other file in the folder.
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
	Truncated Fault = "Truncated" // half-written or damaged; it may be whole at a later attempt
	Encoding  Fault = "Encoding"  // not UTF-8
	Quotes    Fault = "Quotes"    // a quotation mark is out of place, so the borders of records are uncertain
	Columns   Fault = "Columns"   // no header, or columns are missing or named twice
	Labels    Fault = "Labels"    // enumerations exported with labels instead of values
	TooLong   Fault = "TooLong"   // a record or header is longer than any valid one
)

// FileError says that a file cannot be used, and at which place this was found. No
// part of the file should be applied, so Check has to read it first. The error never
// quotes the file.
type FileError struct {
	File    string
	Line    int    // from 1; 0 when it concerns no line
	Column  string // as the header names it; "" when it concerns no column
	Fault   Fault
	Problem string
}

func (e *FileError) Error() string { return place(e.File, e.Line, e.Column) + ": " + e.Problem }

// RowError says that one row is refused. The rows after it can be read. The error
// never quotes the row.
type RowError struct {
	File    string
	Line    int    // where the row begins, from 1
	Column  string // "" when it concerns the whole row
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

// Counts counts the rows read so far by what became of them.
type Counts struct {
	Rows    int // without the header
	Ignored int // rows without an event or a contact: a pending message, a view of a mirror page, a profile that is no contact
	Refused int // rows with a RowError
}
