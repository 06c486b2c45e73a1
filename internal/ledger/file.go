package ledger

import (
	"fmt"
	"os"
)

// ledgerFile is the file of a SQLite ledger as it was opened. An open file lives on when
// its name is gone, so what is written to it then would be lost without a word.
type ledgerFile struct {
	path   string
	opened os.FileInfo
}

// findFile remembers the file at path.
func findFile(path string) *ledgerFile {
	info, err := os.Stat(path)
	if err != nil {
		return &ledgerFile{path: path}
	}
	return &ledgerFile{path: path, opened: info}
}

// inPlace fails when the file is no longer where it was opened. Nothing may be written
// then. A file that is put back is taken up at once; another one needs a restart.
func (f *ledgerFile) inPlace() error {
	if f == nil {
		return nil // PostgreSQL
	}
	now, err := os.Stat(f.path)
	switch {
	case err != nil:
		return fmt.Errorf("ledger.path: %s is gone while the worker has it open: nothing is written; put the file back, or restart the worker: %w", f.path, err)
	case f.opened == nil || !os.SameFile(f.opened, now):
		return fmt.Errorf("ledger.path: %s was replaced while the worker has it open: nothing is written; restart the worker, and it takes the new file", f.path)
	}
	return nil
}
