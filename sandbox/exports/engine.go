// Package exports is Campaign's workflow engine, with the two workflows that write
// files to the SFTP server: one exports the opt-outs of a day, one the delivery and
// tracking logs (docs/protocol/campaign.md §6.3, §6.4, §7, §9). They run on the
// sandbox's clock. On request their files break the contract in the ways in which real
// files do. Package stack runs it.
package exports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/kit"
)

// Internal ids of the workflows.
const (
	OptOuts = "WKF_optout"
	Logs    = "WKF_logs"
)

// retired is how long a workflow may be paused or failed before it is stopped.
const retired = 7 * 24 * time.Hour

// Options of an Engine.
type Options struct {
	Clock    *kit.Clock
	Log      *eventlog.Log
	Profiles profiles
	Prefix   string              // of the opt-out attributes: blackList or denyList
	Dir      string              // folder of the exports, on disk
	Temp     string              // folder for files that are not transferred yet
	Room     func(n int64) error // of the SFTP server; nil = any number of bytes

	OptOutsEvery, LogsEvery time.Duration // default 24 h and 1 h
	CommandDelay            time.Duration // until a command takes effect; default 5 s
}

// profiles is where the engine reads opt-outs: Campaign's profiles.
type profiles interface {
	Extract(resource string, fields []string, since, until time.Time, f func(values []string, modified time.Time) error) error
}

// Engine runs the workflows.
type Engine struct {
	o Options

	mu      sync.Mutex
	flows   []*flow
	partial []partial
	version int64
	saved   int64
}

// Result says what a run of a workflow wrote.
type Result struct {
	Files []string `json:"files"` // names in the folder of the exports; none when there was nothing to export
	Rows  int      `json:"rows"`
}

// flow is one workflow.
type flow struct {
	id, label string
	every     time.Duration
	run       func(job) (Result, error)
	flowState
}

// flowState is the part of a workflow that survives a restart.
type flowState struct {
	State            state
	Next, LastRun    time.Time // next run of the scheduler; end of the last incremental query, zero = never
	LastName         time.Time // in the names of the last files
	Created, Changed time.Time
	Error            string
	Queued           []command
}

type command struct {
	Method string
	At     time.Time
}

type state string

const (
	started  state = "started"
	paused   state = "warning"
	finished state = "finished"
	failed   state = "error"
)

// New returns an Engine whose workflows have just been started.
func New(o Options) *Engine {
	if o.OptOutsEvery == 0 {
		o.OptOutsEvery = 24 * time.Hour
	}
	if o.LogsEvery == 0 {
		o.LogsEvery = time.Hour
	}
	if o.CommandDelay == 0 {
		o.CommandDelay = 5 * time.Second
	}
	if o.Room == nil {
		o.Room = func(int64) error { return nil }
	}
	e := &Engine{o: o, saved: -1}
	now := o.Clock.Now()
	for _, f := range []*flow{
		{id: OptOuts, label: "Opt-out export", every: o.OptOutsEvery, run: e.exportOptOuts},
		{id: Logs, label: "Delivery and tracking log export", every: o.LogsEvery, run: e.exportLogs},
	} {
		f.flowState = flowState{State: started, Created: now, Changed: now, Next: now.Add(f.every)}
		e.flows = append(e.flows, f)
	}
	return e
}

func (e *Engine) flow(id string) (*flow, error) {
	for _, f := range e.flows {
		if f.id == id {
			return f, nil
		}
	}
	return nil, fmt.Errorf("workflow: got %q, want %s or %s", id, OptOuts, Logs)
}

// RunDue does everything whose time has come: commands, exports, and the clean-up that
// stops workflows which were paused or failed for too long.
func (e *Engine) RunDue() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.catchUp()
}

// catchUp is RunDue for a caller who holds the lock.
func (e *Engine) catchUp() {
	now := e.o.Clock.Now()
	for _, f := range e.flows {
		for f.step(e, now) {
			e.version++
		}
	}
}

// step does the next thing that is due. It returns false when there is none.
func (f *flow) step(e *Engine, now time.Time) bool {
	retire := f.Changed.Add(retired)
	stale := (f.State == paused || f.State == failed) && !retire.After(now)
	due := f.State == started && !f.Next.After(now)
	if len(f.Queued) > 0 && !f.Queued[0].At.After(now) {
		at := f.Queued[0].At
		if (!due || !f.Next.Before(at)) && (!stale || !retire.Before(at)) {
			f.obey(f.Queued[0])
			f.Queued = f.Queued[1:]
			return true
		}
	}
	switch {
	case stale:
		f.enter(finished, retire)
	case due:
		at := f.Next
		f.Next = at.Add(f.every)
		_, _ = f.export(e, at, nil) // a failure is the workflow's state
	default:
		return false
	}
	return true
}

func (f *flow) enter(s state, at time.Time) {
	if f.State != s {
		f.State, f.Changed = s, at
	}
	if s != failed {
		f.Error = ""
	}
}

// obey carries out a command. A command that does not fit the state does nothing. A
// workflow that failed, for instance, must be stopped before it can be started.
func (f *flow) obey(c command) {
	switch {
	case c.Method == "start" && f.State == finished:
		f.enter(started, c.At)
		f.Next = c.At.Add(f.every)
	case (c.Method == "start" || c.Method == "resume") && f.State == paused:
		f.enter(started, c.At)
		for !f.Next.After(c.At) { // missed runs are not made up for
			f.Next = f.Next.Add(f.every)
		}
	case c.Method == "pause" && f.State == started:
		f.enter(paused, c.At)
	case c.Method == "stop":
		f.enter(finished, c.At)
	}
}

// export runs the workflow for the changes up to a moment.
func (f *flow) export(e *Engine, at time.Time, twists []Twist) (Result, error) {
	name := at.Truncate(time.Second)
	if !name.After(f.LastName) {
		name = f.LastName.Add(time.Second) // so that two runs within a second do not overwrite each other's files
	}
	j := job{Engine: e, since: f.LastRun, until: at, name: name, twists: twists}
	got, err := f.run(j)
	if err != nil {
		f.enter(failed, at)
		f.Error = err.Error()
		return got, fmt.Errorf("workflow %s: %w", f.id, err)
	}
	f.LastRun, f.LastName = at, name
	if slices.Contains(twists, Duplicate) && len(got.Files) > 0 {
		f.LastName = name.Add(time.Second)
	}
	return got, nil
}

// Run exports at once, whatever the state of the workflow, with the given twists. ctx
// is checked before the run, not during it.
func (e *Engine) Run(ctx context.Context, id string, twists ...Twist) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(id)
	if err == nil {
		err = check(twists)
	}
	if err != nil {
		return Result{}, err
	}
	e.catchUp()
	e.version++
	return f.export(e, e.o.Clock.Now(), twists)
}

// SetLastRun sets the time that the next run takes for the end of the last one. An
// operator does this to have everything since then exported again.
func (e *Engine) SetLastRun(id string, at time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(id)
	if err == nil {
		f.LastRun = at
		e.version++
	}
	return err
}

// Fail makes a workflow end with an error.
func (e *Engine) Fail(id, reason string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(id)
	if err == nil {
		e.catchUp()
		f.enter(failed, e.o.Clock.Now())
		f.Error = cmp.Or(reason, "the workflow was made to fail")
		e.version++
	}
	return err
}

// Status describes a workflow to an operator.
type Status struct {
	ID      string    `json:"id"`
	State   string    `json:"state"`
	Next    time.Time `json:"next,omitzero"`
	LastRun time.Time `json:"last_run,omitzero"`
	Error   string    `json:"error,omitempty"`
	Partial int       `json:"partial"` // files of which only the beginning was transferred
}

// Status describes a workflow.
func (e *Engine) Status(id string) (Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(id)
	if err != nil {
		return Status{}, err
	}
	e.catchUp()
	s := Status{ID: id, State: string(f.State), LastRun: f.LastRun, Error: f.Error, Partial: len(e.partial)}
	if f.State == started {
		s.Next = f.Next
	}
	return s, nil
}

// The REST API calls Workflow and Command (§9).

// Workflow describes a workflow by its internal id; false when there is none.
func (e *Engine) Workflow(id string) (campaign.Workflow, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(id)
	if err != nil {
		return campaign.Workflow{}, false
	}
	e.catchUp()
	w := campaign.Workflow{ID: f.id, Label: f.label, LogicalStatus: string(f.State), Created: f.Created, LastModified: f.Changed,
		Activities: []string{"scheduler", "incrementalQuery", "extractFile", "transferFile", "end"},
		Signals:    []campaign.Signal{{Name: "signal1", Parameters: map[string]string{"since": "datetime"}}}}
	switch f.State {
	case started:
		w.State, w.Next = "inProgress", f.Next
	case failed:
		w.State = "erroneous"
	default:
		w.State = string(f.State)
	}
	return w, true
}

// Command stores a command. The engine carries it out after CommandDelay.
func (e *Engine) Command(id, method string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(id)
	if err != nil {
		return
	}
	e.catchUp()
	f.Queued = append(f.Queued, command{method, e.o.Clock.Now().Add(e.o.CommandDelay)})
	e.version++
}

// partial is a file of which only the beginning was transferred.
type partial struct{ from, to string }

// Complete transfers the rest of every partial file and returns their names.
func (e *Engine) Complete() ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	var errs []error
	for _, p := range e.partial {
		data, err := os.ReadFile(p.from)
		if err == nil {
			err = os.WriteFile(p.to, data, 0o644)
		}
		errs = append(errs, err)
		names = append(names, filepath.Base(p.to))
	}
	for _, p := range e.partial { // the same extract may have two partial files
		if err := os.Remove(p.from); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	e.partial = nil
	return names, errors.Join(errs...)
}
