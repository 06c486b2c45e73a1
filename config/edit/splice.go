package edit

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// place is a node and what holds it: entry i of parent, which is nil at the root.
type place struct {
	parent *yaml.Node
	i      int
	node   *yaml.Node
	flow   bool // inside of brackets
}

// find follows a path as far as it leads; rest is what is not there.
func (t *text) find(path Path) (at place, rest Path, err error) {
	at = place{node: t.root}
	for depth, step := range path {
		n := at.node
		if n == nil || implied(n) || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
			return at, path[depth:], nil
		}
		if n.Kind == yaml.AliasNode {
			return at, nil, fmt.Errorf("%s is shared with other settings by *%s; change it in the file by hand", path[:depth], n.Value)
		}
		next := place{parent: n, flow: at.flow || n.Style&yaml.FlowStyle != 0, i: -1}
		switch s := step.(type) {
		case string:
			if n.Kind != yaml.MappingNode {
				return at, nil, fmt.Errorf("%s is no section", path[:depth])
			}
			for i := 0; i < len(n.Content); i += 2 {
				if n.Content[i].Value == s {
					next.i = i / 2
					next.node = n.Content[i+1]
				}
			}
		case int:
			if n.Kind != yaml.SequenceNode {
				return at, nil, fmt.Errorf("%s is no list", path[:depth])
			}
			if s < len(n.Content) {
				next.i, next.node = s, n.Content[s]
			}
		}
		if next.i < 0 {
			return at, path[depth:], nil
		}
		at = next
	}
	return at, nil, nil
}

// set gives the setting at a path a value, and makes the sections that are missing on
// the way. The place behind the end of a list is a new entry.
func (t *text) set(path Path, value node, before func(Path) []string) ([]byte, error) {
	at, rest, err := t.find(path)
	if err != nil {
		return nil, err
	}
	whole := value
	for i := len(rest) - 1; i > 0; i-- {
		whole = nest(rest[i], whole)
	}
	switch {
	case len(rest) == 0:
		return t.replace(at, value)
	case t.root == nil:
		gap := ""
		if len(t.data) > 0 && t.data[len(t.data)-1] != '\n' {
			gap = t.nl
		}
		return append(t.data[:len(t.data):len(t.data)], gap+strings.TrimPrefix(nest(rest[0], whole).block(0, t.nl), t.nl)+t.nl...), nil
	case at.node.Kind == yaml.ScalarNode:
		return t.replace(at, nest(rest[0], whole))
	}
	if i, ok := rest[0].(int); ok {
		if i != len(at.node.Content) {
			return nil, fmt.Errorf("%s has %d entries, none at %d", path[:len(path)-len(rest)], len(at.node.Content), i)
		}
		return t.insertItem(at, i, whole)
	}
	return t.insertKey(at, rest[0].(string), whole, before(path[:len(path)-len(rest)+1]))
}

func nest(step any, value node) node {
	if key, ok := step.(string); ok {
		return node{kind: section, pairs: []pair{{key, value}}}
	}
	return node{kind: list, items: []node{value}}
}

// span is where what is written for a place begins and ends.
func (t *text) span(at place) (start, end int, err error) {
	switch {
	case at.parent == nil:
		end, err = t.end(at.node)
		return t.body(at.node), end, err
	case at.parent.Kind == yaml.MappingNode:
		return t.value(at.parent, at.i)
	}
	return t.item(at.parent, at.i)
}

// replace writes a value in place of another one.
func (t *text) replace(at place, value node) ([]byte, error) {
	start, end, err := t.span(at)
	if err != nil {
		return nil, err
	}
	old := at.node
	block := old.Style&yaml.FlowStyle == 0 && (old.Kind == yaml.MappingNode || old.Kind == yaml.SequenceNode)
	switch {
	case value.kind == scalar:
		if s := value.scalar; start < end && (s[0] == '"' || old.ShortTag() == "!!str") { // keep the quotes that were there
			if q := t.data[start]; q == '"' || q == '\'' {
				value.scalar = requote(s, q)
			}
		}
		if block || old.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			return t.behindKey(at, end, value.scalar)
		}
		if start == end {
			value.scalar = " " + value.scalar
		}
		return t.splice(start, end, value.scalar), nil
	case block && !value.simple():
		indent := start - t.bol(start)
		return t.splice(start, end, strings.TrimLeft(value.block(indent, t.nl), " \r\n")), nil
	case block:
		return t.behindKey(at, end, value.flow())
	case start == end && !at.flow:
		return t.splice(start, end, value.behind(t.indent(at)+2, t.nl)), nil
	case start == end:
		return t.splice(start, end, " "+value.flow()), nil
	case !at.flow && !value.simple() && at.parent != nil && at.parent.Kind == yaml.MappingNode:
		colon, err := t.colon(at.parent.Content[2*at.i])
		if err != nil {
			return nil, err
		}
		return t.splice(colon, end, value.behind(t.indent(at)+2, t.nl)), nil
	}
	return t.splice(start, end, value.flow()), nil
}

// requote gives text the quotes that it had.
func requote(s string, q byte) string {
	var text string
	if yaml.Unmarshal([]byte(s), &text) != nil {
		return s
	}
	return quote(text, q)
}

// behindKey writes a value on the line of its key, in place of one that was below it.
func (t *text) behindKey(at place, end int, s string) ([]byte, error) {
	if at.parent == nil || at.parent.Kind != yaml.MappingNode {
		start, _, err := t.span(at)
		return t.splice(start, end, s), err
	}
	start, err := t.colon(at.parent.Content[2*at.i])
	if err != nil {
		return nil, err
	}
	if at.node.Anchor != "" {
		return nil, ErrForm
	}
	if comment := bytes.TrimSpace(t.data[start:t.eol(start)]); len(comment) > 0 && comment[0] == '#' {
		return t.splice(start, end, " "+s+" "+string(comment)), nil
	}
	return t.splice(start, end, " "+s), nil
}

// indent is the column of the keys of the section that holds a place.
func (t *text) indent(at place) int {
	if at.parent == nil || len(at.parent.Content) == 0 {
		return 0
	}
	return at.parent.Content[0].Column - 1
}

// insertKey adds an entry to a section, behind the last of those that belong before it.
func (t *text) insertKey(at place, key string, value node, before []string) ([]byte, error) {
	n, after := at.node, len(at.node.Content)/2-1
search:
	for j := len(before) - 1; j >= 0; j-- {
		for i := range len(n.Content) / 2 {
			if n.Content[2*i].Value == before[j] {
				after = i
				break search
			}
		}
	}
	if n.Style&yaml.FlowStyle != 0 {
		return t.insertFlow(at, after, quote(key, 0)+": "+value.flow())
	}
	_, end, err := t.value(n, after)
	if err != nil {
		return nil, err
	}
	indent := n.Content[0].Column - 1
	return t.insertLine(end, strings.Repeat(" ", indent)+quote(key, 0)+":"+value.behind(indent+2, t.nl)), nil
}

// insertLine adds a line below the one on which something ends.
func (t *text) insertLine(end int, s string) []byte {
	at := t.next(end)
	if at == len(t.data) && (at == 0 || t.data[at-1] != '\n') {
		return t.splice(at, at, t.nl+s)
	}
	return t.splice(at, at, s+t.nl)
}

// insertFlow adds an entry to what is in brackets, behind another one; -1 is before all.
func (t *text) insertFlow(at place, after int, s string) ([]byte, error) {
	n := at.node
	if len(n.Content) == 0 {
		start, end, err := t.span(at)
		if n.Kind == yaml.MappingNode {
			return t.splice(start, end, "{ "+s+" }"), err
		}
		return t.splice(start, end, "["+s+"]"), err
	}
	if after < 0 {
		start, _, err := t.span(place{parent: n, node: n.Content[0]})
		return t.splice(start, start, s+", "), err
	}
	_, end, err := t.span(place{parent: n, i: after})
	if err != nil {
		return nil, err
	}
	return t.splice(end, end, ", "+s), nil
}

// insertItem adds entry i to a list.
func (t *text) insertItem(at place, i int, value node) ([]byte, error) {
	n := at.node
	if n.Style&yaml.FlowStyle != 0 {
		return t.insertFlow(at, i-1, value.flow())
	}
	column, err := t.dashes(n)
	if err != nil {
		return nil, err
	}
	entry := node{kind: list, items: []node{value}}
	s := strings.TrimPrefix(entry.block(column, t.nl), t.nl)
	if beside := n.Content[max(i-1, 0)]; beside.Kind == yaml.MappingNode && beside.Style&yaml.FlowStyle == 0 && len(value.pairs) > 0 {
		pad := strings.Repeat(" ", column)
		s = pad + "- " + strings.TrimLeft(value.block(column+2, t.nl), " \r\n")
	}
	if i > 0 {
		_, end, err := t.item(n, i-1)
		if err != nil {
			return nil, err
		}
		return t.insertLine(end, s), nil
	}
	start, err := t.dash(n, 0)
	if err != nil {
		return nil, err
	}
	line := t.bol(start)
	if len(bytes.TrimSpace(t.data[line:start])) > 0 {
		return nil, ErrForm
	}
	return t.splice(line, line, s+t.nl), nil
}

// dashes is the column of the dashes of a list, from 0.
func (t *text) dashes(n *yaml.Node) (int, error) {
	start := t.body(n)
	if start == len(t.data) || t.data[start] != '-' {
		return 0, ErrForm
	}
	return start - t.bol(start), nil
}

// dash is where the dash of entry i is.
func (t *text) dash(n *yaml.Node, i int) (int, error) {
	column, err := t.dashes(n)
	if err != nil {
		return 0, err
	}
	for line := n.Content[i].Line; line >= n.Line; line-- {
		pos := t.lines[line-1] + column
		if pos < t.eol(t.lines[line-1]) && t.data[pos] == '-' && len(bytes.Trim(t.data[t.lines[line-1]:pos], " -")) == 0 {
			return pos, nil
		}
	}
	return 0, ErrForm
}

// remove takes a setting out, with the comment behind it; what is not there is left so.
// The last entry of a section or a list leaves it empty.
func (t *text) remove(path Path) ([]byte, error) {
	at, rest, err := t.find(path)
	if err != nil || len(rest) > 0 {
		return t.data, err
	}
	n := at.parent
	if n == nil {
		return nil, ErrForm
	}
	keyed := n.Kind == yaml.MappingNode
	size := len(n.Content)
	if keyed {
		size /= 2
	}
	_, end, err := t.span(at)
	if err != nil {
		return nil, err
	}
	if size == 1 {
		return t.removeLast(path, keyed)
	}
	start, err := t.begin(n, at.i)
	if err != nil {
		return nil, err
	}
	if n.Style&yaml.FlowStyle != 0 {
		if at.i > 0 {
			_, before, err := t.span(place{parent: n, i: at.i - 1})
			return t.splice(before, end, ""), err
		}
		after, err := t.begin(n, 1)
		return t.splice(start, after, ""), err
	}
	if line := t.bol(start); len(bytes.TrimSpace(t.data[line:start])) == 0 {
		if next := t.next(end); next < len(t.data) || t.data[next-1] == '\n' {
			return t.splice(line, next, ""), nil
		}
		return t.splice(max(line-len(t.nl), 0), len(t.data), ""), nil // the file ends without a line break, as it did
	}
	after, err := t.begin(n, at.i+1) // behind the dash of a list
	return t.splice(start, after, ""), err
}

// removeLast leaves {} or [] where an only entry was.
func (t *text) removeLast(path Path, keyed bool) ([]byte, error) {
	holder, _, err := t.find(path[:len(path)-1])
	if err != nil {
		return nil, err
	}
	_, end, err := t.span(holder)
	if err != nil {
		return nil, err
	}
	empty := "[]"
	if keyed {
		empty = "{}"
	}
	if holder.node.Style&yaml.FlowStyle != 0 {
		start, _, err := t.span(holder)
		return t.splice(start, end, empty), err
	}
	return t.behindKey(holder, end, empty)
}

// begin is where entry i of a section or a list begins: its key, its dash or its value.
func (t *text) begin(n *yaml.Node, i int) (int, error) {
	switch {
	case n.Kind == yaml.MappingNode && 2*i < len(n.Content):
		return t.at(n.Content[2*i]), nil
	case n.Kind == yaml.SequenceNode && i < len(n.Content) && n.Style&yaml.FlowStyle == 0:
		return t.dash(n, i)
	case n.Kind == yaml.SequenceNode && i < len(n.Content):
		return t.at(n.Content[i]), nil
	}
	return 0, ErrForm
}
