//go:build releasetest

package ledger

import (
	"embed"
	"io/fs"
	"testing/fstest"
)

// Programs built with the tag releasetest stand for a next release in rehearsals of an
// upgrade: their schema has a step that this release does not know. No release is built so.
//
//go:embed testdata/releasetest
var nextRelease embed.FS

func (o Options) migrations(database string) fs.FS {
	if o.steps != nil {
		return o.steps(database)
	}
	out := fstest.MapFS{}
	next, err := fs.Sub(nextRelease, "testdata/releasetest/"+database)
	if err != nil {
		panic(err)
	}
	for _, from := range []fs.FS{builtIn(database), next} {
		names, _ := fs.Glob(from, "*.sql")
		for _, name := range names {
			text, err := fs.ReadFile(from, name)
			if err != nil {
				panic(err)
			}
			out[name] = &fstest.MapFile{Data: text, Mode: 0o444}
		}
	}
	return out
}
