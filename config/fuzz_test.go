package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// Whatever two files hold, they are read or refused with problems that name their
// file, and what was read keeps its own rules and can be printed.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(f, err)
	for _, path := range append(files, "testdata/good.yaml", "testdata/many.yaml", "example.yaml") {
		text, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(string(text)+"\ninclude: ['*.map']\n", contactsMapping)
	}
	f.Add(good(f)+"include: [a.map, '*']\n", "x: &a { b: *a }\n")
	f.Add(good(f)+"include: &i [a.map]\ningress: *i\n", "ingress: &i { tables: { a: *i } }\n")
	f.Add(good(f)+"include: [a.map]\nledger: {<<: *x}\n", "ingress:\n  ? [complex]\n  : {}\n")
	f.Fuzz(func(t *testing.T, main, more string) {
		c, err := parse("main.yaml", []byte(main), memory(map[string]string{"main.yaml": main, "a.map": more}))
		if err == nil {
			require.NoError(t, c.Validate())
			require.NoError(t, yaml.Unmarshal([]byte(c.String()), new(any)))
			_ = c.Warnings()
			return
		}
		problems, ok := errors.AsType[*Problems](err)
		require.True(t, ok)
		require.NotEmpty(t, *problems)
		for _, p := range *problems {
			require.Contains(t, []string{"main.yaml", "a.map"}, p.File)
			require.NotEmpty(t, p.Got)
			require.NotEmpty(t, p.Want)
		}
	})
}
