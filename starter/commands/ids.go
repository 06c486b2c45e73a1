package commands

import (
	"io"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"

	"causeway.dev/activities"
	"causeway.dev/internal/phrase"
)

const (
	maxIDs     = activities.MostNamed
	maxIDsFile = 1 << 20 // bytes; a thousand ids are 37 kB
)

// readIDs reads record ids from a list or, with @, from a file: separated by
// commas, spaces or line breaks, in any spelling of a GUID, each once.
func (e *env) readIDs(list string) ([]string, error) {
	if path, isFile := strings.CutPrefix(list, "@"); isFile {
		data, err := e.readFile(path)
		if err != nil {
			return nil, badInput("--ids: %v", err)
		}
		if len(data) > maxIDsFile {
			return nil, badInput("--ids: %s is larger than 1 MiB, want at most 1,000 ids at a time", path)
		}
		list = string(data)
	}
	var ids []string
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(", ;\t\r\n\ufeff", r) }) {
		if uuid.Validate(word) != nil {
			return nil, badInput("--ids: got %q, want record ids like 6f0c1d2e-0000-4000-8000-000000000001", word)
		}
		ids = append(ids, uuid.MustParse(word).String())
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	switch {
	case len(ids) == 0:
		return nil, badInput("--ids: got no id, want at least one")
	case len(ids) > maxIDs:
		return nil, badInput("--ids: got %s, want at most 1,000 at a time", phrase.Count(int64(len(ids)), "id"))
	}
	return ids, nil
}

func (e *env) readFile(path string) ([]byte, error) {
	in := e.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, maxIDsFile+1))
}
