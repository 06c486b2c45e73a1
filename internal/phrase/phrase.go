// Package phrase writes numbers, times and foreign text the way people read them in
// a sentence. internal/operator calls it for its errors, and both faces for theirs.
package phrase

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
)

// Count is a number with its noun: "1 problem", "10,000 records".
func Count(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return humanize.Comma(n) + " " + noun
}

// Span is a duration in its two largest units at most: "3 s", "12 min", "5 h 20 min", "8 d".
func Span(d time.Duration) string {
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

// Age is how long ago a time was.
func Age(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if d := now.Sub(t); d >= time.Second {
		return Span(d) + " ago"
	}
	return "just now"
}

// Clock is a time in the zone of now, which is that of the reader, and names the zone.
func Clock(now, t time.Time) string { return t.In(now.Location()).Format("2006-01-02 15:04:05 MST") }

// Moment is a time and its age.
func Moment(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return Clock(now, t) + " (" + Age(now, t) + ")"
}

// Until is how long it is to a time that was planned.
func Until(now, t time.Time) string {
	switch d := t.Sub(now); {
	case t.IsZero():
		return "-"
	case d < time.Second:
		return "due"
	default:
		return "in " + Span(d)
	}
}

// OneLine flattens text that came from elsewhere, without what would steer a terminal.
func OneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf) }), " ")
}
