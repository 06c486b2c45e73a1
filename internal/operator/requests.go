package operator

import (
	"context"

	"causeway.dev/activities"
)

// Requests lists what waits for a second person; with all also what is over.
func (i *Instance) Requests(ctx context.Context, all bool) (r activities.RequestsResult, err error) {
	if err := i.askedWho(); err != nil {
		return r, err
	}
	err = i.ask(ctx, i.Timeout, activities.ListRequests, activities.RequestsInput{All: all}, &r)
	return r, err
}

// Decide confirms a request of somebody else, or declines it.
func (i *Instance) Decide(ctx context.Context, id string, confirm bool) (r activities.DecideResult, err error) {
	if err := i.askedWho(); err != nil {
		return r, err
	}
	err = i.ask(ctx, i.Timeout, activities.DecideRequest, activities.DecideInput{ID: id, Confirm: confirm}, &r)
	return r, err
}

// askedWho fails where nobody is asked who they are.
func (i *Instance) askedWho() error {
	if !i.Config.Access.Configured() {
		return badInput("%s has no access.issuer, so nothing waits for a second person", i.File)
	}
	return nil
}
