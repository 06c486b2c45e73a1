package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"causeway.dev/internal/mapping"
)

// Mappings is an included file: it holds table mappings and nothing else, so that
// it can travel from one installation to another while credentials stay.
type Mappings struct {
	// Ingress holds the mappings, as in the main file.
	Ingress MappingTables `yaml:"ingress"`
}

// MappingTables is what an included file may say of ingress.
type MappingTables struct {
	// Tables are the table mappings by name, such as contacts: lower-case letters, digits, hyphens and underscores.
	Tables map[string]mapping.Table `yaml:"tables"`
}

// folder is where files are looked for and read.
type folder struct {
	glob func(pattern string) ([]string, error)
	read func(path string) ([]byte, error)
}

var disk = folder{filepath.Glob, os.ReadFile}

// with is the folder as it is once texts, by path, are saved.
func (f folder) with(texts map[string][]byte) folder {
	return folder{
		glob: func(pattern string) ([]string, error) {
			found, err := f.glob(pattern)
			for path := range texts {
				if fits, _ := filepath.Match(pattern, path); fits && !slices.Contains(found, path) {
					found = append(found, path)
				}
			}
			return found, err
		},
		read: func(path string) ([]byte, error) {
			if data, ok := texts[path]; ok {
				return data, nil
			}
			return f.read(path)
		},
	}
}

const mappingsOnly = "mappings only, under ingress.tables"

// include reads the files that the main file names and takes over their mappings.
// The order is that of the patterns, and by name within a pattern. A file that
// several patterns match is read once.
func (c *Config) include(in folder) Problems {
	var problems Problems
	main := c.source.files[0]
	seen := map[string]bool{}
	for i, pattern := range c.Include {
		found, wrong := match(in, main, pattern)
		if wrong != nil {
			path := fmt.Sprintf("include[%d]", i)
			problems = append(problems, c.source.problem(path, wrong.Got, wrong.Want, wrong.Remedy))
			continue
		}
		for _, file := range found {
			if !seen[file] {
				seen[file] = true
				problems = append(problems, c.includeFile(in, file, i)...)
			}
		}
	}
	return problems
}

// match lists the files that a pattern of the main file means, or says what is
// wrong with it. Hidden files, such as those of editors, have to be named.
func match(in folder, main, pattern string) ([]string, *Problem) {
	full := filepath.Clean(pattern)
	if !filepath.IsAbs(pattern) {
		full = filepath.Join(literal(filepath.Dir(main)), pattern)
	}
	found, err := in.glob(full)
	switch {
	case pattern == "":
		return nil, &Problem{Got: `""`, Want: "a file or a pattern such as mappings/*.yaml"}
	case slices.Contains(strings.Split(filepath.ToSlash(pattern), "/"), "**"):
		return nil, &Problem{Got: short(pattern), Want: "a pattern without **", Remedy: "give each folder a pattern of its own"}
	case err != nil:
		return nil, &Problem{Got: short(pattern) + ", which is no pattern", Want: "a file or a pattern such as mappings/*.yaml"}
	}
	hidden := func(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") }
	if !hidden(pattern) {
		found = slices.DeleteFunc(found, hidden)
	}
	if len(found) == 0 {
		shown := from(filepath.Dir(main), pattern)
		return nil, &Problem{Got: short(pattern) + ", which matches no file", Want: "files with mappings", Remedy: "looked for " + shown + "; correct or remove it"}
	}
	if slices.Contains(found, filepath.Clean(main)) {
		return nil, &Problem{Got: short(pattern) + ", which matches this file itself", Want: "files with mappings", Remedy: "keep them in a folder of their own, such as mappings"}
	}
	slices.Sort(found)
	return found, nil
}

// literal keeps what is special in a pattern from being so in the name of a folder.
func literal(dir string) string {
	if runtime.GOOS == "windows" { // where a backslash separates and cannot escape
		return dir
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// includeFile takes over the mappings of one file, which entry i of include names.
func (c *Config) includeFile(in folder, file string, i int) Problems {
	data, err := in.read(file)
	if err != nil {
		if inner, ok := errors.AsType[*fs.PathError](err); ok {
			err = inner.Err
		}
		return Problems{c.source.problem(fmt.Sprintf("include[%d]", i), fmt.Sprintf("%s, which cannot be read (%v)", file, err), "a file with mappings", "")}
	}
	var included Mappings
	d := newDecoder(file)
	d.main = c.source.files[0]
	d.decode(data, reflect.ValueOf(&included).Elem())
	for _, name := range slices.Sorted(maps.Keys(included.Ingress.Tables)) {
		path := "ingress.tables." + name
		if first, twice := c.source.at[path]; twice {
			d.problems = append(d.problems, Problem{File: file, Line: d.lines[path], Path: path, Got: "a second time",
				Want: fmt.Sprintf("once; it is in %s on line %d already", first.file, first.line), Remedy: "remove one of the two"})
			continue
		}
		if c.Ingress.Tables == nil {
			c.Ingress.Tables = map[string]mapping.Table{}
		}
		c.Ingress.Tables[name] = included.Ingress.Tables[name]
	}
	c.source.take(d)
	return d.problems
}

// misplaced reports a key that an included file may not have, and tells whether it
// is one: other settings belong into the main file.
func (d *decoder) misplaced(keyPath string, of reflect.Type) (got, remedy string, yes bool) {
	var main reflect.Type
	switch of {
	case reflect.TypeFor[Mappings]():
		main = reflect.TypeFor[Config]()
	case reflect.TypeFor[MappingTables]():
		main = reflect.TypeFor[Ingress]()
	default:
		return "", "", false
	}
	key := keyPath[strings.LastIndex(keyPath, ".")+1:]
	switch {
	case keyPath == "include":
		return "an include in an included file", "name those files under include in " + d.main, true
	case slices.Contains(keysOf(main), key):
		return "a setting of the main file", "move it to " + d.main, true
	}
	return "an unknown key", "", true
}

// DefinedIn is the file that holds a mapping; "" when there is no such mapping.
func (c *Config) DefinedIn(table string) string { return c.source.at["ingress.tables."+table].file }
