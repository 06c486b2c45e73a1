package transport

import (
	"log/slog"
	"sync"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/apierr"
)

// Watch tells of services that answer oddly, while it lasts: to the metrics, of each
// service since when, and to the log, once, what was answered. The clients of a process
// share one. A nil Watch tells nobody.
type Watch struct {
	scope  tally.Scope
	logger *slog.Logger

	mu  sync.Mutex
	odd map[string]map[string]oddAnswers // service -> operation
}

// NewWatch returns a Watch over services. Each has its gauge from the beginning, at 0.
func NewWatch(scope tally.Scope, logger *slog.Logger, services ...string) *Watch {
	w := &Watch{scope: scope, logger: logger, odd: map[string]map[string]oddAnswers{}}
	for _, s := range services {
		w.show(s)
	}
	return w
}

// note tells of an odd answer to an operation.
func (w *Watch) note(service, op string, seen oddAnswers, answer string) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.odd[service]) == 0 {
		w.odd[service] = map[string]oddAnswers{}
		w.logger.Warn("a service answers as nobody expects; if this lasts, flows fail, and try again by themselves", "service", service, "op", op, "error", apierr.Plain(answer))
	}
	w.odd[service][op] = seen
	w.show(service)
}

// end tells that an operation got a good answer.
func (w *Watch) end(service, op string) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(service, op)
}

func (w *Watch) forget(service, op string) {
	if _, ok := w.odd[service][op]; !ok {
		return
	}
	if delete(w.odd[service], op); len(w.odd[service]) == 0 {
		w.logger.Info("a service answers as it should again", "service", service)
	}
	w.show(service)
}

// Refresh forgets answers that are so old that they say nothing any more. It is to be
// called every minute or so.
func (w *Watch) Refresh() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for service, ops := range w.odd {
		for op, seen := range ops {
			if time.Since(seen.last) > forgotten {
				w.forget(service, op)
			}
		}
	}
}

// Odd are the services that answer oddly, and since when.
func (w *Watch) Odd() map[string]time.Time {
	out := map[string]time.Time{}
	if w == nil {
		return out
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for service := range w.odd {
		if since := w.since(service); !since.IsZero() {
			out[service] = since
		}
	}
	return out
}

// since is the time from which a service answers oddly; zero when it does not.
func (w *Watch) since(service string) (since time.Time) {
	for _, seen := range w.odd[service] {
		if since.IsZero() || seen.first.Before(since) {
			since = seen.first
		}
	}
	return since
}

// show sets the gauge of a service: since when it answers oddly; 0 when it does not.
func (w *Watch) show(service string) {
	since := w.since(service)
	value := 0.0
	if !since.IsZero() {
		value = float64(since.Unix())
	}
	w.scope.Tagged(map[string]string{"service": service}).Gauge("odd_answers_since_timestamp_seconds").Update(value)
}
