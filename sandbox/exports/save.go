package exports

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const stateFile = "workflows.json"

// Save writes the workflows' states to dir, if they changed.
func (e *Engine) Save(dir string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.version == 0 || e.version == e.saved {
		return nil
	}
	states := map[string]flowState{}
	for _, f := range e.flows {
		states[f.id] = f.flowState
	}
	data, err := json.MarshalIndent(states, "", "  ")
	if err == nil {
		path := filepath.Join(dir, stateFile)
		if err = os.WriteFile(path+".new", data, 0o644); err == nil {
			err = os.Rename(path+".new", path)
		}
	}
	if err != nil {
		return fmt.Errorf("saving the workflows: %w", err)
	}
	e.saved = e.version
	return nil
}

// Load reads what Save wrote, if anything. Runs that were missed while the sandbox was
// down are not made up for. The next one exports everything that changed meanwhile.
func (e *Engine) Load(dir string) error {
	path := filepath.Join(dir, stateFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var states map[string]flowState
	if err == nil {
		err = json.Unmarshal(data, &states)
	}
	if err != nil {
		return fmt.Errorf("loading the workflows from %s: %w; delete it to start them afresh", path, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.o.Clock.Now()
	for _, f := range e.flows {
		saved, ok := states[f.id]
		if !ok {
			continue
		}
		f.flowState = saved
		for !f.Next.After(now) {
			f.Next = f.Next.Add(f.every)
		}
	}
	e.version, e.saved = 1, 1
	return nil
}
