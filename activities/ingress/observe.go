package ingress

import (
	"context"
	"fmt"
	"sync"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// compareWithWritten compares what Campaign holds of a record with what was last written.
func compareWithWritten(m *tableMapper, known *ledger.Record, there *mapping.Payload) (ledger.Observation, error) {
	last, err := mapping.ParsePayload(known.Payload)
	if err != nil {
		return ledger.Observation{}, fmt.Errorf("record %s of %s in the ledger: %w", known.Key, m.plan.Table.Name, err)
	}
	truth, fields := m.mapper.Drift(last, there)
	if len(fields) == 0 {
		return ledger.Observation{Key: known.Key}, nil
	}
	return ledger.Observation{Key: known.Key, Finding: ledger.Changed, Fields: fields,
		Payload: truth.Canonical(), Fingerprint: truth.Fingerprint(), Expected: known.Fingerprint}, nil
}

// readOneByOne observes records one by one.
func (a *Activities) readOneByOne(ctx context.Context, m *tableMapper, in activities.AuditInput, keys []string) ([]ledger.Observation, error) {
	var mu sync.Mutex
	var observations []ledger.Observation
	var reads errgroup.Group
	reads.SetLimit(run.ReadsAtATime)
	for _, key := range keys {
		reads.Go(func() error {
			observation, err := a.observe(ctx, m, in, key)
			activity.RecordHeartbeat(ctx, key)
			if err != nil || observation == nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			observations = append(observations, *observation)
			return nil
		})
	}
	return observations, reads.Wait()
}

// observeTries is how often a record is read that is being written meanwhile.
const observeTries = 3

// observe compares a record in Campaign with the ledger; nil for one that is in neither.
// It reads the ledger before and after Campaign, so that a write of ours in between is
// not taken for somebody else's.
func (a *Activities) observe(ctx context.Context, m *tableMapper, in activities.AuditInput, key string) (*ledger.Observation, error) {
	for try := 1; ; try++ {
		before, err := a.o.Ledger.Records(ctx, in.Table.Name, []string{key})
		if err != nil {
			return nil, err
		}
		stored, err := a.readStored(ctx, m, key)
		gone := apierr.ReasonOf(err) == apierr.ReasonNotFound
		if err != nil && !gone {
			return nil, fmt.Errorf("reading record %s of %s from Campaign: %w", key, m.resource.Name, err)
		}
		after, err := a.o.Ledger.Records(ctx, in.Table.Name, []string{key})
		if err != nil {
			return nil, err
		}
		rec := after[key]
		if !sameRecord(before[key], rec) && try < observeTries {
			continue
		}
		switch held := rec != nil && rec.Payload != nil; {
		case !held && gone:
			return nil, nil
		case !held:
			return &ledger.Observation{Key: key, Finding: ledger.Stray}, nil
		case gone && m.mapper.HasLinks():
			if finding, err := a.notShown(ctx, m, in.Table.Name, rec); err != nil || finding != nil {
				return finding, err
			}
			fallthrough
		case gone:
			return &ledger.Observation{Key: key, Finding: ledger.Missing, Expected: rec.Fingerprint}, nil
		}
		there, err := m.mapper.FromTarget(stored.Raw)
		if err != nil {
			return nil, fmt.Errorf("reading record %s of %s from Campaign: %w", key, m.resource.Name, err)
		}
		observation, err := compareWithWritten(m, rec, there)
		return &observation, err
	}
}

// notShown is what is observed of a record that Campaign may hide: its parent is missing, or
// somebody deleted it in Campaign. nil: it is gone. Where a parent was deleted, nobody knows
// which. It is reported then, and nothing is corrected: once the parent is created anew, the
// record is looked at.
func (a *Activities) notShown(ctx context.Context, m *tableMapper, table string, rec *ledger.Record) (*ledger.Observation, error) {
	r := &recordWriter{activities: a, target: a.o.Target, ledger: a.o.Ledger, m: m, table: table}
	p, err := mapping.ParsePayload(rec.Payload)
	if err != nil {
		return nil, fmt.Errorf("a record of %s in the ledger: %w", table, err)
	}
	links := m.mapper.Links(p)
	_, hidden, err := r.firstMissingParent(ctx, links)
	if err != nil {
		return nil, err
	}
	if hidden {
		return &ledger.Observation{Key: rec.Key}, nil
	}
	if _, _, hidden, err = r.firstErasedParent(ctx, links); err != nil || !hidden {
		return nil, err
	}
	return &ledger.Observation{Key: rec.Key, Finding: ledger.Missing}, nil
}

// readStored reads a record in Campaign, with a few tries: an attempt reads hundreds, and
// one passing fault would make it begin again.
func (a *Activities) readStored(ctx context.Context, m *tableMapper, key string) (*campaign.Stored, error) {
	return run.Retry(ctx, nil, func() (*campaign.Stored, error) { return a.o.Target.Get(ctx, m.resource, m.mapper.MapKey(key)) })
}

// sameRecord says whether no write of ours came between two readings of the ledger.
func sameRecord(a, b *ledger.Record) bool {
	if a == nil || b == nil {
		return a == b
	}
	return string(a.Fingerprint) == string(b.Fingerprint) && a.Run == b.Run
}
