package ingress

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// Codes of what a rollback leaves alone.
const (
	codeChangedSince = "ChangedSince" // a later run wrote it, or somebody in Campaign
	codeHasChildren  = "HasChildren"
	codeHidden       = "Hidden"
	codeOptOutKept   = "OptOutKept" // the rest of the record was restored
)

const undoPage = 500 // records per page of a rollback

// undoes is the run that a rollback of this name undoes.
func undoes(rollback string) string {
	run := strings.TrimPrefix(rollback, "rollback-")
	return run[:max(strings.LastIndex(run, "-"), 0)]
}

// MayRollback refuses, in a sentence, what cannot be undone.
func (a *Activities) MayRollback(ctx context.Context, in activities.MayRollbackInput) (*activities.MayRollbackResult, error) {
	current, err := a.o.Ledger.Run(ctx, in.Run)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return nil, run.Blocked("BadInput", fmt.Sprintf("run: got %q, which is not in the ledger; causeway runs list names the runs that are", in.Run))
	case err != nil:
		return nil, err
	case current.Flow == activities.FlowEgress:
		return nil, run.Blocked("BadInput", fmt.Sprintf("run %s brought events to the timeline, and what happened is not undone; delete the activities in Dynamics if they must go", current.ID))
	case current.Flow != activities.FlowIngress:
		return nil, run.Blocked("BadInput", fmt.Sprintf("run %s is a %s, and only runs that write what Dynamics says can be rolled back; to have that again: causeway backfill %s", current.ID, current.Kind, current.Table))
	case !current.Ended.IsZero() && !GoesOn(current) && time.Since(current.Ended) > a.o.KeepBefores:
		return nil, run.Blocked("Expired", fmt.Sprintf("run %s ended %s, and before-images are kept for %s (ledger.keep_before_images); it cannot be rolled back any more", current.ID, current.Ended.UTC().Format(time.DateOnly), days(a.o.KeepBefores)))
	}
	c, err := a.o.Ledger.CountTouched(ctx, current.ID, current.Table, activities.RollbackPrefix(current.ID))
	if err != nil {
		return nil, err
	}
	out := &activities.MayRollbackResult{Run: current.ID, Table: current.Table, Mapping: current.Revision, Kind: activities.Kind(current.Kind), State: string(current.State), Ended: current.Ended,
		Created: c.Created, Existed: c.Existed, Since: c.Since, Bytes: c.Bytes}
	// What a rollback left alone another one may undo, when what was in its way is gone.
	last, err := a.LastRollback(ctx, current)
	if last != nil && last.State == ledger.RunCompleted && last.Counts.Quarantined == 0 {
		out.UndoneBy = last.ID
	}
	return out, err
}

// LastRollback is the newest rollback of a run, or nil.
func (a *Activities) LastRollback(ctx context.Context, run *ledger.Run) (*ledger.Run, error) {
	undos, err := a.o.Ledger.Runs(ctx, ledger.RunFilter{Flow: activities.FlowRollback, Table: run.Table, Since: run.Started})
	mine := func(r ledger.Run) bool { return strings.HasPrefix(r.ID, activities.RollbackPrefix(run.ID)) }
	if i := slices.IndexFunc(undos, mine); i >= 0 {
		return &undos[i], err
	}
	return nil, err
}

// GoesOn says that a run was stopped and has not ended: a start goes on with it.
func GoesOn(run *ledger.Run) bool {
	return run.State == ledger.RunStopped && (activities.Kind(run.Kind) == activities.KindInitial || activities.Kind(run.Kind) == activities.KindBackfill)
}

func days(d time.Duration) string { return fmt.Sprintf("%.3g days", d.Hours()/24) }

// undone lists the next records that the undone run changed.
func (a *Activities) undone(ctx context.Context, in activities.FetchInput, after string) (page *dataverse.Page, next ledger.Cursor, err error) {
	entries, err := a.o.Ledger.Touched(ctx, in.Undoes, in.Table, after, undoPage)
	if err != nil {
		return nil, next, err
	}
	page = &dataverse.Page{ServerTime: time.Now()}
	for _, e := range entries {
		page.Changes = append(page.Changes, dataverse.Change{Key: e.Key, Raw: e.Raw})
	}
	if len(entries) == undoPage {
		next = ledger.After(entries[len(entries)-1].Key)
	}
	return page, next, nil
}

// undoer brings one record back to what the target held before a run. What a
// later run or somebody in Campaign has changed since stays, and is reported.
type undoer struct {
	*recordWriter
	undoes string
	ended  time.Time // of the run that is undone
}

func (r *undoer) apply(ctx context.Context, u *unit, e *ledger.Entry, p permits) (settlement, error) {
	known := u.known
	if known != nil && known.Run != r.undoes && !strings.HasPrefix(known.Run, activities.RollbackPrefix(r.undoes)) {
		return r.leave(e, codeChangedSince, "", "run "+known.Run+" has touched it since"), nil
	}
	if err := p.acquire(ctx); err != nil {
		return settlement{}, err
	}
	s, err := r.restore(ctx, known, e)
	if err == nil {
		s.permit = true
		return s, nil
	}
	p.Release()
	if fail, ok := errors.AsType[*apierr.Error](err); ok && fail.Class == apierr.Rejected {
		return r.leave(e, fail.Reason, fail.Field, fail.Message), nil
	}
	return settlement{}, err
}

func (r *undoer) restore(ctx context.Context, known *ledger.Record, e *ledger.Entry) (settlement, error) {
	key := r.m.mapper.MapKey(e.Key)
	stored, err := r.target.Get(ctx, r.m.resource, key)
	gone := apierr.ReasonOf(err) == apierr.ReasonNotFound
	if err != nil && !gone {
		return settlement{}, err
	}
	if known == nil {
		return r.neverWritten(e, stored)
	}
	var there *mapping.Payload
	if !gone {
		if there, err = r.m.mapper.FromTarget(stored.Raw); err != nil {
			return settlement{}, fmt.Errorf("reading record %s of %s from Campaign: %w", e.Key, r.table, err)
		}
	}
	if gone && known.Payload != nil && r.m.mapper.HasLinks() {
		if _, hidden, err := r.awaited(ctx, known.Payload); err != nil {
			return settlement{}, err
		} else if hidden {
			return r.leave(e, codeHidden, "", "Campaign hides it, because its parent is not there"), nil
		}
	}
	switch {
	case e.Raw == nil:
		return r.uncreate(ctx, known, e, there, stored)
	case known.Payload == nil:
		return r.recreate(ctx, known, e, there)
	case gone:
		return r.leave(e, codeChangedSince, "", "somebody deleted it in Campaign since"), nil
	}
	before, last, err := r.images(e, known)
	if err != nil {
		return settlement{}, err
	}
	wish := before
	if !r.m.plan.Table.ClearOptOuts {
		// Who has unsubscribed stays so, also when the run was what said it.
		wish = r.m.mapper.KeepOptOuts(before, there)
	}
	var s settlement
	if drifted := r.drift(last, there); len(drifted) == 0 {
		s, err = r.bring(ctx, known, e, wish, last)
	} else if len(r.drift(wish, there)) == 0 { // an earlier attempt restored it
		s = r.restored(ledger.Updated, known, e, wish)
	} else {
		return r.leave(e, codeChangedSince, drifted[0], "somebody changed "+strings.Join(drifted, ", ")+" in Campaign since"), nil
	}
	if err == nil && wish != before && s.Quarantine == nil {
		s.Quarantine = r.leave(e, codeOptOutKept, "", "an opt-out that it did not have before was kept; end it in Dynamics, or in Campaign").Quarantine
	}
	return s, err
}

// neverWritten is for a record that the run was about to take over when its worker
// died: what it held was kept, and it still holds it, or somebody changed it.
func (r *undoer) neverWritten(e *ledger.Entry, stored *campaign.Stored) (settlement, error) {
	before, err := r.m.mapper.Parse(e.Raw)
	if err != nil {
		return settlement{}, fmt.Errorf("before-image of %s of %s: %w", e.Key, r.table, err)
	}
	if stored == nil {
		return r.leave(e, codeChangedSince, "", "somebody deleted it in Campaign since"), nil
	}
	there, err := r.m.mapper.FromTarget(stored.Raw)
	if err != nil {
		return settlement{}, fmt.Errorf("reading record %s of %s from Campaign: %w", e.Key, r.table, err)
	}
	if drifted := r.drift(before, there); len(drifted) > 0 {
		return r.leave(e, codeChangedSince, drifted[0], "somebody changed "+strings.Join(drifted, ", ")+" in Campaign since"), nil
	}
	return settlement{Result: ledger.Result{Outcome: ledger.Unchanged}}, nil
}

// bring writes the fields of a record that were otherwise before the run.
func (r *undoer) bring(ctx context.Context, known *ledger.Record, e *ledger.Entry, before, last *mapping.Payload) (settlement, error) {
	body, changed := before.Diff(last)
	if len(changed) == 0 {
		return r.restored(ledger.Unchanged, known, e, before), nil
	}
	if lost := r.m.mapper.UnknownLinks(before); len(lost) > 0 {
		return r.leave(e, codeChangedSince, lost[0], "what its link named before is not known; set it in Campaign"), nil
	}
	if err := r.target.Patch(ctx, r.m.resource, r.m.mapper.MapKey(e.Key), body); err != nil {
		return settlement{}, err
	}
	return r.restored(ledger.Updated, known, e, before), nil
}

// uncreate deletes what the run created, unless somebody has changed it or
// others name it.
func (r *undoer) uncreate(ctx context.Context, known *ledger.Record, e *ledger.Entry, there *mapping.Payload, stored *campaign.Stored) (settlement, error) {
	if there != nil && known.Payload != nil {
		last, err := r.m.mapper.Parse(known.Payload)
		if err != nil {
			return settlement{}, fmt.Errorf("record %s of %s in the ledger: %w", e.Key, r.table, err)
		}
		if drifted := r.drift(last, there); len(drifted) > 0 {
			return r.leave(e, codeChangedSince, drifted[0], "somebody changed "+strings.Join(drifted, ", ")+" in Campaign since"), nil
		}
		if r.modifiedSince(stored.LastModified) {
			return r.leave(e, codeChangedSince, "", "somebody changed it in Campaign since, in fields that the mapping does not know"), nil
		}
		if children, err := r.ledger.Children(ctx, r.table, []string{e.Key}); err != nil {
			return settlement{}, err
		} else if children[e.Key] {
			return r.leave(e, codeHasChildren, "", "records of other tables name it; roll back the runs that wrote them first"), nil
		}
		if err := r.target.Delete(ctx, r.m.resource, r.m.mapper.MapKey(e.Key)); err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
			return settlement{}, err
		}
	}
	gone := r.deleted(known, e)
	gone.State, gone.Version = stillSetAside(known, ledger.Undone), known.Version
	s := settlement{Result: ledger.Result{Outcome: ledger.Removed, Record: gone}}
	if r.m.mapper.HasLinks() {
		s.Links = []ledger.Parent{}
	}
	return s, nil
}

// modifiedSince reads Campaign's stamp of the last change. Only a later change than
// any of the undone run's counts: what was touched by later runs is left alone before.
func (r *undoer) modifiedSince(stamp string) bool {
	at, err := time.Parse(stampLayout, stamp)
	return err == nil && !r.ended.IsZero() && at.After(r.ended.Add(clockSkew))
}

// recreate brings back what the run deleted, with its key.
func (r *undoer) recreate(ctx context.Context, known *ledger.Record, e *ledger.Entry, there *mapping.Payload) (settlement, error) {
	before, err := r.m.mapper.Parse(e.Raw)
	if err != nil {
		return settlement{}, fmt.Errorf("before-image of %s of %s: %w", e.Key, r.table, err)
	}
	if there != nil {
		if len(r.drift(before, there)) > 0 {
			return r.leave(e, codeChangedSince, "", "somebody created it anew in Campaign since"), nil
		}
		return r.restored(ledger.Created, known, e, before), nil
	}
	if alone, err := r.parentless(ctx, before); err != nil {
		return settlement{}, err
	} else if alone {
		return r.leave(e, codeHidden, "", "Campaign would hide it, because its parent is not there; roll back the run that removed the parent first"), nil
	}
	if err := r.target.Create(ctx, r.m.resource, before.Body()); err != nil {
		return settlement{}, err
	}
	return r.restored(ledger.Created, known, e, before), nil
}

// parentless says that a parent which a record names was in Campaign and is not any
// more. One that never was did not keep the record from being there.
func (r *undoer) parentless(ctx context.Context, p *mapping.Payload) (bool, error) {
	for _, link := range r.m.mapper.Links(p) {
		found, err := r.ledger.Records(ctx, link.Table, []string{link.Key})
		if err != nil {
			return false, err
		}
		if parent := found[link.Key]; parent != nil && parent.Payload == nil {
			return true, nil
		}
	}
	return false, nil
}

func (r *undoer) images(e *ledger.Entry, known *ledger.Record) (before, last *mapping.Payload, err error) {
	if before, err = r.m.mapper.Parse(e.Raw); err == nil {
		last, err = r.m.mapper.Parse(known.Payload)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("record %s of %s in the ledger: %w", e.Key, r.table, err)
	}
	return before, last, nil
}

func (r *undoer) drift(last, there *mapping.Payload) []string {
	_, fields := r.m.mapper.Drift(last, there)
	return fields
}

// restored says that the target holds what it held before the run.
func (r *undoer) restored(outcome ledger.Outcome, known *ledger.Record, e *ledger.Entry, before *mapping.Payload) settlement {
	s := settlement{Result: ledger.Result{Outcome: outcome, Arrived: known.Payload == nil, Renewed: outcome == ledger.Created,
		Record: &ledger.Record{Key: e.Key, Version: known.Version, TargetKey: r.m.mapper.MapKey(e.Key), State: stillSetAside(known, ledger.Written),
			Payload: before.Canonical(), Fingerprint: before.Fingerprint(), Run: r.run, CreatedRun: known.CreatedRun, SeenRun: known.SeenRun}}}
	if r.m.mapper.HasLinks() {
		s.Links = r.linksOf(before)
	}
	return s
}

// stillSetAside is the state of a record that was undone: what is in quarantine, or
// waits, stays so, for its item is there and whoever settles that goes by the state.
func stillSetAside(known *ledger.Record, otherwise ledger.State) ledger.State {
	if known.State == ledger.Quarantined || known.State == ledger.Parked {
		return known.State
	}
	return otherwise
}

// refuse keeps a record at which the rollback fails as it is, like leave: its state
// in the flow is not the rollback's to change.
func (r *undoer) refuse(_ *ledger.Record, e *ledger.Entry, _, code, message, field string) settlement {
	return r.leave(e, code, field, message)
}

// leave reports a record that stays as it is.
func (r *undoer) leave(e *ledger.Entry, code, field, message string) settlement {
	return settlement{Result: ledger.Result{Outcome: ledger.Refused, Quarantine: &ledger.QuarantineItem{
		Flow: activities.FlowRollback, Table: r.table, Key: e.Key, Run: r.run, Class: string(apierr.Rejected), Code: code, Field: field, Message: message, State: ledger.QuarantineOpen,
	}}}
}

// prune forgets before-images that have been kept long enough.
func (a *Activities) prune(ctx context.Context) error {
	a.mu.Lock()
	due := time.Since(a.pruned) >= run.PruneEvery
	if due {
		a.pruned = time.Now()
	}
	a.mu.Unlock()
	if !due {
		return nil
	}
	undoing, err := a.o.Ledger.Runs(ctx, ledger.RunFilter{Flow: activities.FlowRollback, State: ledger.RunRunning})
	if err != nil {
		return err
	}
	var keep []string
	for _, r := range undoing {
		keep = append(keep, undoes(r.ID))
	}
	for due {
		n, err := a.o.Ledger.PruneBefores(ctx, time.Now().Add(-a.o.KeepBefores), keep...)
		if err != nil {
			return err
		}
		due = n > 0
	}
	return nil
}
