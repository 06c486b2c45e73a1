//go:build !releasetest

package ledger

import "io/fs"

// migrations are the steps of a database's schema.
func (o Options) migrations(database string) fs.FS {
	if o.steps != nil {
		return o.steps(database)
	}
	return builtIn(database)
}
