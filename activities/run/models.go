package run

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/uber-go/tally/v4"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// modelsAgain is the pause after a look at the data models that came to nothing.
const modelsAgain = 10 * time.Minute

// modelsForgotten is how long after the next look is due the last one is shown.
const modelsForgotten = time.Hour

// ModelWatch looks whether the data models of both systems still fit what a flow goes by,
// once in a while and while the flow waits for work. A start makes the same check; nobody
// starts a flow that runs for months.
type ModelWatch struct {
	every  time.Duration
	ledger *ledger.Ledger
	scope  tally.Scope
	logger *slog.Logger

	mu    sync.Mutex
	looks map[string]modelLook // by flow or table
}

// modelLook is what was last found.
type modelLook struct {
	plan    string
	next    time.Time
	changes []string
}

// NewModelWatch makes the watch of the flows of one kind; every 0 looks at starts only.
func NewModelWatch(every time.Duration, l *ledger.Ledger, scope tally.Scope, logger *slog.Logger) *ModelWatch {
	return &ModelWatch{every: every, ledger: l, scope: scope, logger: logger, looks: map[string]modelLook{}}
}

// Show sets the gauge of a flow to what the worker found that looked last.
func (w *ModelWatch) Show(ctx context.Context, flow string) error { return w.told(flow).Show(ctx) }

func (w *ModelWatch) told(flow string) *Told {
	return &Told{Ledger: w.ledger, Logger: w.logger, Name: "models/" + flow, Gauge: w.scope.Tagged(map[string]string{"flow": flow}).Gauge("model_changes")}
}

// tell keeps what a look found. When the next one is long due, it says nothing any more.
func (w *ModelWatch) tell(ctx context.Context, flow string, look modelLook) {
	if len(look.changes) == 0 {
		w.told(flow).Tell(ctx, 0)
		return
	}
	w.told(flow).TellUntil(ctx, float64(len(look.changes)), look.next.Add(modelsForgotten))
}

// Checked notes that a start has just checked a flow, which goes by that plan from now on.
func (w *ModelWatch) Checked(ctx context.Context, flow, plan string) {
	look := modelLook{plan: plan, next: time.Now().Add(w.every)}
	w.mu.Lock()
	w.looks[flow] = look
	w.mu.Unlock()
	w.tell(ctx, flow, look)
}

// Look has compare find what changed, when it is time. It returns nil when it was not.
// news says that something is new, which a wait is to be ended for. What does not fit any
// more fails the flow, before a record does. When the models cannot be read now, or may
// not be, the flow goes on: work tells what is the matter.
func (w *ModelWatch) Look(ctx context.Context, flow, plan string, compare func() ([]string, error)) (found *activities.ModelChanges, news bool, err error) {
	w.mu.Lock()
	last := w.looks[flow]
	w.mu.Unlock()
	if w.every <= 0 || last.plan == plan && time.Now().Before(last.next) {
		return nil, false, nil
	}
	changes, err := compare()
	next := modelLook{plan: plan, next: time.Now().Add(w.every), changes: changes}
	if err != nil {
		app, ours := errors.AsType[*temporal.ApplicationError](err)
		switch {
		case ctx.Err() != nil:
			return nil, false, nil // the wait notices
		case ours && app.NonRetryable() && (app.Type() == "Mapping" || app.Type() == "Settings"):
			// The start that is tried afterwards says the same until somebody has mended it.
			return nil, false, Blocked(apierr.ReasonSchema, "the data models changed while it ran: "+app.Message())
		}
		w.logger.Info("whether the data models still fit could not be found out", "flow", flow, "error", err)
		if next = last; next.plan != plan {
			next = modelLook{plan: plan}
		}
		next.next = time.Now().Add(min(modelsAgain, w.every))
	}
	w.mu.Lock()
	w.looks[flow] = next
	w.mu.Unlock()
	if err != nil {
		return nil, false, nil
	}
	w.tell(ctx, flow, next)
	known := last.changes
	if last.plan != plan {
		known = nil
	}
	return &activities.ModelChanges{Changes: changes}, !slices.Equal(known, changes), nil
}
