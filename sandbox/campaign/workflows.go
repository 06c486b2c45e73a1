package campaign

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/kit"
)

// Workflows is Campaign's workflow engine (§9).
type Workflows interface {
	// Workflow describes a workflow by its internal id; false when there is none.
	Workflow(id string) (Workflow, bool)
	// Command stores a command: start, pause, resume or stop. The engine carries it
	// out a little later.
	Command(id, method string)
	// Signal fires an External signal activity of a workflow that runs.
	Signal(id, activity string, parameters map[string]string)
}

// Workflow is a workflow as the API describes it.
type Workflow struct {
	ID, Label     string
	State         string    // editing, inProgress, finished, warning or erroneous
	LogicalStatus string    // edition, started, finished, warning or error
	Activities    []string  // in their order
	Signals       []Signal  // the External signal activities, which the API may fire
	Next          time.Time // the next run; zero while the scheduler does not run
	Created       time.Time
	LastModified  time.Time
}

// Signal is an External signal activity. Parameters are the types of what it takes, by
// name: string, number, boolean or datetime.
type Signal struct {
	Name       string
	Parameters map[string]string
}

var commands = []string{"start", "pause", "resume", "stop"}

// workflow serves /workflow/execution/…. These are no engine calls.
func (s *Server) workflow(w http.ResponseWriter, r *http.Request, tail string) {
	segment, command, _ := strings.Cut(strings.TrimSuffix(tail, "/"), "/")
	id, err := url.PathUnescape(segment)
	activity, isTrigger := triggered(command)
	if err != nil || command != "" && command != "commands" && !isTrigger {
		s.fail(w, unroutable())
		return
	}
	if strings.HasPrefix(id, "@") && isTrigger { // the trigger's address names the workflow by its PKey
		id, _ = s.named("workflow", id)
	}
	if _, bare := s.o.Faults.Named("campaign", "bare_rst", r); bare {
		s.fail(w, &problem{http.StatusInternalServerError, general})
		return
	}
	flow, ok := s.o.Workflows.Workflow(id)
	switch {
	case !ok:
		s.fail(w, &problem{http.StatusNotFound, fmt.Sprintf("%s Unable to find document with path 'Workflow' from key '%s:0' (document with schema 'workflow' and name '%s')", general, id, id)})
	case command == "" && r.Method == http.MethodGet:
		kit.WriteJSON(w, http.StatusOK, s.describeWorkflow(r, flow))
	case command == "commands" && r.Method == http.MethodPost:
		s.command(w, r, id)
	case isTrigger && r.Method == http.MethodPost:
		s.trigger(w, r, flow, activity)
	default:
		s.fail(w, unroutable())
	}
}

func (s *Server) command(w http.ResponseWriter, r *http.Request, id string) {
	body, err := readInto(nil, r.Body)
	method := gjson.GetBytes(body, "method")
	switch {
	case err != nil || !gjson.ValidBytes(body):
		s.fail(w, constant(body))
	case method.Type != gjson.String || !slices.Contains(commands, method.Str):
		s.fail(w, refused("XTK-170006 Unable to parse expression 'HandleCommand('%s')'", method.Str))
	default:
		s.o.Workflows.Command(id, method.Str)
		kit.WriteJSON(w, http.StatusOK, map[string]any{})
	}
}

func (s *Server) describeWorkflow(r *http.Request, f Workflow) map[string]any {
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(wireTime)
	}
	activities := map[string]any{}
	for _, name := range f.Activities {
		activities[name] = map[string]any{"PKey": s.opaque("activity/" + f.ID + "/" + name), "name": name, "label": name}
	}
	for _, signal := range f.Signals {
		declared := map[string]any{}
		for name, kind := range signal.Parameters {
			declared[name] = map[string]string{"name": name, "type": kind}
		}
		activities[signal.Name] = map[string]any{
			"PKey": s.opaque("activity/" + f.ID + "/" + signal.Name), "name": signal.Name, "label": signal.Name, "parameters": declared,
			"trigger": map[string]string{"href": s.triggerAddress(r, f.ID, signal.Name)},
		}
	}
	return map[string]any{
		"PKey": s.opaque("workflow/" + f.ID), "name": f.ID, "label": f.Label, "state": f.State, "logicalStatus": f.LogicalStatus,
		"nextProcessingDate": at(f.Next), "created": at(f.Created), "lastModified": at(f.LastModified),
		"activities": map[string]any{"activity": activities}, "href": s.place(r, "workflow", "execution").base + "/" + url.PathEscape(f.ID),
	}
}
