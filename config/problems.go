package config

import (
	"cmp"
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

// position is where a setting was written.
type position struct {
	file string
	line int
}

// source remembers which files were read and where in them settings are.
type source struct {
	files []string            // in the order they were read, the main file first
	at    map[string]position // by path
}

// take remembers what was read from one more file. What two files have, such as
// ingress.tables, is where it was read first.
func (s *source) take(d *decoder) {
	if s.at == nil {
		s.at = map[string]position{}
	}
	s.files = append(s.files, d.file)
	for path, line := range d.lines {
		if _, known := s.at[path]; !known {
			s.at[path] = position{d.file, line}
		}
	}
}

// problem makes a Problem at a path; a setting that is nowhere is placed at the
// nearest section that is.
func (s source) problem(path, got, want, remedy string) Problem {
	at, near := s.at[path], path
	for at.line == 0 && near != "" {
		near = near[:max(strings.LastIndexAny(near, ".["), 0)]
		at = s.at[near]
	}
	if at.file == "" && len(s.files) > 0 {
		at.file = s.files[0]
	}
	return Problem{File: at.file, Line: at.line, Path: path, Got: got, Want: want, Remedy: remedy}
}

// err sorts problems by file and line and returns them, nil when there are none.
func (s source) err(problems Problems) error {
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(slices.Index(s.files, a.File)-slices.Index(s.files, b.File), a.Line-b.Line)
	})
	return &problems
}
