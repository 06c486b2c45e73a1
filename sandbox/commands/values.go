package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// parseSet reads column=value pairs.
func parseSet(set []string) (map[string]any, error) {
	if len(set) == 0 {
		return nil, inputError("--set: want at least one column=value, such as --set jobtitle=Captain")
	}
	values := make(map[string]any, len(set))
	for _, pair := range set {
		column, text, ok := strings.Cut(pair, "=")
		if !ok || column == "" {
			return nil, inputError("--set: got %q, want column=value", pair)
		}
		values[column] = literal(text)
	}
	return values, nil
}

// literal reads a text as a JSON value, but not as an object or array. Any other text
// stays text, also a number with a leading zero or sign, such as a postal code.
func literal(text string) any {
	var v any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if dec.Decode(&v) != nil || dec.More() {
		return text
	}
	switch v.(type) {
	case map[string]any, []any:
		return text
	}
	return v
}

func show(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

func printJSON(ctx context.Context, out io.Writer, a *admin, path string) error {
	var doc any
	if err := a.call(ctx, http.MethodGet, path, nil, &doc); err != nil {
		return err
	}
	return printDoc(out, doc)
}

func printDoc(out io.Writer, doc any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}
