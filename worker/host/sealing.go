package host

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"

	"causeway.dev/config"
	"causeway.dev/internal/temporalcodec"
)

// sealingKeys are the keys that seal what goes into Temporal; without one, keys that seal
// nothing.
func sealingKeys(cfg *config.Config) (*temporalcodec.Keys, error) {
	if !cfg.Temporal.EncryptionKey.IsSet() {
		return &temporalcodec.Keys{}, nil
	}
	text, err := cfg.Temporal.EncryptionKey.Resolve()
	if err == nil {
		var keys *temporalcodec.Keys
		if keys, err = temporalcodec.ParseKeys(text); err == nil {
			return keys, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", temporalcodec.Setting, err)
}

const (
	checkKeysWithin = 20 * time.Second
	newestEvents    = 200 // of each workflow, besides the first
)

// historyService is the part of Temporal's service that the check of the keys reads.
type historyService interface {
	workflowLister
	WorkflowService() workflowservice.WorkflowServiceClient
}

// checkKeys refuses to begin work while a workflow of this instance runs that is sealed
// with a key which is not configured. What cannot be read is not checked: workflow code
// still waits for a key that it lacks.
func checkKeys(ctx context.Context, c historyService, namespace, instance string, keys *temporalcodec.Keys, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, checkKeysWithin)
	defer cancel()
	var missing, unread error
	err := eachRunning(ctx, c, func(id, runID string) {
		if _, ours := flowOf(instance, id); !ours || missing != nil {
			return
		}
		used, err := keysOf(ctx, c.WorkflowService(), namespace, &commonpb.WorkflowExecution{WorkflowId: id, RunId: runID})
		unread = cmp.Or(unread, err)
		for _, key := range used {
			if !keys.Has(key) {
				missing = fmt.Errorf("workflow %s: %w", id, keys.Missing(key))
			}
		}
	})
	if err = cmp.Or(err, unread); err != nil && missing == nil {
		logger.Warn("cannot check whether the keys fit what runs in Temporal", "error", err)
	}
	return missing
}

// keysOf are the keys that a workflow's first and newest events are sealed with.
func keysOf(ctx context.Context, c workflowservice.WorkflowServiceClient, namespace string, x *commonpb.WorkflowExecution) ([]string, error) {
	first, err := c.GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{Namespace: namespace, Execution: x, MaximumPageSize: 1})
	if err != nil {
		return nil, err
	}
	newest, err := c.GetWorkflowExecutionHistoryReverse(ctx, &workflowservice.GetWorkflowExecutionHistoryReverseRequest{Namespace: namespace, Execution: x, MaximumPageSize: newestEvents})
	if err != nil {
		return nil, err
	}
	return temporalcodec.KeysOf(ctx, &historypb.History{Events: append(first.GetHistory().GetEvents(), newest.GetHistory().GetEvents()...)})
}
