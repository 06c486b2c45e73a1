package readable

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Steers says that a character is not seen itself but steers what is around it: control
// characters, line separators, and marks that turn or hide text. Names of files and
// values of records may hold them.
func Steers(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// own are the sequences that our own commands write: colours, and those that rewrite a
// line or the screen.
var own = regexp.MustCompile(`^(?:\x1b\[[0-9]{1,2}m|\x1b\[H\x1b\[2J|\r\x1b\[K)`)

// Screen is a writer to a terminal, or to what may end in one. In place of characters
// that steer it writes spaces, except for line ends, tabs and what our own commands
// write.
func Screen(w io.Writer) io.Writer { return &filter{w: w, put: onScreen} }

// JSONLines is a writer of JSON documents that writes such characters as escapes, which
// say the same. Between documents are line ends only.
func JSONLines(w io.Writer) io.Writer { return &filter{w: w, put: escaped} }

func onScreen(out *strings.Builder, text string, r rune, size int) int {
	if r == '\n' || r == '\t' {
		out.WriteRune(r)
		return size
	}
	if known := own.FindString(text); known != "" {
		out.WriteString(known)
		return len(known)
	}
	out.WriteByte(' ')
	return size
}

func escaped(out *strings.Builder, _ string, r rune, size int) int {
	switch {
	case r == '\n' || r == '\t' || r == '\r':
		out.WriteRune(r)
	case r > 0xffff:
		r -= 0x10000
		fmt.Fprintf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	default:
		fmt.Fprintf(out, `\u%04x`, r)
	}
	return size
}

// filter puts something in place of characters that steer.
type filter struct {
	w    io.Writer
	put  func(out *strings.Builder, text string, r rune, size int) int // how much of text it has dealt with
	rest []byte                                                        // the beginning of a character
}

// Write writes whole characters. It tells that all was written, since what comes out has
// another length.
func (f *filter) Write(p []byte) (int, error) {
	text := string(append(f.rest, p...))
	f.rest = nil
	var out strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 && !utf8.FullRuneInString(text[i:]) {
			f.rest = []byte(text[i:])
			break
		}
		if Steers(r) {
			i += f.put(&out, text[i:], r, size)
			continue
		}
		out.WriteString(text[i : i+size])
		i += size
	}
	if _, err := io.WriteString(f.w, out.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}
