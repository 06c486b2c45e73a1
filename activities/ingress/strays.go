package ingress

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
)

// A stray is a record that Campaign holds with a key and the ledger does not know. After
// the ledger was restored it may be one that we created since the backup, and that was
// deleted in Dynamics before anybody looked again. It may as well be somebody else's. So
// nobody touches it until an operator has seen its id and asked for its delete.

// isOurKey says that a key has the shape of those that we write: the id of a record in
// Dynamics, in its one spelling.
func isOurKey(key string) bool {
	id, err := uuid.Parse(key)
	return err == nil && id.String() == key
}

// ListStrays lists the strays of the last audit that have a key of ours, and that are not
// in Dynamics or that the filter leaves out.
func (a *Activities) ListStrays(ctx context.Context, in activities.StraysInput) (*activities.StraysResult, error) {
	defer run.KeepBeating(ctx, nil)()
	m, err := a.resolveOnce(ctx, in.Table)
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	if !m.rules().ApplyDeletes {
		return nil, run.Blocked("BadInput", fmt.Sprintf("ingress.tables.%s.apply_deletes is false: nothing of this table is deleted in Campaign", in.Table.Name))
	}
	out := &activities.StraysResult{Gone: []string{}}
	audits, err := a.o.Ledger.Runs(ctx, ledger.RunFilter{Flow: activities.FlowAudit, Table: in.Table.Name, State: ledger.RunCompleted, Limit: 1})
	if err != nil || len(audits) == 0 {
		return out, err
	}
	out.Audit = audits[0].ID
	for after := ""; len(out.Gone) < activities.MaxStrays; {
		found, err := a.o.Ledger.AuditFindings(ctx, in.Table.Name, out.Audit, after, sweepPage)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return out, nil
		}
		after = found[len(found)-1].Key
		var keys []string
		for i := range found {
			if found[i].Finding == ledger.Stray {
				keys = append(keys, found[i].Key)
			}
		}
		gone, err := a.goneStrays(ctx, m, in.Table.Name, keys)
		if err != nil {
			return nil, run.ToTemporal(ctx, fmt.Errorf("asking Dynamics for strays of %s: %w", in.Table.Name, err))
		}
		out.Left += int64(len(keys) - len(gone))
		for i := range gone[:min(len(gone), activities.MaxStrays-len(out.Gone))] {
			out.Gone = append(out.Gone, gone[i].Key)
		}
	}
	out.More = true
	return out, nil
}

// goneStrays are those of keys that have the shape of ours, that the ledger does not hold,
// and that are to be deleted by what Dynamics says. Each is asked for by its id, so that a row that is
// only hidden is not taken for one that is gone.
func (a *Activities) goneStrays(ctx context.Context, m *tableMapper, table string, keys []string) ([]dataverse.Change, error) {
	held, err := a.o.Ledger.Holds(ctx, table, keys)
	if err != nil {
		return nil, err
	}
	var asked []string
	for _, key := range keys {
		if isOurKey(key) && !held[key] {
			asked = append(asked, key)
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	answers, err := a.confirmDeletes(ctx, m.query, activities.FetchInput{}, asked, nil)
	if err != nil {
		return nil, err
	}
	rules := m.rules()
	return slices.DeleteFunc(answers, func(c dataverse.Change) bool { return !rules.Deletes(c.Deleted, c.Raw) }), nil
}

// DeleteStrays takes up the deletes of strays that an operator has seen. It asks both
// systems again, and the ledger then knows what Campaign holds of each, so that the
// delete has a before-image. The delete guard counts them. The next pass of changes
// carries them out. It may run any number of times.
func (a *Activities) DeleteStrays(ctx context.Context, in activities.DeleteStraysInput) (*activities.DeleteStraysResult, error) {
	defer run.KeepBeating(ctx, nil)()
	defer a.reportEngineCalls(ctx)
	if err := run.CheckInstance(a.o.Instance, in.Workflow); err != nil {
		return nil, err
	}
	m, err := a.mappingOf(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	out := &activities.DeleteStraysResult{}
	var strays []ledger.StrayRecord
	if m.rules().ApplyDeletes {
		gone, err := a.goneStrays(ctx, m, in.Table, in.IDs)
		if err != nil {
			return nil, run.ToTemporal(ctx, fmt.Errorf("asking Dynamics for strays of %s: %w", in.Table, err))
		}
		if strays, err = a.readStrays(ctx, m, in.Run, gone); err != nil {
			return nil, run.ToTemporal(ctx, err)
		}
	}
	if _, err := a.o.Ledger.BeginRun(ctx, ledger.Run{ID: in.Run, Flow: activities.FlowIngress, Table: in.Table, Kind: ledger.RunKind(in.Kind), Revision: in.Revision,
		Workflow: in.Workflow, Started: time.Now().UTC()}); err != nil {
		return nil, err
	}
	if err := a.o.Ledger.AdoptStrays(ctx, in.Run, in.Table, strays); err != nil {
		return nil, err
	}
	if err := a.o.Ledger.SetRunState(ctx, in.Run, ledger.RunCompleted, ""); err != nil {
		return nil, err
	}
	out.Adopted, out.Left = int64(len(strays)), int64(len(in.IDs)-len(strays))
	if out.Strays, err = a.o.Ledger.Strays(ctx, in.Table); err != nil {
		return nil, err
	}
	out.Strays = max(0, out.Strays-out.Adopted)
	if err := a.o.Ledger.SaveStrays(ctx, in.Table, out.Strays); err != nil {
		return nil, err
	}
	out.Waiting, err = a.releaseDeletes(ctx, in.Run, in.Table)
	return out, err
}

// readStrays reads what Campaign holds of strays; one that is gone there is left out.
func (a *Activities) readStrays(ctx context.Context, m *tableMapper, id string, gone []dataverse.Change) ([]ledger.StrayRecord, error) {
	var mu sync.Mutex
	var strays []ledger.StrayRecord
	var reads errgroup.Group
	reads.SetLimit(run.ReadsAtATime)
	for i := range gone {
		c := &gone[i]
		key := c.Key
		reads.Go(func() error {
			stored, err := a.readStored(ctx, m, key)
			activity.RecordHeartbeat(ctx, key)
			if apierr.ReasonOf(err) == apierr.ReasonNotFound {
				return nil
			}
			if err != nil {
				return fmt.Errorf("reading record %s of %s from Campaign: %w", key, m.resource.Name, err)
			}
			there, err := m.mapper.FromTarget(stored.Raw)
			if err != nil {
				return errors.Join(fmt.Errorf("reading record %s of %s from Campaign", key, m.resource.Name), err)
			}
			mu.Lock()
			defer mu.Unlock()
			strays = append(strays, ledger.StrayRecord{Deleted: c.Deleted, Raw: c.Raw,
				Record: ledger.Record{Key: key, Version: c.Version, TargetKey: key, State: ledger.Parked, Payload: there.Canonical(), Fingerprint: there.Fingerprint(), Run: id}})
			return nil
		})
	}
	return strays, reads.Wait()
}
