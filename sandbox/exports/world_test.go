package exports_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/exports"
	"causeway.dev/sandbox/kit"
)

// profile is a profile of Campaign, with the fields that Extract returns.
type profile struct {
	id, email, emailStamp, ccpa string
	modified                    time.Time
}

type profiles []profile

func (p *profiles) Extract(_ string, fields []string, since, until time.Time, f func([]string, time.Time) error) error {
	for _, one := range *p {
		if one.modified.Before(since) || one.modified.After(until) {
			continue
		}
		values := make([]string, len(fields))
		for i, name := range fields {
			values[i] = map[string]string{"externalId": one.id, "blackListEmail": one.email, "blackListEmailLastModified": one.emailStamp, "ccpaOptOut": one.ccpa}[name]
		}
		if err := f(values, one.modified); err != nil {
			return err
		}
	}
	return nil
}

type engine struct {
	t *testing.T
	*exports.Engine
	clock    *kit.Clock
	log      *eventlog.Log
	profiles *profiles
	dir      string
	room     error
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{t: t, clock: &kit.Clock{}, profiles: &profiles{}, dir: t.TempDir()}
	e.log = eventlog.New(e.clock)
	e.Engine = exports.New(exports.Options{Clock: e.clock, Log: e.log, Profiles: e.profiles, Prefix: "blackList", Dir: e.dir, Temp: t.TempDir(),
		Room: func(int64) error { return e.room }})
	return e
}

// optOut adds a profile that changed now.
func (e *engine) optOut(id, email string) {
	now := e.clock.Now()
	stamp := ""
	if email != "" {
		stamp = now.Format("2006-01-02 15:04:05.000Z")
	}
	*e.profiles = append(*e.profiles, profile{id: id, email: email, emailStamp: stamp, modified: now})
}

func (e *engine) files() (names []string) {
	e.t.Helper()
	entries, err := os.ReadDir(e.dir)
	require.NoError(e.t, err)
	for _, f := range entries {
		names = append(names, f.Name())
	}
	return names
}

func (e *engine) read(name string) string {
	e.t.Helper()
	data, err := os.ReadFile(filepath.Join(e.dir, name))
	require.NoError(e.t, err)
	return string(data)
}

// rows reads a file of the plain form, by column.
func (e *engine) rows(name string) []map[string]string {
	e.t.Helper()
	return parse(e.t, e.read(name), ',')
}

func parse(t *testing.T, text string, comma rune) (out []map[string]string) {
	t.Helper()
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = comma
	all, err := r.ReadAll()
	require.NoError(t, err)
	for _, values := range all[1:] {
		row := map[string]string{}
		for i, v := range values {
			row[all[0][i]] = v
		}
		out = append(out, row)
	}
	return out
}

func (e *engine) export(id string, twists ...exports.Twist) exports.Result {
	e.t.Helper()
	got, err := e.Run(e.t.Context(), id, twists...)
	require.NoError(e.t, err)
	return got
}

func (e *engine) status(id string) exports.Status {
	e.t.Helper()
	s, err := e.Status(id)
	require.NoError(e.t, err)
	return s
}
