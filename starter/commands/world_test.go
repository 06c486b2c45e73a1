package commands

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/operator/operatortest"
	"causeway.dev/workflows"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	configFile   = "testdata/causeway.yaml"
	contactsFlow = "acme/ingress/contacts"
	accountsFlow = "acme/ingress/accounts"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// world runs command lines against a fake Temporal, with a clock that only
// sleeping moves.
type world struct {
	*operatortest.Temporal
	clock    time.Time
	terminal bool
	columns  int  // of the terminal
	slow     bool // every answer is long in coming
	stdin    string
	getenv   map[string]string
	opened   []string // in a browser
	looks    int      // after how many sleeps somebody interrupts; 0: nobody does
	dialled  *operator.Address
	dialErr  error
	dial     func() error // says more than dialErr, where it is set
}

func newWorld() *world {
	return &world{Temporal: operatortest.New(), clock: noon, getenv: map[string]string{}}
}

func (w *world) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	e := &env{
		in: strings.NewReader(w.stdin), out: &out, err: &errs,
		inTerminal: w.terminal, outTerminal: w.terminal, errTerminal: w.terminal,
		columns: func() int { return w.columns },
		now:     func() time.Time { return w.clock },
		sleep: func(ctx context.Context, d time.Duration) error {
			w.clock = w.clock.Add(d)
			if w.looks--; w.looks == 0 {
				interrupt()
			}
			return ctx.Err()
		},
		after: func(ctx context.Context, _ time.Duration, f func(context.Context)) func() {
			if w.slow {
				f(ctx)
			}
			return func() {}
		},
		getenv: func(name string) string {
			if name == "CAUSEWAY_CONFIG" && w.getenv[name] == "" {
				return configFile
			}
			return w.getenv[name]
		},
		by: "ada", open: func(address string) { w.opened = append(w.opened, address) },
		dial: func(_ context.Context, c operator.Address) (operator.Temporal, error) {
			w.dialled = &c
			if w.dial != nil {
				w.dialErr = w.dial()
			}
			return w.Temporal, w.dialErr
		},
	}
	code = execute(ctx, args, e)
	return code, out.String(), errs.String()
}

// unreachable is what Temporal says that does not answer.
func unreachable(text string) error {
	return &operator.Error{Kind: operator.Unreachable, Text: text}
}

// golden compares with a file in testdata/golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-"))
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run with -update to create it")
	require.Equal(t, string(want), got)
}

// on scripts the answers to a question.
func (w *world) on(question string, answers ...any) { w.On(question, answers...) }

// status is what the contacts flow answers while all is well.
func contacts(change func(*workflows.Status)) workflows.Status {
	st := workflows.Status{
		Instance: "acme", Table: "contacts", State: workflows.StateRunning, Phase: "waiting for changes", Since: noon.Add(-2 * time.Hour),
		LastRun: &workflows.RunSummary{
			Run: "contacts-20260302T100000.000Z", Kind: activities.KindInitial, State: "COMPLETED",
			Counts: activities.Counts{Read: 10_000, Created: 9_900, Quarantined: 100},
			Start:  noon.Add(-2 * time.Hour), End: noon.Add(-2*time.Hour + 4*time.Second),
		},
		Watermark: noon.Add(-3 * time.Second), Totals: activities.Counts{Read: 10_000, Created: 9_900, Quarantined: 100},
		Runs: 1, Quarantined: 100, Revision: revision("contacts"), FiledRevision: revision("contacts"), StartedBy: "ada",
	}
	if change != nil {
		change(&st)
	}
	return st
}

// loading is contacts with a backfill in hand.
func loading(st *workflows.Status) {
	st.Phase, st.Run, st.RunKind = "initial load", "contacts-20260302T115900.000Z", activities.KindInitial
	st.RunWorkflow, st.LastRun, st.Watermark, st.Totals, st.Runs, st.Quarantined = "acme/ingress/contacts/backfill/"+st.Run, nil, time.Time{}, activities.Counts{}, 0, 0
	st.Since = noon.Add(-time.Minute)
}

func progressOf(settled, quarantined int64) workflows.Progress {
	return workflows.Progress{
		Run: "contacts-20260302T115900.000Z", Kind: activities.KindInitial, Phase: activities.PhaseBaseline, Pages: 2, Read: 10_000,
		Backlog: 10_000 - settled, Expected: 20_000, Started: noon.Add(-time.Minute),
		Counts: activities.Counts{Read: settled, Created: settled - quarantined, Quarantined: quarantined},
	}
}

func revision(table string) string {
	cfg, err := config.Load(configFile)
	if err != nil {
		panic(err)
	}
	return cfg.Ingress.Tables[table].Revision()
}
