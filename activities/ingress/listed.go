package ingress

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/mapping"
)

// relistEvery is for how long the metadata is not read again for the same value.
const relistEvery = 10 * time.Minute

// relisting is what was found in the metadata since a mapping was resolved. The mapping
// and what it was extended to share it.
type relisting struct {
	mu    sync.Mutex
	asked map[string]time.Time // when the metadata was read for a value
	found *tableMapper         // the mapping with all that was added; nil: nothing was
}

// relistingOf is what was found since a plan was resolved, in this process.
func (a *Activities) relistingOf(plan []byte) *relisting {
	key := sha256.Sum256(plan)
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.relisted[key]
	if r == nil {
		r = &relisting{asked: map[string]time.Time{}}
		a.relisted[key] = r
	}
	return r
}

// listed is the mapping m with options and members of enumerations that were added since
// m was resolved, when a record has one that m does not list. The metadata is read once
// for each such value and relistEvery. It returns m itself when nothing more is known:
// the value is listed nowhere.
func (a *Activities) listed(ctx context.Context, m *tableMapper, unlisted string) (*tableMapper, error) {
	r := m.relisted
	r.mu.Lock() // the other records of the lane wait for the one that reads
	defer r.mu.Unlock()
	if r.found != nil && r.found != m {
		return r.found, nil
	}
	now := time.Now()
	if at, ok := r.asked[unlisted]; ok && now.Sub(at) < relistEvery {
		return m, nil
	}
	found, err := a.relist(ctx, m)
	if err != nil {
		return m, err
	}
	if len(r.asked) > 1000 {
		clear(r.asked)
	}
	r.asked[unlisted] = now
	if found == nil {
		return m, nil
	}
	found.relisted, r.found = r, found
	return found, nil
}

// relist reads the metadata of both systems; nil when it adds nothing. Metadata that
// cannot be read for a passing reason leaves the record open. When the mapping does not
// fit any more, or may not be read, the record is refused as it is.
func (a *Activities) relist(ctx context.Context, m *tableMapper) (*tableMapper, error) {
	entity, err := a.o.Source.Entity(ctx, m.plan.Table.Dynamics.Table)
	if err != nil {
		return nil, unlessPassing(ctx, m, err)
	}
	metadata, err := a.o.Target.Metadata(ctx, m.resource)
	if err != nil {
		return nil, unlessPassing(ctx, m, err)
	}
	fresh, err := mapping.Resolve(m.plan.Table, sourceSchema(entity), targetSchema(m.resource, metadata))
	if err != nil {
		return nil, nil
	}
	plan := m.plan.WithListed(fresh)
	if plan == m.plan {
		return nil, nil
	}
	doc, err := json.Marshal(plan)
	if err != nil {
		return nil, fmt.Errorf("preparing the mapping of %s: %w", m.plan.Table.Name, err)
	}
	a.o.Logger.Info("the metadata lists more than when the flow started", "table", m.plan.Table.Name)
	return newTableMapper(doc)
}

// unlessPassing is nil for a failure that stays: what is known has to do.
func unlessPassing(ctx context.Context, m *tableMapper, err error) error {
	if class := apierr.ClassOf(err); ctx.Err() == nil && (class == apierr.Blocked || class == apierr.Rejected) {
		return nil
	}
	return fmt.Errorf("reading the metadata of %s again: %w", m.plan.Table.Name, err)
}
