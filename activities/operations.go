package activities

import (
	"context"
	"fmt"
	"time"

	"causeway.dev/internal/ledger"
)

// What operators ask for, as the audit trail says it.
const (
	OpStart          = "start"
	OpStop           = "stop"
	OpPause          = "pause"
	OpResume         = "resume"
	OpBackfill       = "backfill"
	OpCancelBackfill = "cancel-backfill"
	OpRollback       = "rollback"
	OpRepair         = "repair"
	OpApprove        = "approve"
	OpApply          = "apply"
	OpRelease        = "release"
	OpDiscard        = "discard"
	OpReplay         = "replay"
)

// Operation is an entry of the audit trail: who asked for what, and when. It
// holds ids, revisions and the operator's own words; no values of records.
type Operation struct {
	ID       string    `json:"id"` // an entry is kept once
	At       time.Time `json:"at"`
	By       string    `json:"by,omitempty"` // account name; "" when not known
	What     string    `json:"what"`
	Flow     string    `json:"flow"`
	Table    string    `json:"table,omitempty"`
	Run      string    `json:"run,omitempty"`      // that it is about
	Revision string    `json:"revision,omitempty"` // of the mapping that it is about
	Was      string    `json:"was,omitempty"`      // the revision before, where it changed
	Reason   string    `json:"reason,omitempty"`   // in the operator's words
	Detail   string    `json:"detail,omitempty"`   // what else was asked, in words
}

// LogInput is what to add to the audit trail.
type LogInput struct {
	Operations []Operation `json:"operations"`
}

// LogOperation adds to the audit trail; what is in it already is left as it is.
func (a *Operator) LogOperation(ctx context.Context, in LogInput) error {
	operations := make([]ledger.Operation, 0, len(in.Operations))
	for _, o := range in.Operations {
		if o.ID == "" || o.What == "" {
			return blocked("BadInput", "an operation needs an id and what was asked for")
		}
		operations = append(operations, ledger.Operation(o))
	}
	return a.ledger.Log(ctx, operations...)
}

// OperationsInput selects from the audit trail; empty fields match all.
type OperationsInput struct {
	Flow  string    `json:"flow,omitempty"`
	Table string    `json:"table,omitempty"`
	Run   string    `json:"run,omitempty"`
	By    string    `json:"by,omitempty"`
	What  string    `json:"what,omitempty"`
	Since time.Time `json:"since,omitzero"`  // at or after it
	Limit int       `json:"limit,omitempty"` // the newest so many, 1 to 1,000; default 100
}

// OperationsResult is a part of the audit trail, the newest last.
type OperationsResult struct {
	Operations []Operation `json:"operations"`
}

// ListOperations reads the audit trail. The operators' tool runs it by itself, so
// that only workers need the ledger.
func (a *Operator) ListOperations(ctx context.Context, in OperationsInput) (*OperationsResult, error) {
	if in.Limit == 0 {
		in.Limit = 100
	}
	if in.Limit < 1 || in.Limit > 1000 {
		return nil, blocked("BadInput", fmt.Sprintf("limit: got %d, want 1 to 1000", in.Limit))
	}
	kept, err := a.ledger.Operations(ctx, ledger.OperationFilter{
		Flow: in.Flow, Table: in.Table, Run: in.Run, By: in.By, What: in.What, Since: in.Since, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &OperationsResult{Operations: make([]Operation, 0, len(kept))}
	for _, o := range kept {
		out.Operations = append(out.Operations, Operation(o))
	}
	return out, nil
}
