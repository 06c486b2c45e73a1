package exports

import "time"

// Signal runs a workflow at once, as an External signal activity before its query would.
// The parameter since moves the end of the last run, so that everything from then on is
// exported again.
func (e *Engine) Signal(id, _ string, parameters map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(id)
	if err != nil {
		return
	}
	e.catchUp()
	if f.State != started {
		return
	}
	for _, layout := range []string{"2006-01-02 15:04:05Z07:00", time.RFC3339} {
		if since, err := time.Parse(layout, parameters["since"]); err == nil {
			f.LastRun = since.UTC()
		}
	}
	_, _ = f.export(e, e.o.Clock.Now(), nil) // a failure is the workflow's state
	e.version++
}
