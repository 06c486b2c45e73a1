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

const rollbackPage = 500 // records per page of a rollback

// MayRollback counts what undoing a run would touch. It refuses, in a sentence, a run
// that cannot be undone.
func (a *Activities) MayRollback(ctx context.Context, in activities.MayRollbackInput) (*activities.MayRollbackResult, error) {
	current, err := a.o.Ledger.RunOrHour(ctx, in.Run)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return nil, run.Blocked("BadInput", fmt.Sprintf("run: got %q, which is not in the ledger; causeway runs list names the runs that are", in.Run))
	case err != nil:
		return nil, err
	case current.Flow == activities.FlowEgress:
		return nil, run.Blocked("BadInput", fmt.Sprintf("run %s brought events to the timeline, and what happened is not undone; delete the activities in Dynamics if they must go", current.ID))
	case current.Flow != activities.FlowIngress:
		return nil, run.Blocked("BadInput", fmt.Sprintf("run %s is a %s, and only runs that write what Dynamics says can be rolled back; to have that again: causeway backfill %s", current.ID, current.Kind, current.Table))
	case !current.Ended.IsZero() && !GoesOn(current) && (current.Passes > 0 || time.Since(current.Ended) > a.o.KeepBefores):
		return nil, run.Blocked("Expired", fmt.Sprintf("run %s ended %s, and before-images are kept for %s (retention.before_images); it cannot be rolled back any more", current.ID, current.Ended.UTC().Format(time.DateOnly), days(a.o.KeepBefores)))
	}
	c, err := a.o.Ledger.CountTouched(ctx, current.ID, current.Table, activities.RollbackPrefix(current.ID))
	if err != nil {
		return nil, err
	}
	out := &activities.MayRollbackResult{Run: current.ID, Table: current.Table, Mapping: current.Revision, Kind: activities.Kind(current.Kind), State: string(current.State), Ended: current.Ended,
		Created: c.Created, Existed: c.Existed, Since: c.Since, Bytes: c.Bytes}
	// A rollback that left records alone does not count: another one may undo them, once
	// what was in the way is gone.
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

// GoesOn says whether a run was stopped so that the next start goes on with it.
func GoesOn(run *ledger.Run) bool {
	return run.State == ledger.RunStopped && (activities.Kind(run.Kind) == activities.KindInitial || activities.Kind(run.Kind) == activities.KindBackfill)
}

func days(d time.Duration) string { return fmt.Sprintf("%.3g days", d.Hours()/24) }

// fetchUndone lists the next records that the run to be undone has touched.
func (a *Activities) fetchUndone(ctx context.Context, in activities.FetchInput, after string) (page *dataverse.Page, next ledger.Cursor, err error) {
	entries, err := a.o.Ledger.Touched(ctx, in.Undoes, in.Table, after, rollbackPage)
	if err != nil {
		return nil, next, err
	}
	page = &dataverse.Page{ServerTime: time.Now()}
	for _, e := range entries {
		page.Changes = append(page.Changes, dataverse.Change{Key: e.Key, Raw: e.Raw})
	}
	if len(entries) == rollbackPage {
		next = ledger.After(entries[len(entries)-1].Key)
	}
	return page, next, nil
}

// rollbackWriter brings one record back to what Campaign held before a run. What a later
// run or a person has changed since is left as it is, and listed.
type rollbackWriter struct {
	*recordWriter
	undoes string
	ended  time.Time // of the run that is undone
}

func (r *rollbackWriter) apply(ctx context.Context, u *recordState, e *ledger.Entry, p permit) (ledger.Result, error) {
	known := u.known
	if known != nil && known.Run != r.undoes && !strings.HasPrefix(known.Run, activities.RollbackPrefix(r.undoes)) {
		return r.leaveAsIs(e, codeChangedSince, "", "run "+known.Run+" has touched it since"), nil
	}
	if err := p.acquire(ctx); err != nil {
		return ledger.Result{}, err
	}
	result, err := r.restore(ctx, known, e)
	if err == nil {
		return result, nil
	}
	p.release()
	if fail, ok := errors.AsType[*apierr.Error](err); ok && fail.Class == apierr.Rejected {
		return r.leaveAsIs(e, fail.Reason, fail.Field, fail.Message), nil
	}
	return ledger.Result{}, err
}

func (r *rollbackWriter) restore(ctx context.Context, known *ledger.Record, e *ledger.Entry) (ledger.Result, error) {
	key := r.m.mapper.MapKey(e.Key)
	stored, err := r.target.Get(ctx, r.m.resource, key)
	gone := apierr.ReasonOf(err) == apierr.ReasonNotFound
	if err != nil && !gone {
		return ledger.Result{}, err
	}
	if known == nil {
		return r.neverWritten(e, stored)
	}
	var there *mapping.Payload
	if !gone {
		if there, err = r.m.mapper.FromTarget(stored.Raw); err != nil {
			return ledger.Result{}, fmt.Errorf("reading record %s of %s from Campaign: %w", e.Key, r.table, err)
		}
	}
	if gone && known.Payload != nil && r.m.mapper.HasLinks() {
		if _, hidden, err := r.missingParentOf(ctx, known.Payload); err != nil {
			return ledger.Result{}, err
		} else if hidden {
			return r.leaveAsIs(e, codeHidden, "", "Campaign hides it, because its parent is not there"), nil
		}
	}
	switch {
	case e.Raw == nil:
		return r.uncreate(ctx, known, e, there, stored)
	case known.Payload == nil:
		return r.recreate(ctx, known, e, there)
	case gone:
		return r.leaveAsIs(e, codeChangedSince, "", "somebody deleted it in Campaign since"), nil
	}
	before, last, err := r.parseImages(e, known)
	if err != nil {
		return ledger.Result{}, err
	}
	wish := before
	if !r.m.plan.Table.ClearOptOuts {
		// Who has unsubscribed stays so, also when the run was what said it.
		wish = r.m.mapper.KeepOptOuts(before, there)
	}
	var result ledger.Result
	if drifted := r.changedFields(last, there); len(drifted) == 0 {
		result, err = r.writeBack(ctx, known, e, wish, last)
	} else if len(r.changedFields(wish, there)) == 0 { // an earlier attempt restored it
		result = r.restoredResult(ledger.Updated, known, e, wish)
	} else {
		return r.leaveAsIs(e, codeChangedSince, drifted[0], "somebody changed "+strings.Join(drifted, ", ")+" in Campaign since"), nil
	}
	if err == nil && wish != before && result.Quarantine == nil {
		result.Quarantine = r.leaveAsIs(e, codeOptOutKept, "", "an opt-out that it did not have before was kept; end it in Dynamics, or in Campaign").Quarantine
	}
	return result, err
}

// neverWritten is for a record that the run was about to adopt when its worker died. Its
// before-image was kept. Campaign still holds that, or a person has changed it.
func (r *rollbackWriter) neverWritten(e *ledger.Entry, stored *campaign.Stored) (ledger.Result, error) {
	before, err := r.m.mapper.Parse(e.Raw)
	if err != nil {
		return ledger.Result{}, fmt.Errorf("before-image of %s of %s: %w", e.Key, r.table, err)
	}
	if stored == nil {
		return r.leaveAsIs(e, codeChangedSince, "", "somebody deleted it in Campaign since"), nil
	}
	there, err := r.m.mapper.FromTarget(stored.Raw)
	if err != nil {
		return ledger.Result{}, fmt.Errorf("reading record %s of %s from Campaign: %w", e.Key, r.table, err)
	}
	if drifted := r.changedFields(before, there); len(drifted) > 0 {
		return r.leaveAsIs(e, codeChangedSince, drifted[0], "somebody changed "+strings.Join(drifted, ", ")+" in Campaign since"), nil
	}
	return ledger.Result{Outcome: ledger.Unchanged}, nil
}

// writeBack restores the fields that the run has changed.
func (r *rollbackWriter) writeBack(ctx context.Context, known *ledger.Record, e *ledger.Entry, before, last *mapping.Payload) (ledger.Result, error) {
	body, changed := before.Diff(last)
	if len(changed) == 0 {
		return r.restoredResult(ledger.Unchanged, known, e, before), nil
	}
	if lost := r.m.mapper.UnknownLinks(before); len(lost) > 0 {
		return r.leaveAsIs(e, codeChangedSince, lost[0], "what its link named before is not known; set it in Campaign"), nil
	}
	if err := r.target.Patch(ctx, r.m.resource, r.m.mapper.MapKey(e.Key), body); err != nil {
		return ledger.Result{}, err
	}
	return r.restoredResult(ledger.Updated, known, e, before), nil
}

// uncreate deletes a record that the run created, unless a person has changed it or other
// records name it.
func (r *rollbackWriter) uncreate(ctx context.Context, known *ledger.Record, e *ledger.Entry, there *mapping.Payload, stored *campaign.Stored) (ledger.Result, error) {
	if there != nil && known.Payload != nil {
		last, err := r.m.mapper.Parse(known.Payload)
		if err != nil {
			return ledger.Result{}, fmt.Errorf("record %s of %s in the ledger: %w", e.Key, r.table, err)
		}
		if drifted := r.changedFields(last, there); len(drifted) > 0 {
			return r.leaveAsIs(e, codeChangedSince, drifted[0], "somebody changed "+strings.Join(drifted, ", ")+" in Campaign since"), nil
		}
		if r.modifiedSince(stored.LastModified) {
			return r.leaveAsIs(e, codeChangedSince, "", "somebody changed it in Campaign since, in fields that the mapping does not know"), nil
		}
		if field, err := r.unreadOptOut(ctx, e.Key, last, stored.Raw); err != nil {
			return ledger.Result{}, err
		} else if field != "" {
			return r.leaveAsIs(e, codeChangedSince, field, "its person has opted out in Campaign since, and nothing else knows of it yet; roll back again when opt-outs are carried over, or delete it in Campaign"), nil
		}
		if children, err := r.ledger.Children(ctx, r.table, []string{e.Key}); err != nil {
			return ledger.Result{}, err
		} else if children[e.Key] {
			return r.leaveAsIs(e, codeHasChildren, "", "records of other tables name it; roll back the runs that wrote them first"), nil
		}
		if err := r.target.Delete(ctx, r.m.resource, r.m.mapper.MapKey(e.Key)); err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound {
			return ledger.Result{}, err
		}
	}
	gone := r.deleted(known, e)
	gone.State, gone.Version = stateAfterUndo(known, ledger.Undone), known.Version
	result := ledger.Result{Outcome: ledger.Removed, Record: gone}
	if r.m.mapper.HasLinks() {
		result.Links = []ledger.Parent{}
	}
	return result, nil
}

// modifiedSince says by Campaign's stamp whether a person has changed the record after
// the run ended. Records that later runs have touched are left alone before this.
func (r *rollbackWriter) modifiedSince(stamp string) bool {
	at, err := time.Parse(stampLayout, stamp)
	return err == nil && !r.ended.IsZero() && at.After(r.ended.Add(clockSkew))
}

// recreate brings back a record that the run deleted, with its key.
func (r *rollbackWriter) recreate(ctx context.Context, known *ledger.Record, e *ledger.Entry, there *mapping.Payload) (ledger.Result, error) {
	before, err := r.m.mapper.Parse(e.Raw)
	if err != nil {
		return ledger.Result{}, fmt.Errorf("before-image of %s of %s: %w", e.Key, r.table, err)
	}
	if there != nil {
		if len(r.changedFields(before, there)) > 0 {
			return r.leaveAsIs(e, codeChangedSince, "", "somebody created it anew in Campaign since"), nil
		}
		return r.restoredResult(ledger.Created, known, e, before), nil
	}
	if alone, err := r.parentWasRemoved(ctx, before); err != nil {
		return ledger.Result{}, err
	} else if alone {
		return r.leaveAsIs(e, codeHidden, "", "Campaign would hide it, because its parent is not there; roll back the run that removed the parent first"), nil
	}
	body, err := r.createBody(ctx, e.Key, nil, before.Body())
	if err != nil {
		return ledger.Result{}, err
	}
	if err := r.target.Create(ctx, r.m.resource, body.doc); err != nil {
		return ledger.Result{}, err
	}
	if err := r.ledger.ForgetOwedOptOuts(context.WithoutCancel(ctx), e.Key, body.handedOver); err != nil {
		return ledger.Result{}, err
	}
	return r.restoredResult(ledger.Created, known, e, before), nil
}

// parentWasRemoved says whether Campaign once held a parent that the record names and
// does not hold it any more. A parent that was never there did not hide the record
// before, either.
func (r *rollbackWriter) parentWasRemoved(ctx context.Context, p *mapping.Payload) (bool, error) {
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

func (r *rollbackWriter) parseImages(e *ledger.Entry, known *ledger.Record) (before, last *mapping.Payload, err error) {
	if before, err = r.m.mapper.Parse(e.Raw); err == nil {
		last, err = r.m.mapper.Parse(known.Payload)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("record %s of %s in the ledger: %w", e.Key, r.table, err)
	}
	return before, last, nil
}

func (r *rollbackWriter) changedFields(last, there *mapping.Payload) []string {
	_, fields := r.m.mapper.Drift(last, there)
	return fields
}

// restoredResult tells the ledger that Campaign holds what it held before the run.
func (r *rollbackWriter) restoredResult(outcome ledger.Outcome, known *ledger.Record, e *ledger.Entry, before *mapping.Payload) ledger.Result {
	result := ledger.Result{Outcome: outcome, Arrived: known.Payload == nil, Renewed: outcome == ledger.Created,
		Record: &ledger.Record{Key: e.Key, Version: known.Version, TargetKey: r.m.mapper.MapKey(e.Key), State: stateAfterUndo(known, ledger.Written),
			Payload: before.Canonical(), Fingerprint: before.Fingerprint(), Run: r.run, CreatedRun: known.CreatedRun, SeenRun: known.SeenRun}}
	if r.m.mapper.HasLinks() {
		result.Links = r.linksOf(before)
	}
	return result
}

// stateAfterUndo is the state of a record after its rollback. A record that is in
// quarantine or parked stays so, because its item is still there.
func stateAfterUndo(known *ledger.Record, otherwise ledger.State) ledger.State {
	if known.State == ledger.Quarantined || known.State == ledger.Parked {
		return known.State
	}
	return otherwise
}

// refuse leaves a record as it is at which the rollback fails. A rollback does not change
// the record's state in the flow.
func (r *rollbackWriter) refuse(_ *ledger.Record, e *ledger.Entry, _, code, message, field string) ledger.Result {
	return r.leaveAsIs(e, code, field, message)
}

// leaveAsIs lists a record that is not rolled back, with the reason.
func (r *rollbackWriter) leaveAsIs(e *ledger.Entry, code, field, message string) ledger.Result {
	return ledger.Result{Outcome: ledger.Refused, Quarantine: &ledger.QuarantineItem{
		Flow: activities.FlowRollback, Table: r.table, Key: e.Key, Run: r.run, Class: string(apierr.Rejected), Code: code, Field: field, Message: message, State: ledger.QuarantineOpen,
	}}
}
