package activitytest

import (
	"context"

	"causeway.dev/internal/dataverse"
)

// SlowDynamics is a Dynamics whose first answer comes only after the activity that asks
// has sent a heartbeat.
type SlowDynamics struct {
	*dataverse.Client
	*Slow
}

// Slow holds the first answer back until Beaten says that a heartbeat was sent.
type Slow struct {
	Beaten chan struct{}
	Waited bool
}

// Wait returns at once but for the first time.
func (s *Slow) Wait(ctx context.Context) {
	if s.Waited {
		return
	}
	s.Waited = true
	select {
	case <-s.Beaten:
	case <-ctx.Done():
	}
}

// Query is slow the first time.
func (d SlowDynamics) Query(ctx context.Context, q dataverse.Query) (*dataverse.Page, error) {
	d.Wait(ctx)
	return d.Client.Query(ctx, q)
}

// Follow is slow the first time.
func (d SlowDynamics) Follow(ctx context.Context, q dataverse.Query, link string) (*dataverse.Page, error) {
	d.Wait(ctx)
	return d.Client.Follow(ctx, q, link)
}

// ByIDs is slow the first time.
func (d SlowDynamics) ByIDs(ctx context.Context, q dataverse.Query, ids []string) (*dataverse.Page, error) {
	d.Wait(ctx)
	return d.Client.ByIDs(ctx, q, ids)
}

// Entity is slow the first time.
func (d SlowDynamics) Entity(ctx context.Context, name string) (*dataverse.Entity, error) {
	d.Wait(ctx)
	return d.Client.Entity(ctx, name)
}

// WhoAmI is slow the first time.
func (d SlowDynamics) WhoAmI(ctx context.Context) (*dataverse.Identity, error) {
	d.Wait(ctx)
	return d.Client.WhoAmI(ctx)
}
