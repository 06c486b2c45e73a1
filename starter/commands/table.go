package commands

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/rivo/uniseg"
)

// paint is how stdout shows a result: coloured or not, and how wide at most.
type paint struct {
	colours bool
	columns int // 0: as wide as it gets, for files and pipes, where a row is a line
}

func (p paint) with(code, s string) string {
	if !p.colours || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// ANSI codes for what a state means.
const (
	good, caution, bad, faint = "32", "33", "31", "2"
)

// usualColumns is the width of a terminal that does not tell its own.
const usualColumns = 80

// colours says whether stdout takes colours, and its width.
func (e *env) colours() paint {
	if !e.outTerminal {
		return paint{}
	}
	return paint{colours: !e.plain(), columns: cmp.Or(e.columns(), usualColumns)}
}

// plain says that a terminal is to be written to as if it were a log: no colours, and
// nothing that is rewritten (no-color.org). A screen reader follows that.
func (e *env) plain() bool { return e.getenv("NO_COLOR") != "" || e.getenv("TERM") == "dumb" }

// width is how many columns of a terminal a text takes: a character of Chinese takes two,
// an accent that is written after its letter takes none.
func width(s string) int { return uniseg.StringWidth(s) }

// cell is a table cell; right-aligned cells are numbers.
type cell struct {
	text, code string
	right      bool
}

func text(s string) cell  { return cell{text: s} }
func number(n int64) cell { return cell{text: humanize.Comma(n), right: true} }
func (c cell) width() int { return width(c.text) }
func (c cell) pad(w int) (before, after string) {
	space := strings.Repeat(" ", max(0, w-c.width()))
	if c.right {
		return space, ""
	}
	return "", space
}

// gap is the space between two columns.
const gap = 2

// header is a first row; right lists the columns of numbers.
func header(right []int, titles ...string) []cell {
	row := make([]cell, len(titles))
	for i, t := range titles {
		row[i] = cell{text: t, code: "1"}
	}
	for _, i := range right {
		row[i].right = true
	}
	return row
}

// facts are what there is to say of one thing: a label and a sentence a line.
type facts [][]cell

// add adds a line, unless there is nothing to say.
func (f *facts) add(label, sentence string) {
	if sentence != "" {
		f.put(label, text(sentence))
	}
}

func (f *facts) put(label string, c cell) { *f = append(*f, []cell{{text: label, code: "1"}, c}) }

// writeTable prints a header and rows below it in aligned columns. Where they do not fit
// the terminal, each row becomes a block instead, with a title and a value a line, so
// that no value is broken off or looked for under the wrong title.
func writeTable(w io.Writer, p paint, rows [][]cell) {
	widths := widthsOf(rows)
	if total(widths) <= p.columns || p.columns == 0 || len(rows) < 2 {
		for _, row := range rows {
			writeRow(w, p, row, widths)
		}
		return
	}
	labels := widthsOf(rows[:1])
	for n, row := range rows[1:] {
		if n > 0 {
			fmt.Fprintln(w)
		}
		var block facts
		for i, c := range row {
			if i < len(rows[0]) && c.text != "" {
				block.put(rows[0][i].text, cell{text: c.text, code: c.code})
			}
		}
		writeLabelled(w, p, block, labels)
	}
}

// writeFacts prints labels with a sentence each, which goes on below itself where it is
// longer than the line.
func writeFacts(w io.Writer, p paint, f facts) { writeLabelled(w, p, f, nil) }

// writeSentence prints one sentence.
func writeSentence(w io.Writer, p paint, c cell) { writeFacts(w, p, facts{{c}}) }

// writeLabelled prints facts whose labels are as wide as the widest of them and of others.
func writeLabelled(w io.Writer, p paint, f facts, others []int) {
	widths := widthsOf(f)
	if len(widths) > 1 && len(others) > 0 {
		widths[0] = max(widths[0], slices.Max(others))
	}
	last := len(widths) - 1
	if over := total(widths) - p.columns; p.columns > 0 && over > 0 && last >= 0 {
		widths[last] = max(widths[last]-over, narrowest)
	}
	for _, row := range f {
		end := len(row) - 1
		for n, part := range wrap(row[end].text, widths[last]) {
			line := make([]cell, len(row))
			if n == 0 {
				copy(line, row)
			}
			line[end] = cell{text: part, code: row[end].code, right: row[end].right}
			writeRow(w, p, line, widths)
		}
	}
}

// narrowest is how narrow a sentence gets at most.
const narrowest = 20

func widthsOf(rows [][]cell) []int {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], c.width())
		}
	}
	return widths
}

func total(widths []int) int {
	sum := gap * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum
}

// writeRow prints a line. Colour does not count as width, and lines do not end in spaces.
func writeRow(w io.Writer, p paint, row []cell, widths []int) {
	var line strings.Builder
	for i, c := range row {
		before, after := c.pad(widths[i])
		if i == len(row)-1 {
			after = ""
		} else {
			after += strings.Repeat(" ", gap)
		}
		line.WriteString(before + p.with(c.code, c.text) + after)
	}
	fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
}

// wrap breaks text between words into lines of a width at most. A word that is longer has
// a line of its own: an address or an id can be copied whole.
func wrap(s string, most int) []string {
	if width(s) <= most {
		return []string{s}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case width(line)+1+width(word) > most:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// cut shortens a line that would not fit into a width; 0 is no limit.
func cut(s string, most int) string {
	if most <= 0 || width(s) <= most {
		return s
	}
	var out strings.Builder
	used := 0
	for g := uniseg.NewGraphemes(s); g.Next(); {
		if used += g.Width(); used > most-1 {
			break
		}
		out.WriteString(g.Str())
	}
	return out.String() + "…"
}
