package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/config"
	"causeway.dev/internal/access"
	"causeway.dev/internal/ledger"
)

// Access is what permits are granted with.
type Access struct {
	Config   config.Access
	Instance string
	Keys     *access.Keys
	Verifier interface {
		Verify(ctx context.Context, token string) (access.Who, error)
	}
	// ChangesMapping says whether a request brings a mapping or settings that are not those
	// of the worker's configuration.
	ChangesMapping func(access.Request) bool
	Now            func() time.Time // nil: the clock's
}

func (a *Access) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

// logKept is how long a permit lets an entry of the log wait for a worker, as an operator
// leaves it.
const logKept = 14 * 24 * time.Hour

// errNoAccess answers who signs in where nobody is asked to.
var errNoAccess = refusal("access is configured here and not at the worker; give both the same configuration")

// refusal is an error that trying again does not change.
func refusal(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), access.CodeRefused, nil)
}

// AccessKey answers the key that requests are sealed to.
func (a *Activities) AccessKey(context.Context, activities.AccessKeyInput) (*activities.AccessKeyResult, error) {
	if a.access == nil {
		return &activities.AccessKeyResult{}, nil
	}
	return &activities.AccessKeyResult{Public: a.access.Keys.Public()}, nil
}

// AskPermit verifies who asks for something, and whether they may. It answers a permit, or
// that a second person has to confirm it. Nothing of the token is in what it answers.
func (a *Activities) AskPermit(ctx context.Context, in activities.AskPermitInput) (*activities.AskPermitResult, error) {
	if a.access == nil {
		return nil, errNoAccess
	}
	result, err := a.permit(ctx, in.Sealed)
	if refused, ok := errors.AsType[*access.RefusedError](err); ok {
		return nil, refusal("%s", refused.Why)
	}
	return result, err
}

func (a *Activities) permit(ctx context.Context, sealed []byte) (*activities.AskPermitResult, error) {
	r, err := a.access.Keys.Open(sealed)
	if err != nil {
		return nil, err
	}
	operation, err := a.access.find(r)
	if err != nil {
		return nil, err
	}
	who, err := a.access.Verifier.Verify(ctx, r.Token)
	if err != nil {
		return nil, err
	}
	if err := access.May(who, operation); err != nil {
		return nil, err
	}
	until := r.At.Add(a.access.Config.RequestWithin + a.access.Config.ClockSkew)
	mine, err := a.ledger.UseOnce(ctx, r.Nonce, run.Execution(ctx), until.Add(a.access.Config.ClockSkew))
	if err != nil {
		return nil, err
	}
	if !mine {
		return nil, refusal("this request was made before; nothing was done, ask again")
	}
	what, err := access.What(r.Input)
	if err != nil {
		return nil, err
	}
	if a.access.Config.NeedsSecond(operation.FourEyes) {
		if operation.NamesNoRun {
			return nil, refusal("a second person has to confirm this, and the running backfill could be another one by then; name the run, which causeway status has")
		}
		waits, err := a.second(ctx, r, operation, who)
		if err != nil || waits != nil {
			return &activities.AskPermitResult{Waits: waits}, err
		}
	}
	if r.Name == access.Ask(activities.LogOperation) {
		until = a.access.now().Add(logKept)
	}
	permit, err := json.Marshal(a.access.Keys.Sign(access.Permit{
		Instance: r.Instance, Name: r.Name, Target: r.Target, What: what, Until: until.UTC(),
		Nonce:   access.NewNonce(), // not the request's: whoever asks chooses that one, and the log has this one in its ids
		Subject: who.Subject, By: who.String(), Role: who.Role,
	}))
	return &activities.AskPermitResult{Permit: permit}, err
}

// find is what a request is about, if it can be answered at all.
func (a *Access) find(r access.Request) (access.Operation, error) {
	operation, known := access.Find(r.Name, r.Input)
	early, late := a.now().Add(a.Config.ClockSkew).Before(r.At), a.now().After(r.At.Add(a.Config.RequestWithin+a.Config.ClockSkew))
	switch {
	case r.Instance != a.Instance:
		return operation, refusal("the request is for instance %q, and this is %q; nothing was done", r.Instance, a.Instance)
	case early || late:
		return operation, refusal("the request was made at %s, and it is %s here; it counts for %s (access.request_within): ask again, or set the clocks right",
			r.At.UTC().Format("15:04:05 UTC"), a.now().UTC().Format("15:04:05 UTC"), a.Config.RequestWithin)
	case !known:
		return operation, refusal("nobody may ask for %s; is the command of another version than the worker?", r.Name)
	}
	if a.ChangesMapping != nil && a.ChangesMapping(r) {
		operation.Name, operation.Role = operation.Name+", with another mapping than the worker's configuration has", access.Admin
	}
	return operation, nil
}

// second records that a request waits for a second person. It returns nil when one has
// confirmed it.
func (a *Activities) second(ctx context.Context, r access.Request, operation access.Operation, who access.Who) (*activities.SecondPerson, error) {
	now := a.access.now()
	what, err := access.Alike(r.Input)
	if err != nil {
		return nil, err
	}
	fresh := ledger.AccessRequest{
		ID: "ask-" + access.NewNonce()[:10], Name: r.Name, Operation: operation.Name, Role: int(operation.Role), Target: r.Target, What: what, Input: string(access.Shown(r.Input)),
		Subject: who.Subject, Who: who.String(), Asked: now, Until: now.Add(a.access.Config.FourEyesWithin),
		Nonce: r.Nonce + "/" + run.Execution(ctx), // whoever asks chooses the first, and could choose the same again
	}
	kept, err := a.ledger.AskSecond(ctx, fresh)
	if err != nil || kept.State == activities.SecondDone {
		return nil, err
	}
	if kept.ID == fresh.ID {
		err = a.logSecond(ctx, kept, activities.OpAskSecond, who)
	}
	waits := a.access.told(kept)
	return &waits, err
}

// ListRequests lists what waits for a second person.
func (a *Activities) ListRequests(ctx context.Context, in activities.RequestsInput) (*activities.RequestsResult, error) {
	if a.access == nil {
		return nil, errNoAccess
	}
	since := a.access.now()
	if in.All {
		since = time.Time{}
	}
	kept, err := a.ledger.AccessRequests(ctx, since)
	if err != nil {
		return nil, err
	}
	result := &activities.RequestsResult{Requests: []activities.SecondPerson{}}
	for _, r := range kept {
		if in.All || r.State == activities.SecondAsked || r.State == activities.SecondConfirmed {
			result.Requests = append(result.Requests, a.access.told(r))
		}
	}
	return result, nil
}

// DecideRequest confirms what somebody else asked for, or declines it. Whoever asked may
// only withdraw it.
func (a *Activities) DecideRequest(ctx context.Context, in activities.DecideInput) (*activities.DecideResult, error) {
	permit, verified := access.PermitOf(ctx)
	if a.access == nil || !verified {
		return nil, refusal("only somebody who is signed in decides about a request; a name that nobody verified does not count")
	}
	r, known, err := a.ledger.FindAccessRequest(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	operation := access.Operation{Name: r.Operation, Role: access.Role(r.Role)} // as it was when it was asked for
	state, what := activities.SecondDeclined, activities.OpDecline
	if in.Confirm {
		state, what = activities.SecondConfirmed, activities.OpConfirm
	}
	who := access.Who{Subject: permit.Subject, Role: permit.Role}
	switch {
	case !known:
		return nil, refusal("there is no request %q; causeway requests lists them", in.ID)
	case in.Confirm && r.Subject == permit.Subject:
		return nil, refusal("you asked for this yourself; somebody else has to confirm it")
	case r.Subject != permit.Subject:
		if err := access.May(who, operation); err != nil {
			return nil, refusal("%v", err)
		}
	}
	decided, err := a.ledger.DecideAccess(ctx, in.ID, state, permit.By)
	switch {
	case err != nil:
		return nil, err
	case !decided && (r.State != state || r.Decider != permit.By): // else it was this activity, tried again
		return nil, refusal("request %s is not open any more: it is %s", in.ID, a.access.told(r).State)
	}
	r.State, r.Decider = state, permit.By
	return &activities.DecideResult{Request: a.access.told(r)}, a.logSecond(ctx, r, what, access.Who{Subject: permit.Subject, Name: strings.TrimSuffix(permit.By, " <"+permit.Subject+">")})
}

// logSecond enters into the audit trail what became of a request.
func (a *Activities) logSecond(ctx context.Context, r ledger.AccessRequest, what string, who access.Who) error {
	_, err := run.Log(ctx, a.ledger, ledger.Operation{
		ID: r.ID + "/" + what, At: a.access.now(), By: who.String(), What: what, Flow: activities.FlowIngress,
		Detail: strings.TrimSpace(r.Operation + " " + r.Target + " " + r.Input + ", request " + r.ID + " of " + r.Who),
	})
	return err
}

// told is a request as people read of it.
func (a *Access) told(r ledger.AccessRequest) activities.SecondPerson {
	state := r.State
	if (state == activities.SecondAsked || state == activities.SecondConfirmed) && a.now().After(r.Until) {
		state = activities.SecondExpired
	}
	return activities.SecondPerson{
		ID: r.ID, Operation: r.Operation, Target: r.Target, Input: json.RawMessage(r.Input), By: r.Who, At: r.Asked, Until: r.Until, State: state, Decider: r.Decider,
	}
}
