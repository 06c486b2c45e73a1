package campaign

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
)

// WorkflowStatus is how a Campaign workflow stands.
type WorkflowStatus string

// The statuses, in the words of Campaign's logicalStatus (docs/protocol/campaign.md §9).
const (
	WorkflowEdition  WorkflowStatus = "edition"  // never started
	WorkflowStarted  WorkflowStatus = "started"  // running, or waiting for its scheduler
	WorkflowFinished WorkflowStatus = "finished" // stopped: it will not run by itself
	WorkflowWarning  WorkflowStatus = "warning"  // paused; after seven days it is stopped
	WorkflowError    WorkflowStatus = "error"    // suspended after a failure; likewise
	WorkflowUnknown  WorkflowStatus = ""         // something else
)

// statusOfState reads the resource's other field, where the first is missing.
var statusOfState = map[string]WorkflowStatus{
	"editing": WorkflowEdition, "inProgress": WorkflowStarted, "finished": WorkflowFinished, "warning": WorkflowWarning, "erroneous": WorkflowError,
}

// Workflow is a Campaign workflow, such as the one that exports opt-outs.
type Workflow struct {
	ID, Label string
	Status    WorkflowStatus
	Next      time.Time // when its scheduler runs next; zero when it does not say
	Modified  time.Time // zero when it does not say
}

// WorkflowCommand is what a workflow can be told.
type WorkflowCommand string

// The commands. Start on a paused workflow resumes it; one that failed must be
// stopped first.
const (
	StartWorkflow  WorkflowCommand = "start"
	PauseWorkflow  WorkflowCommand = "pause"
	ResumeWorkflow WorkflowCommand = "resume"
	StopWorkflow   WorkflowCommand = "stop"
)

// GetWorkflow reads a workflow by its internal id, such as WKF17. Blocked,
// ReasonNotFound, when there is none: an administrator may have renamed it.
//
// Source: Campaign Standard API, "Controlling a workflow".
func (c *Client) GetWorkflow(ctx context.Context, id string) (*Workflow, error) {
	const op = "get workflow"
	link, err := c.workflowURL(op, id)
	if err != nil {
		return nil, err
	}
	res, err := c.do(ctx, call{op: op, method: http.MethodGet, link: link})
	if err != nil {
		return nil, workflowError(err)
	}
	stored, err := parseStored(op, res.Body)
	if err != nil {
		return nil, workflowError(err)
	}
	doc := gjson.ParseBytes(stored.Raw)
	if !doc.Get("logicalStatus").Exists() && !doc.Get("state").Exists() {
		return nil, badResponse(op, "want a workflow with its status")
	}
	w := &Workflow{ID: id, Label: doc.Get("label").String(), Next: moment(doc.Get("nextProcessingDate")), Modified: moment(doc.Get("lastModified"))}
	switch s := WorkflowStatus(doc.Get("logicalStatus").String()); s {
	case WorkflowEdition, WorkflowStarted, WorkflowFinished, WorkflowWarning, WorkflowError:
		w.Status = s
	default:
		w.Status = statusOfState[doc.Get("state").String()]
	}
	return w, nil
}

// CommandWorkflow tells a workflow what to do. Commands are only stored: they
// take effect when the engine gets to them, which GetWorkflow shows. A failure
// marked Ambiguous may have stored it: look before telling it again, because
// nothing should be started twice.
func (c *Client) CommandWorkflow(ctx context.Context, id string, command WorkflowCommand) error {
	op := string(command) + " workflow"
	switch command {
	case StartWorkflow, PauseWorkflow, ResumeWorkflow, StopWorkflow:
	default:
		return &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonInvalidValue, Service: service, Op: "command a workflow",
			Message: "unknown command, want start, pause, resume or stop"}
	}
	link, err := c.workflowURL(op, id)
	if err != nil {
		return err
	}
	res, err := c.do(ctx, call{op: op, method: http.MethodPost, link: link + "/commands", body: fmt.Appendf(nil, `{"method":%q}`, command)})
	if err != nil {
		return workflowError(err)
	}
	if kind := res.Kind(); kind != "nothing" && kind != "JSON" {
		return unconfirmed(op, res, "want JSON or nothing")
	}
	return nil
}

func (c *Client) workflowURL(op, id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonConfig, Service: service, Op: op,
			Message: "the workflow's id is empty or a path of its own, want its internal id such as WKF17"}
	}
	return c.root + "/workflow/execution/" + url.PathEscape(id), nil
}

// workflowError puts a refusal in a workflow's terms: no record is at stake.
func workflowError(err error) error {
	e, ok := errors.AsType[*apierr.Error](err)
	if !ok || e.Class != apierr.Rejected && e.Class != apierr.Blocked {
		return err
	}
	e.Class = apierr.Blocked
	if e.Reason == apierr.ReasonNotFound || e.Reason == apierr.ReasonSchema {
		e.Reason, e.Message = apierr.ReasonNotFound, "there is no workflow with this id; check its internal id in Campaign, which an administrator may have changed"
	}
	return e
}

// moment reads Campaign's date and time, "2019-09-25 23:20:35.000Z"; zero when
// there is none.
func moment(v gjson.Result) time.Time {
	at, err := time.Parse("2006-01-02 15:04:05Z07:00", v.String())
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
