package edit

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// ErrForm says that a place in a file is written in a way that is not edited in place.
var ErrForm = errors.New("is written in a form that cannot be edited in place; change it in the file by hand")

// text is one file: its bytes, and where in them each node begins and ends. The nodes
// only tell places; what is written are the bytes, so everything else stays as it is.
type text struct {
	data  []byte
	root  *yaml.Node // nil when the file holds nothing
	lines []int      // where each line begins
	nl    string
}

func parse(data []byte) (*text, error) {
	t := &text{data: data, lines: []int{0}, nl: "\n"}
	if i := bytes.IndexByte(data, '\n'); i > 0 && data[i-1] == '\r' {
		t.nl = "\r\n"
	}
	for i, b := range data {
		if b == '\n' {
			t.lines = append(t.lines, i+1)
		}
	}
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		t.lines[0] = 3
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, errors.New("is not YAML; correct it by hand first")
	}
	if len(doc.Content) > 0 {
		t.root = doc.Content[0]
	}
	return t, nil
}

// at is where a node begins: with its anchor, if it has one.
func (t *text) at(n *yaml.Node) int {
	pos := t.lines[min(n.Line, len(t.lines))-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(t.data[pos:])
		pos += size
	}
	return min(pos, len(t.data))
}

// body is where a node begins behind its anchor and its tag.
func (t *text) body(n *yaml.Node) int {
	pos := t.at(n)
	for pos < len(t.data) && (t.data[pos] == '&' || t.data[pos] == '!') && n.Kind != yaml.AliasNode {
		for pos < len(t.data) && !space(t.data[pos]) {
			pos++
		}
		pos = t.blank(pos)
	}
	return pos
}

// blank is the next place that is no space, line break or comment.
func (t *text) blank(pos int) int {
	for pos < len(t.data) {
		switch {
		case space(t.data[pos]):
			pos++
		case t.data[pos] == '#' && (pos == 0 || space(t.data[pos-1])):
			pos = t.eol(pos)
		default:
			return pos
		}
	}
	return pos
}

func space(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// eol is the end of the line at a place, before its line break.
func (t *text) eol(pos int) int {
	if i := bytes.IndexByte(t.data[pos:], '\n'); i >= 0 {
		return pos + i - len(t.nl) + 1
	}
	return len(t.data)
}

// next is where the line after a place begins.
func (t *text) next(pos int) int {
	if i := bytes.IndexByte(t.data[pos:], '\n'); i >= 0 {
		return pos + i + 1
	}
	return len(t.data)
}

// bol is where the line at a place begins.
func (t *text) bol(pos int) int {
	for i := len(t.lines) - 1; i >= 0; i-- {
		if t.lines[i] <= pos {
			return t.lines[i]
		}
	}
	return 0
}

// implied says that nothing is written for a node: "key:" alone.
func implied(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "" && n.Style == 0 && n.Anchor == ""
}

// end is where a node ends, without comments behind it; not for one that is implied.
func (t *text) end(n *yaml.Node) (int, error) {
	pos := t.body(n)
	switch {
	case n.Kind == yaml.AliasNode:
		return pos + 1 + len(n.Value), nil
	case n.Kind == yaml.ScalarNode:
		return t.scalarEnd(n, pos)
	case n.Style&yaml.FlowStyle != 0:
		return t.flowEnd(pos)
	case len(n.Content) == 0:
		return 0, ErrForm
	case n.Kind == yaml.MappingNode:
		_, end, err := t.value(n, len(n.Content)/2-1)
		return end, err
	}
	_, end, err := t.item(n, len(n.Content)-1)
	return end, err
}

// value is where the value of entry i of a section begins and ends.
func (t *text) value(n *yaml.Node, i int) (start, end int, err error) {
	key, value := n.Content[2*i], n.Content[2*i+1]
	if implied(value) {
		end, err = t.colon(key)
		return end, end, err
	}
	if end, err = t.end(value); err != nil {
		return 0, 0, err
	}
	return t.body(value), end, nil
}

// colon is the place behind the colon of a key.
func (t *text) colon(key *yaml.Node) (int, error) {
	if key.Kind != yaml.ScalarNode || implied(key) {
		return 0, ErrForm
	}
	pos, err := t.end(key)
	if err != nil {
		return 0, err
	}
	for pos < len(t.data) && t.data[pos] == ' ' {
		pos++
	}
	if pos == len(t.data) || t.data[pos] != ':' {
		return 0, ErrForm
	}
	return pos + 1, nil
}

// item is where entry i of a list begins and ends.
func (t *text) item(n *yaml.Node, i int) (start, end int, err error) {
	if implied(n.Content[i]) {
		return 0, 0, ErrForm
	}
	end, err = t.end(n.Content[i])
	return t.body(n.Content[i]), end, err
}

func (t *text) scalarEnd(n *yaml.Node, pos int) (int, error) {
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return t.quoted(pos)
	case n.Style&yaml.SingleQuotedStyle != 0:
		return t.quoted(pos)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return t.blockEnd(pos), nil
	}
	for _, r := range n.Value { // a plain one has no escapes; only its line breaks may differ
		if r < utf8.RuneSelf && space(byte(r)) {
			continue
		}
		for pos < len(t.data) && space(t.data[pos]) {
			pos++
		}
		if !bytes.HasPrefix(t.data[pos:], []byte(string(r))) {
			return 0, ErrForm
		}
		pos += utf8.RuneLen(r)
	}
	return pos, nil
}

// quoted is the end of what is in quotes.
func (t *text) quoted(pos int) (int, error) {
	if pos == len(t.data) {
		return 0, ErrForm
	}
	quote := t.data[pos]
	for pos++; pos < len(t.data); pos++ {
		switch {
		case quote == '"' && t.data[pos] == '\\':
			pos++
		case t.data[pos] == quote && quote == '\'' && pos+1 < len(t.data) && t.data[pos+1] == quote:
			pos++
		case t.data[pos] == quote:
			return pos + 1, nil
		}
	}
	return 0, ErrForm
}

// blockEnd is the end of the last line of a block of text that is not empty.
func (t *text) blockEnd(pos int) int {
	end, indent := t.eol(pos), -1
	for pos = t.next(pos); pos < len(t.data); pos = t.next(pos) {
		line := string(t.data[pos:t.eol(pos)])
		here := len(line) - len(strings.TrimLeft(line, " "))
		if strings.TrimSpace(line) == "" {
			continue
		}
		if indent < 0 {
			indent = here
		}
		if here < indent || indent == 0 {
			break
		}
		end = t.eol(pos)
	}
	return end
}

// flowEnd is the place behind the bracket that closes the one at pos.
func (t *text) flowEnd(pos int) (int, error) {
	for depth := 0; pos < len(t.data); pos++ {
		switch b := t.data[pos]; {
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			if depth--; depth == 0 {
				return pos + 1, nil
			}
		case depth == 0:
			return 0, ErrForm
		case b == '#' && space(t.data[pos-1]):
			pos = t.next(pos) - 1
		case (b == '"' || b == '\'') && strings.IndexByte(" \t\r\n,[{:", t.data[pos-1]) >= 0:
			end, err := t.quoted(pos)
			if err != nil {
				return 0, err
			}
			pos = end - 1
		}
	}
	return 0, ErrForm
}

// splice puts text in place of a part.
func (t *text) splice(start, end int, s string) []byte {
	out := make([]byte, 0, len(t.data)+len(s))
	return append(append(append(out, t.data[:start]...), s...), t.data[end:]...)
}
