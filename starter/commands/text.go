package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// cause is why a file could not be used, without the call and the path, which
// may be that of a file of ours beside it.
func cause(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// size is a number of bytes: "45 kB".
func size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) } //nolint:gosec // not negative

// paint is how stdout shows a result: coloured or not, and how wide at most.
type paint struct {
	colours bool
	columns int // 0: as wide as it gets, for files and pipes
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

// colours says whether stdout takes colours (no-color.org), and its width.
func (e *env) colours() paint {
	if !e.outTerminal {
		return paint{}
	}
	return paint{colours: e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb", columns: e.columns()}
}

// cell is a table cell; right-aligned cells are numbers.
type cell struct {
	text, code string
	right      bool
}

func text(s string) cell  { return cell{text: s} }
func number(n int64) cell { return cell{text: humanize.Comma(n), right: true} }
func (c cell) width() int { return utf8.RuneCountInString(c.text) }
func (c cell) pad(w int) (before, after string) {
	space := strings.Repeat(" ", w-c.width())
	if c.right {
		return space, ""
	}
	return "", space
}

// gap is the space between two columns.
const gap = 2

// writeTable prints rows in aligned columns. Colour does not count as width, and
// lines do not end in spaces. On a terminal that is too narrow for them, the
// widest columns go on below, word by word.
func writeTable(w io.Writer, p paint, rows [][]cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], c.width())
		}
	}
	if p.columns > 0 {
		narrow(widths, rows, p.columns)
	}
	for _, row := range rows {
		for _, line := range fold(row, widths) {
			writeRow(w, p, line, widths)
		}
	}
}

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

// narrow takes width from the widest columns until a row fits, or no column can
// give any: a word is never cut.
func narrow(widths []int, rows [][]cell, columns int) {
	least := make([]int, len(widths))
	for _, row := range rows {
		for i, c := range row {
			for word := range strings.FieldsSeq(c.text) {
				least[i] = max(least[i], utf8.RuneCountInString(word))
			}
		}
	}
	over := gap*(len(widths)-1) - columns
	for _, w := range widths {
		over += w
	}
	for ; over > 0; over-- {
		widest := -1
		for i, w := range widths {
			if w > least[i] && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

// fold is a row as lines whose cells are no wider than their columns.
func fold(row []cell, widths []int) [][]cell {
	lines := [][]cell{row}
	for i, c := range row {
		if c.width() <= widths[i] {
			continue
		}
		for n, part := range wrap(c.text, widths[i]) {
			if n == len(lines) {
				lines = append(lines, make([]cell, len(row)))
			}
			if n == 0 {
				lines[0] = slices.Clone(lines[0])
			}
			lines[n][i] = cell{text: part, code: c.code, right: c.right}
		}
	}
	return lines
}

// wrap breaks text between words into lines of a width at most, if its words allow.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// cut shortens a line that would not fit into a width; 0 is no limit.
func cut(s string, width int) string {
	if runes := []rune(s); width > 0 && len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return s
}

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

// writeJSON prints an indented document.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return failed("writing the result: %v", err)
	}
	return nil
}
