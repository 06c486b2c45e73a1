package commands

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"slices"

	"github.com/dustin/go-humanize"
)

// cause is why a file could not be used, without the call and the path, which
// may be that of a file of ours beside it.
func cause(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// size is a number of bytes: "45 kB".
func size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) } //nolint:gosec // not negative

// newestFirst turns a list round that has the newest last. Every list that a command prints
// has the newest first, as text and as JSON.
func newestFirst[T any](list []T) []T {
	out := slices.Clone(list)
	slices.Reverse(out)
	return out
}

// writeJSON prints an indented document.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return failed("writing the result: %v", err)
	}
	return nil
}
