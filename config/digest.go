package config

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Digests identify what each section of the configuration says, by its key, so that two
// programs can tell whether they run with the same. Comments, order, and which file a
// mapping is in make no difference, nor does the folder, where paths are relative to it. No
// secret is in them, only where each is kept.
func (c *Config) Digests() map[string]string {
	whole := *c
	whole.Include = nil
	if len(c.source.files) > 0 {
		dir := filepath.Dir(c.source.files[0])
		for _, path := range append(whole.paths(), &whole.Ledger.Path) {
			*path = inside(dir, *path)
		}
		for _, s := range whole.secrets() {
			if ref, ok := strings.CutPrefix(string(*s.secret), "file:"); ok {
				*s.secret = Secret("file:" + inside(dir, ref))
			}
		}
	}
	references := map[string]string{}
	for _, s := range whole.secrets() {
		section, _, _ := strings.Cut(s.path, ".")
		references[section] += s.path + "=" + string(*s.secret) + "\n"
		*s.secret = ""
	}
	out := map[string]string{}
	v := reflect.ValueOf(whole)
	for i := range v.NumField() {
		name := yamlName(v.Type().Field(i))
		if name == "" || name == "include" {
			continue
		}
		text, err := yaml.Marshal(v.Field(i).Interface())
		if err != nil {
			continue // nothing is compared then
		}
		sum := sha256.Sum256([]byte(references[name] + string(text)))
		out[name] = hex.EncodeToString(sum[:6])
	}
	return out
}

// Differing are the sections in which two configurations differ, by their digests; none
// where one of them is not known.
func Differing(a, b map[string]string) []string {
	out := []string{}
	if len(a) == 0 || len(b) == 0 {
		return out
	}
	for name, digest := range a {
		if other, known := b[name]; known && other != digest {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// inside is a path as seen from dir, where it is below it.
func inside(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && path != "" && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
