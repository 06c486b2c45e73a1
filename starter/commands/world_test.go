package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/operator"
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
	*fakeTemporal
	clock    time.Time
	terminal bool
	columns  int  // of the terminal
	slow     bool // every answer is long in coming
	stdin    string
	getenv   map[string]string
	dialled  *operator.Address
	dialErr  error
}

func newWorld() *world {
	return &world{fakeTemporal: newFake(), clock: noon, getenv: map[string]string{}}
}

func (w *world) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	e := &env{
		in: strings.NewReader(w.stdin), out: &out, err: &errs,
		inTerminal: w.terminal, outTerminal: w.terminal, errTerminal: w.terminal,
		columns: func() int { return w.columns },
		now:     func() time.Time { return w.clock },
		sleep: func(ctx context.Context, d time.Duration) error {
			w.clock = w.clock.Add(d)
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
		by: "ada",
		dial: func(_ context.Context, c operator.Address) (operator.Temporal, error) {
			w.dialled = &c
			return w.fakeTemporal, w.dialErr
		},
	}
	code = execute(t.Context(), args, e)
	return code, out.String(), errs.String()
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

// fakeTemporal answers by script. Answers to one question are given in turn, the
// last one for ever; an answer that is an error is returned as one, a function is
// given the request.
type fakeTemporal struct {
	answers  map[string][]any // "Query <workflow> <name>", "Update …", "Start <workflow>", "Describe …", "Result …", "Run <activity>"
	requests map[string][]any
	asked    []string

	executions []operator.Execution // newest first
	histories  map[string]*historypb.History
	down       error     // of Later
	seen       time.Time // of a worker
	lost       error     // of WorkerSeen

	namespace  string
	retention  time.Duration // 0: there is no namespace
	attributes map[string]enumspb.IndexedValueType
	lag        int // calls for search attributes that fail after the namespace was created
}

func newFake() *fakeTemporal {
	return &fakeTemporal{answers: map[string][]any{}, requests: map[string][]any{}, namespace: "acme", retention: retention, attributes: workflows.SearchAttributes()}
}

func (f *fakeTemporal) on(question string, answers ...any) { f.answers[question] = answers }

func (f *fakeTemporal) reply(question string, request, into any) error {
	f.asked = append(f.asked, question)
	f.requests[question] = append(f.requests[question], request)
	queue, known := f.answers[question]
	if !known {
		return operator.ErrNotFound
	}
	if len(queue) > 1 {
		f.answers[question] = queue[1:]
	}
	answer := queue[0]
	if reply, ok := answer.(func(request any) any); ok {
		answer = reply(request)
	}
	if err, failed := answer.(error); failed {
		return err
	}
	data, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func (f *fakeTemporal) Start(_ context.Context, flow workflows.FlowID, _ string, request workflows.StartRequest) (st workflows.Status, err error) {
	err = f.reply("Start "+flow.WorkflowID(), request, &st)
	return st, err
}

func (f *fakeTemporal) Begin(_ context.Context, id, _, _ string, input any) (began bool, err error) {
	err = f.reply("Begin "+id, input, &began)
	return began, err
}

func (f *fakeTemporal) Update(_ context.Context, id, name string, request, answer any) error {
	return f.reply("Update "+id+" "+name, request, answer)
}

func (f *fakeTemporal) Query(_ context.Context, id, name string, answer any) error {
	return f.reply("Query "+id+" "+name, nil, answer)
}

func (f *fakeTemporal) Flows(_ context.Context, instance string) (tables []string, err error) {
	if _, known := f.answers["Flows "+instance]; known {
		err = f.reply("Flows "+instance, nil, &tables)
	}
	return tables, err
}

func (f *fakeTemporal) Describe(_ context.Context, id string) (*operator.Description, error) {
	if _, answers := f.answers["Query "+id+" Status"]; answers && f.answers["Describe "+id] == nil {
		return &operator.Description{Running: true}, nil
	}
	var d operator.Description
	return &d, f.reply("Describe "+id, nil, &d)
}

func (f *fakeTemporal) Result(_ context.Context, id string, result any) error {
	return f.reply("Result "+id, nil, result)
}

func (f *fakeTemporal) Run(_ context.Context, activity string, input, result any) error {
	return f.reply("Run "+activity, input, result)
}

func (f *fakeTemporal) WorkerSeen(context.Context) (time.Time, error) { return f.seen, f.lost }

func (f *fakeTemporal) Later(_ context.Context, activity string, input any) error {
	f.asked = append(f.asked, "Later "+activity)
	f.requests["Later "+activity] = append(f.requests["Later "+activity], input)
	return f.down
}

func (f *fakeTemporal) Execution(_ context.Context, id, runID string) (*operator.Execution, error) {
	for _, x := range f.executions {
		if x.WorkflowID == id && (runID == "" || runID == x.RunID) {
			return &x, nil
		}
	}
	return nil, operator.ErrNotFound
}

func (f *fakeTemporal) Executions(_ context.Context, id string) (out []operator.Execution, err error) {
	for _, x := range f.executions {
		if x.WorkflowID == id {
			out = append(out, x)
		}
	}
	return out, nil
}

func (f *fakeTemporal) History(_ context.Context, id, runID string, each func(*historypb.HistoryEvent) error) error {
	for _, e := range f.histories[runID].GetEvents() {
		switch err := each(e); {
		case errors.Is(err, operator.ErrEnough):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

func (f *fakeTemporal) Reset(_ context.Context, id, runID string, event int64, reason string) (string, error) {
	question := fmt.Sprintf("Reset %s %s %d", id, runID, event)
	var newRun string
	err := f.reply(question, reason, &newRun)
	return newRun, err
}

func (f *fakeTemporal) Cancel(_ context.Context, id string) error {
	var done bool
	return f.reply("Cancel "+id, nil, &done)
}

func (f *fakeTemporal) Namespace() string { return f.namespace }

func (f *fakeTemporal) Retention(context.Context) (time.Duration, error) {
	if f.retention == 0 {
		return 0, operator.ErrNotFound
	}
	return f.retention, nil
}

func (f *fakeTemporal) CreateNamespace(_ context.Context, kept time.Duration) error {
	f.retention = kept
	return nil
}

func (f *fakeTemporal) SearchAttributes(context.Context) (map[string]enumspb.IndexedValueType, error) {
	if f.lag > 0 {
		f.lag--
		return nil, operator.ErrNotFound
	}
	return f.attributes, nil
}

func (f *fakeTemporal) AddSearchAttributes(_ context.Context, added map[string]enumspb.IndexedValueType) error {
	merged := map[string]enumspb.IndexedValueType{}
	for _, m := range []map[string]enumspb.IndexedValueType{f.attributes, added} {
		for name, kind := range m {
			merged[name] = kind
		}
	}
	f.attributes = merged
	return nil
}

func (f *fakeTemporal) Close() {}

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
