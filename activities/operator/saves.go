package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/access"
	"causeway.dev/internal/ledger"
)

const (
	maxSave   = 4 << 20 // bytes of all files of a save
	savesList = 50      // in a list that does not say how many
)

// said is what the ledger keeps of a save besides its files.
type said struct {
	Paths       []string                       `json:"paths"`
	Differences []activities.MappingDifference `json:"differences"`
}

// RecordSave keeps a saved change of the configuration, and enters it into the audit trail.
func (a *Activities) RecordSave(ctx context.Context, in activities.RecordSaveInput) (*activities.LogEnd, error) {
	size := 0
	for _, f := range in.Files {
		size += len(f.Before) + len(f.After)
	}
	switch {
	case in.ID == "" || in.At.IsZero() || len(in.Files) == 0:
		return nil, run.Blocked("BadInput", "a save needs an id, a time and the files that it changed")
	case size > maxSave:
		return nil, run.Blocked("BadInput", fmt.Sprintf("a save of %d bytes is not kept, at most %d are", size, maxSave))
	}
	says, err := json.Marshal(said{in.Paths, in.Differences})
	if err != nil {
		return nil, err
	}
	files, err := json.Marshal(in.Files)
	if err != nil {
		return nil, err
	}
	save := ledger.ConfigSave{ID: in.ID, At: in.At, By: in.By, Reason: in.Reason, Says: says, Files: files}
	save.Subject, save.Verified = access.Subject(in.By)
	if err := a.ledger.KeepSave(ctx, save); err != nil {
		return nil, err
	}
	return a.enter(ctx, activities.LogInput{Operations: []activities.Operation{{
		ID: activities.OpSave + "/" + run.Execution(ctx), At: in.At, By: in.By, What: activities.OpSave, Flow: "configuration", Reason: in.Reason,
		Detail: fmt.Sprintf("%s: differences in %s: %d", in.ID, strings.Join(in.Paths, ", "), len(in.Differences)), // the sentences may hold values of a filter
	}}}, false)
}

// ListSaves lists saved changes, without what the files held.
func (a *Activities) ListSaves(ctx context.Context, in activities.ListSavesInput) (*activities.ListSavesResult, error) {
	if in.Limit == 0 {
		in.Limit = savesList
	}
	if in.Limit < 1 || in.Limit > 1000 {
		return nil, run.Blocked("BadInput", fmt.Sprintf("limit: got %d, want 1 to 1000", in.Limit))
	}
	kept, err := a.ledger.Saves(ctx, in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &activities.ListSavesResult{Saves: make([]activities.ConfigSave, len(kept))}
	for i, s := range kept {
		if out.Saves[i], err = saveOf(s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ShowSave returns one with what its files held.
func (a *Activities) ShowSave(ctx context.Context, in activities.ShowSaveInput) (*activities.ShowSaveResult, error) {
	kept, err := a.ledger.Save(ctx, in.ID)
	if errors.Is(err, ledger.ErrNotFound) {
		return &activities.ShowSaveResult{}, nil
	}
	if err != nil {
		return nil, err
	}
	out := &activities.ShowSaveResult{Found: true}
	if out.Save, err = saveOf(kept); err != nil {
		return nil, err
	}
	return out, json.Unmarshal(kept.Files, &out.Files)
}

func saveOf(s ledger.ConfigSave) (activities.ConfigSave, error) {
	var what said
	if err := json.Unmarshal(s.Says, &what); err != nil {
		return activities.ConfigSave{}, fmt.Errorf("save %s: %w", s.ID, err)
	}
	return activities.ConfigSave{ID: s.ID, At: s.At, By: s.By, Verified: s.Verified, Reason: s.Reason, Paths: what.Paths, Differences: what.Differences}, nil
}
