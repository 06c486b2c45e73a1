package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"causeway.dev/internal/mapping"
)

// decode fills c from YAML text and returns everything in it that has no place
// or the wrong type. It does not stop at the first problem, which is why it walks
// the syntax tree instead of using the library's decoder. It was not read at all
// when the text is not YAML, or no section.
func (c *Config) decode(name string, data []byte) (problems Problems, read bool) {
	c.source = source{file: name, lines: map[string]int{}}
	d := &decoder{source: c.source, anchors: map[string]ast.Node{}}
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		p := Problem{File: name, Got: "text that is not YAML", Want: "YAML", Remedy: "check indentation, colons and quotes there"}
		// The library's own text quotes the file around the error, secrets and all.
		if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok && syntax.Token != nil && syntax.Token.Position != nil {
			p.Line, p.Got = syntax.Token.Position.Line, "text that is not YAML ("+syntax.Message+")"
		}
		return Problems{p}, false
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			d.problems = append(d.problems, Problem{File: name, Line: line(doc.Body), Got: "a second document", Want: "one document", Remedy: "remove the line ---"})
			break
		}
		body = doc.Body
	}
	before := len(d.problems)
	if body != nil {
		d.value(body, reflect.ValueOf(c).Elem(), "")
	}
	return d.problems, !slices.ContainsFunc(d.problems[before:], func(p Problem) bool { return p.Path == "" })
}

// decoder walks a syntax tree along a Go type.
type decoder struct {
	source   source
	anchors  map[string]ast.Node
	problems Problems
}

// wrong reports a value; it is on the line of its key.
func (d *decoder) wrong(node ast.Node, path, got, want, remedy string) {
	d.add(node, path, got, want, remedy)
	if at := d.source.lines[path]; at != 0 {
		d.problems[len(d.problems)-1].Line = at
	}
}

func (d *decoder) add(node ast.Node, path, got, want, remedy string) {
	d.problems = append(d.problems, Problem{File: d.source.file, Line: line(node), Path: path, Got: got, Want: want, Remedy: remedy})
}

var (
	secretType   = reflect.TypeFor[Secret]()
	durationType = reflect.TypeFor[time.Duration]()
)

// value decodes one node; an empty one leaves the default.
func (d *decoder) value(node ast.Node, v reflect.Value, path string) {
	node, ok := d.plain(node, path)
	if !ok || node.Type() == ast.NullType {
		return
	}
	switch {
	case v.Type() == secretType:
		d.secret(node, v, path)
	case v.Type() == durationType:
		d.duration(node, v, path)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(node, v.Elem(), path)
	case v.Kind() == reflect.Struct:
		d.object(node, v, path)
	case v.Kind() == reflect.Map:
		d.table(node, v, path)
	case v.Kind() == reflect.Slice:
		d.list(node, v, path)
	default:
		d.scalar(node, v, path)
	}
}

// plain follows anchors and aliases.
func (d *decoder) plain(node ast.Node, path string) (ast.Node, bool) {
	switch n := node.(type) {
	case *ast.AnchorNode:
		d.anchors[n.Name.GetToken().Value] = n.Value
		return d.plain(n.Value, path)
	case *ast.AliasNode:
		target, known := d.anchors[n.Value.GetToken().Value]
		if !known {
			d.add(node, path, "an alias without an anchor", "an anchor before it", "")
		}
		return target, known
	case *ast.TagNode:
		d.add(node, path, "a YAML tag", "a plain value", "remove the tag")
		return nil, false
	case nil:
		return nil, false
	}
	return node, true
}

// object decodes a section with known keys.
func (d *decoder) object(node ast.Node, v reflect.Value, path string) {
	fields := map[string]int{}
	var names []string
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			fields[name] = i
			names = append(names, name)
		}
	}
	d.pairs(node, path, "a section with "+strings.Join(names, ", "), func(key string, keyNode, value ast.Node, at string) {
		i, known := fields[key]
		if !known {
			d.unknown(keyNode, at, key, names)
			return
		}
		d.value(value, v.Field(i), at)
	})
}

// unknown reports a key that has no meaning here.
func (d *decoder) unknown(node ast.Node, path, key string, names []string) {
	remedy := ""
	if near := mapping.Nearest(key, names); near != "" {
		remedy = "did you mean " + near + "?"
	}
	d.add(node, path, "an unknown key", "one of "+strings.Join(names, ", "), remedy)
}

// table decodes a section whose keys are names of the operator's choice.
func (d *decoder) table(node ast.Node, v reflect.Value, path string) {
	out := reflect.MakeMap(v.Type())
	d.pairs(node, path, "a section with one entry for each name", func(key string, _, value ast.Node, at string) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(value, element, at)
		out.SetMapIndex(reflect.ValueOf(key), element)
	})
	v.Set(out)
}

// pairs visits the keys of a section once each.
func (d *decoder) pairs(node ast.Node, path, want string, visit func(key string, keyNode, value ast.Node, at string)) {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		d.wrong(node, path, describe(node), want, "")
		return
	}
	seen := map[string]int{}
	for _, pair := range values {
		key := pair.Key.GetToken().Value
		at := key
		if path != "" {
			at = path + "." + key
		}
		if first, twice := seen[key]; twice {
			d.add(pair.Key, at, "a second time", fmt.Sprintf("once; it is on line %d already", first), "remove one of the two")
			continue
		}
		seen[key] = line(pair.Key)
		d.source.lines[at] = line(pair.Key)
		visit(key, pair.Key, pair.Value, at)
	}
}

func (d *decoder) list(node ast.Node, v reflect.Value, path string) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		d.wrong(node, path, describe(node), "a list", "begin each entry with a hyphen, or put the entries in brackets")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(sequence.Values), len(sequence.Values))
	for i, element := range sequence.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.source.lines[at] = line(element)
		d.value(element, out.Index(i), at)
	}
	v.Set(out)
}

func (d *decoder) scalar(node ast.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		if s, ok := text(node); ok {
			v.SetString(s)
			return
		}
		remedy := ""
		switch node.(type) {
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
			remedy = "put it in quotes"
		}
		d.wrong(node, path, describe(node), "text", remedy)
	case reflect.Bool:
		if b, ok := node.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
			return
		}
		d.wrong(node, path, describe(node), "true or false", "")
	case reflect.Int:
		if n, ok := node.(*ast.IntegerNode); ok {
			if value, err := strconv.ParseInt(fmt.Sprint(n.Value), 10, 32); err == nil {
				v.SetInt(value)
				return
			}
		}
		d.wrong(node, path, describe(node), "a whole number", "")
	case reflect.Float64:
		switch n := node.(type) {
		case *ast.IntegerNode:
			if value, err := strconv.ParseFloat(fmt.Sprint(n.Value), 64); err == nil {
				v.SetFloat(value)
				return
			}
		case *ast.FloatNode:
			if !math.IsInf(n.Value, 0) && !math.IsNaN(n.Value) {
				v.SetFloat(n.Value)
				return
			}
		}
		d.wrong(node, path, describe(node), "a number", "")
	}
}

func (d *decoder) duration(node ast.Node, v reflect.Value, path string) {
	s, ok := text(node)
	if ok {
		if value, err := time.ParseDuration(s); err == nil {
			v.SetInt(int64(value))
			return
		}
	}
	d.wrong(node, path, describe(node), "a duration with its unit, such as 30s, 5m or 1h30m", "")
}

// secret takes references only, and repeats nothing of anything else.
func (d *decoder) secret(node ast.Node, v reflect.Value, path string) {
	s, ok := text(node)
	if ok && secretForm.MatchString(s) {
		v.SetString(s)
		return
	}
	// Something was meant to be here: no second problem for its absence.
	v.SetString("env:INVALID")
	d.wrong(node, path, "a literal value (not shown)", "a reference: env:NAME or file:path",
		"put the secret in an environment variable or a file, refer to it, and replace it at its issuer if this file was shared")
}

// text is the content of a string node.
func text(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

// describe names what a node is, with its text where that is short.
func describe(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return short(n.Value)
	case *ast.LiteralNode:
		return "a block of text"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a section"
	}
	if token := node.GetToken(); token != nil {
		return token.Value
	}
	return "something else"
}

// short quotes text, cut where it is long.
func short(s string) string {
	if runes := []rune(s); len(runes) > 60 {
		return strconv.Quote(string(runes[:60]) + "…")
	}
	return strconv.Quote(s)
}

// line is where a node begins, 0 when unknown.
func line(node ast.Node) int {
	switch n := node.(type) {
	case *ast.MappingValueNode:
		return line(n.Key)
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return line(n.Values[0])
		}
	}
	if token := node.GetToken(); token != nil && token.Position != nil {
		return token.Position.Line
	}
	return 0
}
