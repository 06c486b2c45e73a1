package workflows

import (
	"encoding/json"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// TypeAsk is the workflow that asks a worker one question.
const TypeAsk = "Ask"

// AskID is the id of a question; unique tells it from the same asked before.
func AskID(activity, unique string) string { return "ask/" + activity + "/" + unique }

// AskAttempts is how often a question is tried that somebody waits for.
const AskAttempts = 3

// askOnce bounds one attempt of work that nobody waits for.
const askOnce = time.Minute

// AskInput is a question: an activity and its input as it is. How long the question
// stands is the time-out of the workflow.
type AskInput struct {
	Activity string          `json:"activity"`
	Input    json.RawMessage `json:"input"`
	Queue    string          `json:"queue"`
	Patient  bool            `json:"patient,omitempty"` // nobody waits: try until the time is over
}

// Ask has a worker carry out one activity and answers what it answered. It stands in
// for a standalone activity on servers that have none.
func Ask(ctx workflow.Context, in AskInput) (json.RawMessage, error) {
	within := workflow.GetInfo(ctx).WorkflowExecutionTimeout
	options := workflow.ActivityOptions{
		TaskQueue: in.Queue, ScheduleToCloseTimeout: within, Summary: "asked by causeway",
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: AskAttempts},
	}
	if in.Patient {
		options.StartToCloseTimeout, options.RetryPolicy = askOnce, nil
	}
	var answer json.RawMessage
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), in.Activity, in.Input).Get(ctx, &answer)
	return answer, err
}
