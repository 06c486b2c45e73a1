// Package notify tells a webhook what needs somebody. worker/host makes its activities,
// which the workflow Notify orders; what there is to tell comes from the rule of status.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/uber-go/tally/v4"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// Options are what the activities are made with.
type Options struct {
	Instance string
	Ledger   *ledger.Ledger
	// Causes are those that hold now. It fails when nobody can tell.
	Causes func(context.Context) (activities.CausesNow, error)
	// Address is the webhook's, as it is now; nil: nobody is told.
	Address  func() (string, error)
	Format   string // slack or json
	Client   *http.Client
	Every    time.Duration
	Rule     Rule
	LeaveOut []string // names of causes
	Metrics  tally.Scope
	Now      func() time.Time
	After    func(time.Duration) <-chan time.Time
}

// Activities holds the activities.
type Activities struct{ o Options }

// New makes the activities of one worker.
func New(o Options) *Activities {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	return &Activities{o: o}
}

// Register makes the activities known to a worker.
func (a *Activities) Register(r activities.Registry) {
	activities.Register(r, map[string]any{activities.NotifyLook: a.NotifyLook, activities.NotifySend: a.NotifySend, activities.NotifyTest: a.NotifyTest})
}

// NotifyLook looks again and again, until there is something to tell or its time is up. A
// worker that stops answers with what it has seen.
func (a *Activities) NotifyLook(ctx context.Context, in activities.NotifyLookInput) (*activities.NotifyLookResult, error) {
	out := &activities.NotifyLookResult{Seen: in.Seen, Every: a.o.Every}
	until := a.o.Now().Add(in.Until)
	for {
		if a.o.Address == nil {
			return &activities.NotifyLookResult{Off: true}, nil
		}
		found, err := a.o.Causes(ctx)
		if err != nil {
			return nil, fmt.Errorf("looking at what there is to tell: %w", err)
		}
		found.Causes = slices.DeleteFunc(found.Causes, func(c activities.Cause) bool { return slices.Contains(a.o.LeaveOut, c.Name) })
		now := a.o.Now().UTC()
		out.Seen, out.Tell = a.o.Rule.Judge(out.Seen, found, now)
		if len(out.Tell) > 0 || !now.Before(until) {
			return out, nil
		}
		activity.RecordHeartbeat(ctx)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-activity.GetWorkerStopChannel(ctx):
			return out, nil
		case <-a.o.After(a.o.Every):
		}
	}
}

// NotifySend sends one message, once: the workflow decides what follows, by whether it can
// have arrived.
func (a *Activities) NotifySend(ctx context.Context, in activities.NotifySendInput) error {
	if a.o.Address == nil {
		return temporal.NewNonRetryableApplicationError("notify.webhook is not set any more", activities.NotSent, nil)
	}
	arrived, err := a.send(ctx, in.Notices)
	a.keep(ctx, err)
	if err != nil && !arrived {
		return temporal.NewNonRetryableApplicationError(err.Error(), activities.NotSent, nil)
	}
	return err
}

// NotifyTest sends a trial message.
func (a *Activities) NotifyTest(ctx context.Context, _ activities.NotifyTestInput) (*activities.NotifyTestResult, error) {
	if a.o.Address == nil {
		return &activities.NotifyTestResult{Off: true}, nil
	}
	_, err := a.send(ctx, []activities.Notice{{State: activities.NoticeTrial, Cause: activities.Cause{Text: "a trial: messages of this instance arrive here"}}})
	a.keep(ctx, err)
	if err != nil {
		return &activities.NotifyTestResult{Problem: err.Error()}, nil
	}
	return &activities.NotifyTestResult{Sent: true}, nil
}

// kept names how the last message went, in the ledger.
const kept = "notify"

// keep keeps that for status. That it cannot be kept loses no message.
func (a *Activities) keep(ctx context.Context, failure error) {
	state := activities.NotifyState{At: a.o.Now().UTC()}
	outcome := "sent"
	if failure != nil {
		state.Problem, outcome = failure.Error(), "failed"
	}
	if a.o.Metrics != nil {
		a.o.Metrics.Tagged(map[string]string{"outcome": outcome}).Counter("notify_messages").Inc(1)
	}
	if doc, err := json.Marshal(state); err == nil {
		_ = a.o.Ledger.SaveFact(context.WithoutCancel(ctx), kept, string(doc))
	}
}

// Last is how the last message went; nil when none was sent.
func Last(ctx context.Context, l *ledger.Ledger) (*activities.NotifyState, error) {
	doc, err := l.Fact(ctx, kept)
	if err != nil || doc == "" {
		return nil, err
	}
	out := &activities.NotifyState{}
	return out, json.Unmarshal([]byte(doc), out)
}

var errPage = errors.New("it answered with a page, as a sign-in or a proxy does; the message may not have arrived")
