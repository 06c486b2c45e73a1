package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	historypb "go.temporal.io/api/history/v1"

	"causeway.dev/activities"
	"causeway.dev/internal/histories"
)

// Lane is one part of a page of a run, which was written in parallel with others.
type Lane struct {
	Page     int               `json:"page"`
	Lane     int               `json:"lane"`    // from 1
	Records  int64             `json:"records"` // that have an outcome
	Counts   activities.Counts `json:"counts"`
	State    string            `json:"state"` // done, failed, cancelled; "" while it is being written
	Attempts int               `json:"attempts"`
	Failure  string            `json:"failure,omitempty"` // also of an attempt after which there was another
	Began    time.Time         `json:"began"`
	Written  time.Time         `json:"written,omitzero"`
}

// Lanes are those of a run.
type Lanes struct {
	Run     string `json:"run"`
	Lanes   []Lane `json:"lanes"`
	Problem string `json:"problem,omitempty"` // why there are none
}

// writesLanes are the activities that write a lane, one for each flow.
var writesLanes = map[string]bool{activities.WriteLane: true, activities.WriteTimeline: true, activities.WriteOptOuts: true}

// RunLanes lists the lanes of a run, in the order of its pages. They come from the history of
// its workflow, because the ledger drops what a run has staged when it ends.
func (i *Instance) RunLanes(ctx context.Context, name string) (*Lanes, error) {
	s, err := i.find(ctx, name)
	if err != nil {
		return nil, err
	}
	out := &Lanes{Run: name, Lanes: []Lane{}}
	switch {
	case s.newest == nil && s.ledger == nil:
		return nil, badInput("run: got %q, and Temporal has no such workflow", name)
	case s.newest == nil:
		out.Problem = s.noHistoryText()
		return out, nil
	}
	chain, err := s.chain(ctx, maxShown, false)
	if err != nil {
		return nil, err
	}
	calls := &histories.Calls{Of: writesLanes}
	for _, x := range chain {
		err := s.opened(ctx, x.WorkflowID, x.RunID, func(e *historypb.HistoryEvent) error {
			calls.Add(e)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	out.Lanes = lanesOf(calls.All, func(run string) bool { return s.id == name || s.owns() || run == name })
	if len(out.Lanes) == 0 {
		out.Problem = "it has written no page, or what it wrote is in the history of workflow " + s.flow().owner()
	}
	return out, nil
}

// lanesOf makes lanes of calls. A lane that was begun again, because its flow was stopped in
// between, is listed once, with all attempts.
func lanesOf(calls []*histories.Call, of func(run string) bool) []Lane {
	out, at := []Lane{}, map[[2]int]int{}
	for _, c := range calls {
		var in activities.LaneInput
		if json.Unmarshal(c.Input, &in) != nil || !of(in.Run) {
			continue
		}
		one := Lane{Page: in.Page, Lane: in.Lane + 1, State: c.Outcome, Attempts: c.Attempts, Failure: c.Failure, Began: c.Began, Written: c.Ended}
		var result activities.LaneResult
		if c.Result != nil && json.Unmarshal(c.Result, &result) == nil {
			one.Counts, one.Records = result.Counts, result.Counts.Settled()
		}
		key := [2]int{in.Page, in.Lane}
		if n, again := at[key]; again {
			one.Attempts, one.Began, one.Failure = one.Attempts+out[n].Attempts, out[n].Began, cmp.Or(one.Failure, out[n].Failure)
			out[n] = one
			continue
		}
		at[key] = len(out)
		out = append(out, one)
	}
	slices.SortStableFunc(out, func(a, b Lane) int { return cmp.Or(cmp.Compare(a.Page, b.Page), cmp.Compare(a.Lane, b.Lane)) })
	return out
}
