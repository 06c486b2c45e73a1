package bulk

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is what a file of the workflow says of its rows.
type Kind string

// The kinds, which are also how the names of the files begin.
const (
	Inserted Kind = "inserted"
	Updated  Kind = "updated"
	Refused  Kind = "refused" // by Update data, or because a link leads nowhere
	Rejects  Kind = "rejects" // by Load file: the lines as they were in the part
)

// KindOf returns the kind of a file by its name, inserted_20260301_020000.csv; false for
// any other file in the folder.
func KindOf(name string) (Kind, bool) {
	for _, k := range []Kind{Inserted, Updated, Refused, Rejects} {
		if strings.HasPrefix(name, string(k)+"_") && strings.HasSuffix(name, ".csv") {
			return k, true
		}
	}
	return "", false
}

// Outcome is what became of a row of a part.
type Outcome byte

// The outcomes.
const (
	Unknown       Outcome = iota // no file names the row
	WasInserted                  // perhaps updated by a later run
	WasUpdated                   // or left alone because it had these values
	WasRefused                   // REST may be tried, and says why
	Contradictory                // one file says written, another one refused
)

// Tally joins the files of the workflow into what became of each row of a part.
type Tally struct {
	part     Part
	outcomes []Outcome // by row, from 0
	foreign  int
}

// NewTally returns the tally of a part of which nothing is known.
func NewTally(p Part) *Tally { return &Tally{part: p, outcomes: make([]Outcome, p.Rows)} }

// maxField bounds a value in a file of the workflow, which no valid one reaches.
const maxField = 1 << 20

// Read adds a file. Rows of other parts are counted and left. A file that is damaged in
// any way adds nothing: its error names the line and never quotes it. Reading a file twice
// changes nothing.
func (t *Tally) Read(kind Kind, name string, src io.Reader) error {
	became, ok := map[Kind]Outcome{Inserted: WasInserted, Updated: WasUpdated, Refused: WasRefused, Rejects: WasRefused}[kind]
	if !ok {
		return fmt.Errorf("%s: no kind of a result", name)
	}
	lines := csv.NewReader(src)
	lines.FieldsPerRecord, lines.ReuseRecord = -1, true
	var rows []int
	foreign := 0
	for line := 1; ; line++ {
		values, err := lines.Read()
		if errors.Is(err, io.EOF) && line > 1 {
			break
		}
		if _, parse := errors.AsType[*csv.ParseError](err); parse || errors.Is(err, io.EOF) {
			return fmt.Errorf("%s, record %d: not a table with a header", name, line)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if line == 1 {
			values[0] = strings.TrimPrefix(values[0], "\ufeff")
		}
		row, mine, problem := t.row(line, values)
		switch {
		case problem != "":
			return fmt.Errorf("%s, record %d: %s", name, line, problem)
		case line == 1:
		case mine:
			rows = append(rows, row-1)
		default:
			foreign++
		}
	}
	for _, i := range rows {
		t.outcomes[i] = join(t.outcomes[i], became)
	}
	t.foreign += foreign
	return nil
}

// row reads the first two columns of a record. mine is false for the header and for the
// rows of another part.
func (t *Tally) row(line int, values []string) (row int, mine bool, problem string) {
	for _, v := range values {
		if !utf8.ValidString(v) || len(v) > maxField {
			return 0, false, "not a text in UTF-8 of the usual length"
		}
	}
	if len(values) < 2 {
		return 0, false, "the columns causeway_file and causeway_row are missing"
	}
	if line == 1 {
		if values[0] != fileColumn || values[1] != rowColumn {
			return 0, false, "the first columns must be causeway_file and causeway_row"
		}
		return 0, false, ""
	}
	if values[0] != t.part.ID {
		return 0, false, ""
	}
	n, err := strconv.Atoi(values[1])
	if err != nil || n < 1 || n > len(t.outcomes) || strconv.Itoa(n) != values[1] {
		return 0, false, "it names a row that the part does not have"
	}
	return n, true, ""
}

// join is what two files say together. A part that was imported twice was first inserted,
// then updated.
func join(a, b Outcome) Outcome {
	switch {
	case a == Unknown || a == b:
		return b
	case a == WasRefused || b == WasRefused || a == Contradictory:
		return Contradictory
	}
	return WasInserted
}

// Counts are the rows of a part by what became of them.
type Counts struct {
	Read, Inserted, Updated, Refused int
	Missing                          int // no file names them
	Contradictory                    int
	Foreign                          int // rows of other parts in the same files
}

// Counts counts the rows.
func (t *Tally) Counts() Counts {
	c := Counts{Read: len(t.outcomes), Foreign: t.foreign}
	for _, o := range t.outcomes {
		switch o {
		case WasInserted:
			c.Inserted++
		case WasUpdated:
			c.Updated++
		case WasRefused:
			c.Refused++
		case Contradictory:
			c.Contradictory++
		default:
			c.Missing++
		}
	}
	return c
}

// Balanced says that each row has one outcome: read = inserted + updated + refused. Until
// then the records of the part are doubtful.
func (c Counts) Balanced() bool { return c.Read == c.Inserted+c.Updated+c.Refused }

// Outcome is what became of a row, from 1.
func (t *Tally) Outcome(row int) Outcome {
	if row < 1 || row > len(t.outcomes) {
		return Unknown
	}
	return t.outcomes[row-1]
}
