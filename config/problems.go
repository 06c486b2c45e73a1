package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File   string // as given to Load or Parse
	Line   int    // where it is, or where it is missing; 0 when unknown
	Path   string // as the operator wrote it: ingress.tables.contacts.fields[3].to
	Got    string // what was found; never a secret
	Want   string // what would do
	Remedy string // what to do about it; may be empty
}

// String gives one line: file:line: path: got …, want …; remedy.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString("got " + p.Got + ", want " + p.Want)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	return b.String()
}

// Problems are all that is wrong with a configuration, in file order. As an
// error it is *Problems.
type Problems []Problem

// Error gives one problem per line.
func (p *Problems) Error() string {
	lines := make([]string, len(*p))
	for i, one := range *p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// err sorts the problems by line and returns them, nil when there are none.
func (p *Problems) err() error {
	if len(*p) == 0 {
		return nil
	}
	slices.SortStableFunc(*p, func(a, b Problem) int { return a.Line - b.Line })
	return p
}

// source remembers where settings were written.
type source struct {
	file  string
	lines map[string]int // path to line
}

// problem makes a Problem at a path; a setting that is not in the file is placed
// at the nearest section that is.
func (s source) problem(path, got, want, remedy string) Problem {
	line, near := s.lines[path], path
	for line == 0 && near != "" {
		near = near[:max(strings.LastIndexAny(near, ".["), 0)]
		line = s.lines[near]
	}
	return Problem{File: s.file, Line: line, Path: path, Got: got, Want: want, Remedy: remedy}
}
