package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// count is a number with its noun: "1 problem", "10,000 records".
func count(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return humanize.Comma(n) + " " + noun
}

// span is a duration in its two largest units at most: "3 s", "12 min", "5 h 20 min", "8 d".
func span(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		if minutes := d % time.Hour / time.Minute; minutes != 0 {
			return fmt.Sprintf("%d h %d min", d/time.Hour, minutes)
		}
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%s d", humanize.Comma(int64(d/(24*time.Hour))))
}

// age is how long ago a time was.
func age(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if d := now.Sub(t); d >= time.Second {
		return span(d) + " ago"
	}
	return "just now"
}

// moment is a time and its age.
func moment(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC") + " (" + age(now, t) + ")"
}

// oneLine flattens text that came from elsewhere.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// paint colours text, or leaves it alone.
type paint bool

func (p paint) with(code, s string) string {
	if !p || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// ANSI codes for what a state means.
const (
	good, caution, bad, faint = "32", "33", "31", "2"
)

// colours says whether stdout takes colours (no-color.org).
func (e *env) colours() paint {
	return paint(e.outTerminal && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb")
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

// writeTable prints rows in aligned columns, two spaces apart. Colour does not
// count as width, and lines do not end in spaces.
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
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			before, after := c.pad(widths[i])
			if i == len(row)-1 {
				after = ""
			} else {
				after += "  "
			}
			line.WriteString(before + p.with(c.code, c.text) + after)
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
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
