// Package imports is the part of Campaign's workflow engine that runs import workflows
// which a customer built (docs/protocol/import-files.md): Transfer file, Load file,
// Reconciliation, Segmentation, Update data, and files for what became of each row. Each
// start imports the file at one place. Package stack runs it.
package imports

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/kit"
)

// Workflow is an import workflow as it was built.
type Workflow struct {
	ID, Label string
	Resource  string
	Columns   []string // the header of the sample file that Load file was set up with
	File      string   // path of the file that Transfer file takes
	Results   string   // folder that the results are transferred to

	// PrivateKey is the armored key of the pre-processing step Decryption GPG; "" = Load
	// file has no such step, and takes files in clear only.
	PrivateKey string
}

// Options of an Engine.
type Options struct {
	Clock *kit.Clock
	// Into gives what writes to a resource: campaign.Server.Importer.
	Into func(resource string, columns []string) (*campaign.Importer, error)
	Dir  string              // the home of the SFTP user, on disk
	Room func(n int64) error // of the SFTP server; nil = any number of bytes

	CommandDelay  time.Duration // until a command takes effect; default 5 s
	RowsPerSecond float64       // of the sandbox's clock; default: a run takes no time
	BatchSize     int           // rows that Update data writes between two looks at the commands; default 1,000
}

// Engine runs the workflows.
type Engine struct {
	o     Options
	mu    sync.Mutex
	flows []*flow
}

type state string

const (
	edition  state = "edition" // never started
	started  state = "started"
	paused   state = "warning"
	finished state = "finished"
	failed   state = "error"
)

// states are the words of the other field that shows the state.
var states = map[state]string{edition: "editing", started: "inProgress", paused: "warning", finished: "finished", failed: "erroneous"}

// retired is how long a workflow may be paused or failed before it is stopped.
const retired = 7 * 24 * time.Hour

type command struct {
	method string
	at     time.Time
}

// flow is a workflow and its run under way.
type flow struct {
	Workflow
	state            state
	created, changed time.Time
	reason           string
	queued           []command
	run              *run // nil: none
	runs             int
	named            time.Time // in the names of the last results
	breakAfter       int       // rows; the next run fails there; -1 = it does not
}

// New returns an Engine without workflows.
func New(o Options) *Engine {
	if o.Room == nil {
		o.Room = func(int64) error { return nil }
	}
	o.CommandDelay = cmp.Or(o.CommandDelay, 5*time.Second)
	o.BatchSize = cmp.Or(o.BatchSize, 1000)
	return &Engine{o: o}
}

// Build adds a workflow, or takes the place of the one with its id.
func (e *Engine) Build(w Workflow) error {
	if w.ID == "" || w.File == "" || w.Results == "" || len(w.Columns) == 0 {
		return errors.New("import workflow: want an id, a resource, columns, a file and a folder for its results")
	}
	if !filepath.IsLocal(filepath.FromSlash(w.File)) || !filepath.IsLocal(filepath.FromSlash(w.Results)) {
		return errors.New("import workflow: the file and the folder must lie below the home of the SFTP user")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, folder := range []string{filepath.Dir(filepath.FromSlash(w.File)), filepath.FromSlash(w.Results)} {
		if err := os.MkdirAll(filepath.Join(e.o.Dir, folder), 0o755); err != nil {
			return fmt.Errorf("import workflow: %w", err)
		}
	}
	now := e.o.Clock.Now()
	e.flows = slices.DeleteFunc(e.flows, func(f *flow) bool { return f.ID == w.ID })
	e.flows = append(e.flows, &flow{Workflow: w, state: edition, created: now, changed: now, breakAfter: -1})
	return nil
}

func (e *Engine) flow(id string) (*flow, bool) {
	for _, f := range e.flows {
		if f.ID == id {
			return f, true
		}
	}
	return nil, false
}

// RunDue does everything whose time has come.
func (e *Engine) RunDue() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.catchUp()
}

func (e *Engine) catchUp() {
	now := e.o.Clock.Now()
	for _, f := range e.flows {
		for f.step(e, now) {
		}
	}
}

// step does the next thing that is due. It returns false when there is none.
func (f *flow) step(e *Engine, now time.Time) bool {
	if len(f.queued) > 0 && !f.queued[0].at.After(now) && (f.run == nil || f.state != started || !f.run.due(e, f.queued[0].at)) {
		c := f.queued[0]
		f.queued = f.queued[1:]
		f.obey(e, c)
		return true
	}
	switch retire := f.changed.Add(retired); {
	case (f.state == paused || f.state == failed) && !retire.After(now):
		f.end(finished, "", retire)
		return true
	case f.state == started && f.run != nil && f.run.due(e, now):
		f.work(e)
		return true
	}
	return false
}

func (f *flow) enter(s state, reason string, at time.Time) {
	f.state, f.reason, f.changed = s, reason, at
}

// end leaves the run, finished or not.
func (f *flow) end(s state, reason string, at time.Time) {
	f.run = nil
	f.enter(s, reason, at)
}

// obey carries out a command. One that does not fit the state does nothing. A workflow
// that failed must be stopped before it can be started.
func (f *flow) obey(e *Engine, c command) {
	switch {
	case c.method == "start" && (f.state == finished || f.state == edition):
		f.enter(started, "", c.at)
		f.runs++
		r, err := f.begin(e, c.at)
		if err != nil {
			f.end(failed, err.Error(), c.at)
			return
		}
		f.run = r
	case (c.method == "start" || c.method == "resume") && f.state == paused:
		f.enter(started, "", c.at)
		f.run.since, f.run.base = c.at, f.run.next
	case c.method == "pause" && f.state == started:
		f.enter(paused, "", c.at)
	case c.method == "stop" && f.state != edition:
		f.end(finished, "", c.at) // what is written stays written, and nothing says what that is
	}
}

// work writes the next batch, and the results after the last one.
func (f *flow) work(e *Engine) {
	at := e.o.Clock.Now()
	if err := f.run.batch(e, f.breakAfter); err != nil {
		f.breakAfter = -1
		f.end(failed, err.Error(), at)
		return
	}
	if f.run.next < len(f.run.rows) {
		return
	}
	name := at.Truncate(time.Second)
	if !name.After(f.named) {
		name = f.named.Add(time.Second)
	}
	f.named = name
	if err := f.run.results(e, f.Results, name); err != nil {
		f.end(failed, err.Error(), at)
		return
	}
	f.end(finished, "", at)
}

// BreakAfter makes the next run fail after a number of rows, as a server that is
// restarted does. The rows before it stay written, and no results are.
func (e *Engine) BreakAfter(id string, rows int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, ok := e.flow(id)
	if !ok {
		return e.unknown(id)
	}
	f.breakAfter = rows
	return nil
}

func (e *Engine) unknown(id string) error {
	var ids []string
	for _, f := range e.flows {
		ids = append(ids, f.ID)
	}
	return fmt.Errorf("workflow: got %q, want one of %v", id, ids)
}

// Status describes a workflow to an operator of the instance, who sees its logs.
type Status struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Error  string `json:"error,omitempty"`
	Runs   int    `json:"runs"`
	Queued int    `json:"queued"` // commands that have not taken effect yet
}

// Status describes a workflow.
func (e *Engine) Status(id string) (Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, ok := e.flow(id)
	if !ok {
		return Status{}, e.unknown(id)
	}
	e.catchUp()
	return Status{ID: id, State: string(f.state), Error: f.reason, Runs: f.runs, Queued: len(f.queued)}, nil
}

// The REST API (docs/protocol/campaign.md §9). It tells a workflow's state, and nothing of the rows.

// Workflow describes a workflow by its internal id; false when there is none.
func (e *Engine) Workflow(id string) (campaign.Workflow, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, ok := e.flow(id)
	if !ok {
		return campaign.Workflow{}, false
	}
	e.catchUp()
	return campaign.Workflow{ID: f.ID, Label: f.Label, State: states[f.state], LogicalStatus: string(f.state), Created: f.created, LastModified: f.changed,
		Activities: []string{"start", "transferFile", "loadFile", "reconciliation", "segmentation", "updateData", "extractFile", "end"}}, true
}

// Command stores a command. The engine carries it out after CommandDelay.
func (e *Engine) Command(id, method string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f, ok := e.flow(id); ok {
		e.catchUp()
		f.queued = append(f.queued, command{method, e.o.Clock.Now().Add(e.o.CommandDelay)})
	}
}

// Signal does nothing: an import workflow has no External signal, which could be fired
// only every ten minutes.
func (e *Engine) Signal(string, string, map[string]string) {}

var errBroken = errors.New("the server was restarted while the workflow ran")
