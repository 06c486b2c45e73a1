package config

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
)

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
