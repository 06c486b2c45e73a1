// Package operatortest is a Temporal that answers by script, for tests of
// internal/operator and of its faces.
package operatortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// Temporal answers by script. Answers to one question are given in turn, the
// last one for ever; an answer that is an error is returned as one, a function is
// given the request.
type Temporal struct {
	mu       sync.Mutex       // several questions may be asked at once
	answers  map[string][]any // "Query <workflow> <name>", "Update …", "Start <workflow>", "Describe …", "Result …", "Run <activity>"
	Requests map[string][]any // by question, in order
	Asked    []string         // all questions, in order

	Runs      []operator.Execution          // newest first
	Histories map[string]*historypb.History // by run id
	Down      error                         // of Later
	Seen      time.Time                     // of a worker
	Lost      error                         // of WorkerSeen

	Name       string        // of the namespace
	Kept       time.Duration // closed workflows; 0: there is no namespace
	Attributes map[string]enumspb.IndexedValueType
	Lag        int // calls for search attributes that fail after the namespace was created
}

// New knows a namespace that is set up, and no workflow.
func New() *Temporal {
	return &Temporal{answers: map[string][]any{}, Requests: map[string][]any{}, Name: "acme", Kept: 30 * 24 * time.Hour, Attributes: workflows.SearchAttributes()}
}

// On scripts the answers to a question.
func (f *Temporal) On(question string, answers ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[question] = answers
}

// next notes a question, and takes the answer to it.
func (f *Temporal) next(question string, request any) (answer any, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Asked = append(f.Asked, question)
	f.Requests[question] = append(f.Requests[question], request)
	queue, known := f.answers[question]
	if !known {
		return nil, false
	}
	if len(queue) > 1 {
		f.answers[question] = queue[1:]
	}
	return queue[0], true
}

func (f *Temporal) scripted(question string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answers[question] != nil
}

func (f *Temporal) reply(question string, request, into any) error {
	answer, known := f.next(question, request)
	if !known {
		return operator.ErrNotFound
	}
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

func (f *Temporal) Start(_ context.Context, flow workflows.FlowID, _ string, request workflows.StartRequest) (st workflows.Status, err error) {
	err = f.reply("Start "+flow.WorkflowID(), request, &st)
	return st, err
}

func (f *Temporal) Begin(_ context.Context, id, _, _ string, _ temporal.SearchAttributes, input any) (began bool, err error) {
	err = f.reply("Begin "+id, input, &began)
	return began, err
}

func (f *Temporal) Update(_ context.Context, id, name string, request, answer any) error {
	return f.reply("Update "+id+" "+name, request, answer)
}

func (f *Temporal) Query(_ context.Context, id, name string, answer any) error {
	return f.reply("Query "+id+" "+name, nil, answer)
}

func (f *Temporal) Flows(_ context.Context, instance string) (tables []string, err error) {
	if f.scripted("Flows " + instance) {
		err = f.reply("Flows "+instance, nil, &tables)
	}
	return tables, err
}

func (f *Temporal) Describe(_ context.Context, id string) (*operator.Description, error) {
	if f.scripted("Query "+id+" Status") && !f.scripted("Describe "+id) {
		return &operator.Description{Running: true}, nil
	}
	var d operator.Description
	return &d, f.reply("Describe "+id, nil, &d)
}

func (f *Temporal) Result(_ context.Context, id string, result any) error {
	return f.reply("Result "+id, nil, result)
}

func (f *Temporal) Run(_ context.Context, activity string, input, result any) error {
	return f.reply("Run "+activity, input, result)
}

func (f *Temporal) WorkerSeen(context.Context) (time.Time, error) { return f.Seen, f.Lost }

func (f *Temporal) Later(_ context.Context, activity string, input any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Asked = append(f.Asked, "Later "+activity)
	f.Requests["Later "+activity] = append(f.Requests["Later "+activity], input)
	return f.Down
}

func (f *Temporal) Execution(_ context.Context, id, runID string) (*operator.Execution, error) {
	for _, x := range f.Runs {
		if x.WorkflowID == id && (runID == "" || runID == x.RunID) {
			return &x, nil
		}
	}
	return nil, operator.ErrNotFound
}

func (f *Temporal) Executions(_ context.Context, id string) (out []operator.Execution, err error) {
	for _, x := range f.Runs {
		if x.WorkflowID == id {
			out = append(out, x)
		}
	}
	return out, nil
}

func (f *Temporal) History(_ context.Context, id, runID string, each func(*historypb.HistoryEvent) error) error {
	for _, e := range f.Histories[runID].GetEvents() {
		switch err := each(e); {
		case errors.Is(err, operator.ErrEnough):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

func (f *Temporal) Reset(_ context.Context, id, runID string, event int64, reason string) (string, error) {
	question := fmt.Sprintf("Reset %s %s %d", id, runID, event)
	var newRun string
	err := f.reply(question, reason, &newRun)
	return newRun, err
}

func (f *Temporal) Cancel(_ context.Context, id string) error {
	var done bool
	return f.reply("Cancel "+id, nil, &done)
}

func (f *Temporal) Namespace() string { return f.Name }

func (f *Temporal) Retention(context.Context) (time.Duration, error) {
	if f.Kept == 0 {
		return 0, operator.ErrNotFound
	}
	return f.Kept, nil
}

func (f *Temporal) CreateNamespace(_ context.Context, kept time.Duration) error {
	f.Kept = kept
	return nil
}

func (f *Temporal) SearchAttributes(context.Context) (map[string]enumspb.IndexedValueType, error) {
	if f.Lag > 0 {
		f.Lag--
		return nil, operator.ErrNotFound
	}
	return f.Attributes, nil
}

func (f *Temporal) AddSearchAttributes(_ context.Context, added map[string]enumspb.IndexedValueType) error {
	merged := map[string]enumspb.IndexedValueType{}
	for _, m := range []map[string]enumspb.IndexedValueType{f.Attributes, added} {
		for name, kind := range m {
			merged[name] = kind
		}
	}
	f.Attributes = merged
	return nil
}

func (f *Temporal) Close() {}
