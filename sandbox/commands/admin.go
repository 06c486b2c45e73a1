package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

const defaultAdmin = "http://127.0.0.1:8445"

// admin is a client of the admin port of running sandboxes.
type admin struct{ url string }

func (a *admin) flag(f *pflag.FlagSet) {
	f.StringVar(&a.url, "admin", defaultAdmin, "admin port of the sandboxes")
}

// call sends body, if any, as JSON and decodes the answer into out, if any.
func (a *admin) call(ctx context.Context, method, path string, body, out any) error {
	var payload bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&payload).Encode(body); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(a.url, "/")+path, &payload)
	if err != nil {
		return inputError("--admin: got %q, want an address such as %s", a.url, defaultAdmin)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return marked{fmt.Errorf("no sandbox answers at %s (%w); start one with `go run ./sandbox` or `go run -C devstack .`, or name it with --admin", a.url, err), errUnreachable}
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("reading the sandbox's answer: %w", err)
	}
	if res.StatusCode >= 300 {
		var refused struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(answer, &refused) == nil && refused.Error != "" {
			return inputError("%s", refused.Error)
		}
		return fmt.Errorf("the sandbox answered %s", res.Status)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(answer))
	dec.UseNumber()
	return dec.Decode(out)
}
