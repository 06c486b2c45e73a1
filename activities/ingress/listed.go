package ingress

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/mapping"
)

// relistingOf is what was found since a plan was resolved, in this process.
func (a *Activities) relistingOf(plan []byte) *run.Reread[tableMapper] {
	key := sha256.Sum256(plan)
	return a.relisted.Of(string(key[:]))
}

// listed is the mapping m with options and members of enumerations that were added since
// m was resolved, when a record has one that m does not list. It returns m itself when
// nothing more is known: the value is listed nowhere.
func (a *Activities) listed(ctx context.Context, m *tableMapper, unlisted string) (*tableMapper, error) {
	return m.relisted.Newer(m, unlisted, func() (*tableMapper, error) {
		found, err := a.relist(ctx, m)
		if found != nil {
			found.relisted = m.relisted
		}
		return found, err
	})
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
