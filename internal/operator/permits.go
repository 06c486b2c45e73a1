package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/access"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// permitted is a Temporal of which every request carries a permit, which a worker grants
// to whoever is signed in and may make it. What Temporal answers by itself, such as the
// status of a flow, needs none.
type permitted struct {
	Temporal
	config *config.Config
	token  func(context.Context) (string, error)
	now    func() time.Time

	mu     sync.Mutex
	public []byte // key of the workers
}

// withPermits asks for permits where the configuration has access.
func withPermits(cfg *config.Config, t Temporal, o Options) Temporal {
	if !cfg.Access.Configured() {
		return t
	}
	return &permitted{Temporal: t, config: cfg, token: o.Token, now: o.Now}
}

// permit asks a worker to permit a request. The context that it returns carries the permit.
func (p *permitted) permit(ctx context.Context, name, target string, input any) (context.Context, error) {
	token := ""
	var err error
	if p.token != nil {
		token, err = p.token(ctx)
		if _, ours := errors.AsType[*Error](err); ours {
			return ctx, err
		}
		if err != nil {
			return ctx, badInput("%v", err)
		}
	}
	if token == "" {
		return ctx, badInput("you are not signed in, and this instance asks who you are; sign in with: causeway login")
	}
	public, err := p.key(ctx)
	if err != nil {
		return ctx, err
	}
	request := access.Request{Token: token, Instance: p.config.Instance, Name: name, Target: target, Nonce: access.NewNonce(), At: p.now().UTC()}
	if request.Input, err = json.Marshal(input); err != nil {
		return ctx, failed("%v", err)
	}
	sealed, err := access.Seal(request, public)
	if err != nil {
		return ctx, failed("%v", err)
	}
	var answer activities.AskPermitResult
	if err := p.Temporal.Run(ctx, activities.AskPermit, activities.AskPermitInput{Sealed: sealed}, &answer); err != nil {
		return ctx, err
	}
	if w := answer.Waits; w != nil {
		return ctx, failed("%s", waitsForSecond(p.now(), *w))
	}
	var permit access.Permit
	if err := json.Unmarshal(answer.Permit, &permit); err != nil {
		return ctx, failed("the permit of the worker cannot be read: %v", err)
	}
	return access.WithPermit(ctx, permit), nil
}

// waitsForSecond says that nothing was done yet, and what has to happen.
func waitsForSecond(now time.Time, w activities.SecondPerson) string {
	return fmt.Sprintf("nothing was done yet: %q waits for a second person until %s, as request %s; somebody else who may do it runs: causeway requests confirm %s; then run this command again",
		w.Operation, phrase.Clock(now, w.Until), w.ID, w.ID)
}

// key is the workers' public key.
func (p *permitted) key(ctx context.Context) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.public != nil {
		return p.public, nil
	}
	var answer activities.AccessKeyResult
	if err := p.Temporal.Run(ctx, activities.AccessKey, activities.AccessKeyInput{}, &answer); err != nil {
		return nil, err
	}
	if len(answer.Public) == 0 {
		return nil, badInput("access is configured here and not at the worker; give both the same configuration")
	}
	p.public = answer.Public
	return p.public, nil
}

func (p *permitted) Start(ctx context.Context, flow workflows.FlowID, summary string, request workflows.StartRequest) (workflows.Status, error) {
	ctx, err := p.permit(ctx, access.Update(workflows.UpdateStart), flow.WorkflowID(), request)
	if err != nil {
		return workflows.Status{}, err
	}
	return p.Temporal.Start(ctx, flow, summary, request)
}

func (p *permitted) Begin(ctx context.Context, workflowID, workflowType, summary string, found temporal.SearchAttributes, input any) (bool, error) {
	ctx, err := p.permit(ctx, access.Begin(workflowType), workflowID, input)
	if err != nil {
		return false, err
	}
	return p.Temporal.Begin(ctx, workflowID, workflowType, summary, found, input)
}

func (p *permitted) Update(ctx context.Context, workflowID, name string, request, answer any) error {
	// A flow that was never started has nobody who could be asked.
	if d, err := p.Temporal.Describe(ctx, workflowID); errors.Is(err, ErrNotFound) || err == nil && !d.Running {
		return ErrNotFound
	}
	ctx, err := p.permit(ctx, access.Update(name), workflowID, request)
	if err != nil {
		return err
	}
	return p.Temporal.Update(ctx, workflowID, name, request, answer)
}

func (p *permitted) Run(ctx context.Context, activity string, input, result any) error {
	ctx, err := p.permit(ctx, access.Ask(activity), "", input)
	if err != nil {
		return err
	}
	return p.Temporal.Run(ctx, activity, input, result)
}

func (p *permitted) Later(ctx context.Context, activity string, input any) error {
	ctx, err := p.permit(ctx, access.Ask(activity), "", input)
	if err != nil {
		return err
	}
	return p.Temporal.Later(ctx, activity, input)
}

func (p *permitted) Cancel(ctx context.Context, workflowID string) error {
	if _, err := p.permit(ctx, access.CancelRun, workflowID, nil); err != nil {
		return err
	}
	return p.Temporal.Cancel(ctx, workflowID)
}

func (p *permitted) Reset(ctx context.Context, workflowID, runID string, event int64, reason string) (string, error) {
	if _, err := p.permit(ctx, access.ResetRun, workflowID, map[string]any{"run": runID, "event": event}); err != nil {
		return "", err
	}
	return p.Temporal.Reset(ctx, workflowID, runID, event, reason)
}
