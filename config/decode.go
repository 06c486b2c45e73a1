package config

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"causeway.dev/internal/mapping"
)

// decoder fills a Go value from YAML text and collects everything in the text that
// has no place or the wrong type. It does not stop at the first problem, which is
// why it walks the syntax tree instead of using the library's decoder.
type decoder struct {
	file     string
	main     string         // the file that includes this one; "" for the main file itself
	lines    map[string]int // path to line
	anchors  map[string]ast.Node
	problems Problems
}

func newDecoder(file string) *decoder {
	return &decoder{file: file, lines: map[string]int{}, anchors: map[string]ast.Node{}}
}

// decode fills target. The text was not read at all when it is not YAML, or no section.
func (d *decoder) decode(data []byte, target reflect.Value) (read bool) {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		p := Problem{File: d.file, Got: "text that is not YAML", Want: "YAML", Remedy: "check indentation, colons and quotes there"}
		// The library's own text quotes the file around the error, secrets and all.
		if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok && syntax.Token != nil && syntax.Token.Position != nil {
			p.Line, p.Got = syntax.Token.Position.Line, "text that is not YAML ("+syntax.Message+")"
		}
		d.problems = append(d.problems, p)
		return false
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			d.problems = append(d.problems, Problem{File: d.file, Line: line(doc.Body), Got: "a second document", Want: "one document", Remedy: "remove the line ---"})
			break
		}
		body = doc.Body
	}
	before := len(d.problems)
	if body != nil {
		d.value(body, target, "")
	}
	return !slices.ContainsFunc(d.problems[before:], func(p Problem) bool { return p.Path == "" })
}

// wrong reports a value; it is on the line of its key.
func (d *decoder) wrong(node ast.Node, path, got, want, remedy string) {
	d.add(node, path, got, want, remedy)
	if at := d.lines[path]; at != 0 {
		d.problems[len(d.problems)-1].Line = at
	}
}

func (d *decoder) add(node ast.Node, path, got, want, remedy string) {
	d.problems = append(d.problems, Problem{File: d.file, Line: line(node), Path: path, Got: got, Want: want, Remedy: remedy})
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
	names := keysOf(v.Type())
	d.pairs(node, path, "a section with "+strings.Join(names, ", "), func(key string, keyNode, value ast.Node, at string) {
		for i := range v.NumField() {
			if yamlName(v.Type().Field(i)) == key && key != "" {
				d.value(value, v.Field(i), at)
				return
			}
		}
		if got, remedy, misplaced := d.misplaced(at, v.Type()); misplaced {
			d.add(keyNode, at, got, mappingsOnly, cmp.Or(remedy, didYouMean(key, names)))
			return
		}
		d.add(keyNode, at, "an unknown key", "one of "+strings.Join(names, ", "), didYouMean(key, names))
	})
}

// keysOf are the keys that a section may have.
func keysOf(section reflect.Type) []string {
	var names []string
	for i := range section.NumField() {
		if name := yamlName(section.Field(i)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// didYouMean is a remedy for a misspelt word; "" when none of the choices is near.
func didYouMean(word string, choices []string) string {
	if near := mapping.Nearest(word, choices); near != "" && word != "" {
		return "did you mean " + near + "?"
	}
	return ""
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
		d.lines[at] = line(pair.Key)
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
		d.lines[at] = line(element)
		d.value(element, out.Index(i), at)
	}
	v.Set(out)
}
