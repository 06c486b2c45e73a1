package run

import (
	"context"
	"encoding/json"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/internal/ledger"
)

// PushTrust says whether a flow can rely on being told of changes. The ledger keeps it.
type PushTrust struct {
	// Useful is when a push was last followed by its change.
	Useful time.Time `json:"useful,omitzero"`
	// Missed is when a change was last found that no push had told of.
	Missed time.Time `json:"missed,omitzero"`
}

// Earned is true when the last change that was found had been told.
func (t PushTrust) Earned() bool { return t.Useful.After(t.Missed) }

// factTrust names the PushTrust of a flow.
func factTrust(flow string) string { return "push trust " + flow }

// PushTrustOf reads what the ledger keeps of a flow.
func PushTrustOf(ctx context.Context, l *ledger.Ledger, flow string) (t PushTrust, err error) {
	text, err := l.Fact(ctx, factTrust(flow))
	if err != nil || text == "" {
		return t, err
	}
	if json.Unmarshal([]byte(text), &t) != nil { // it is earned again
		return PushTrust{}, nil
	}
	return t, nil
}

// usefulEvery is how often it is kept that pushes go on being useful.
const usefulEvery = time.Minute

// Hearing says when a wait is to look at its source: at set intervals, and sooner when it was
// told. It is for one goroutine.
type Hearing struct {
	p     *Pushes // nil: nobody tells
	flow  string
	poll  time.Duration // between looks, as long as pushes cannot be relied on
	now   func() time.Time
	trust PushTrust
	kept  PushTrust

	asked  time.Time // the last look began then
	since  time.Time // … and the last that went well
	told   bool      // the look in hand was told of
	soon   bool      // the last look is to be made again soon
	vainly uint      // looks in a row that were told of and found nothing
}

// Listen begins a wait of a flow. obtained is up to when the source is known.
func (p *Pushes) Listen(ctx context.Context, flow string, poll time.Duration, obtained time.Time) (*Hearing, error) {
	h := &Hearing{p: p, flow: flow, poll: poll, now: time.Now, since: obtained}
	if p == nil {
		return h, nil
	}
	last, err := p.o.Ledger.LastPush(ctx, flow)
	if err != nil {
		return nil, err
	}
	p.tell(flow, last)
	if h.trust, err = PushTrustOf(ctx, p.o.Ledger, flow); err != nil {
		return nil, err
	}
	h.kept = h.trust
	p.mu.Lock()
	defer p.mu.Unlock()
	if looked := p.of(flow).looked; looked.After(h.since) || !looked.IsZero() && h.since.Sub(looked) < poll {
		h.since = looked // of this process, which is exact
	}
	return h, nil
}

// last is the newest push, with what closes at the next one.
func (h *Hearing) last() (time.Time, <-chan struct{}) {
	if h.p == nil {
		return time.Time{}, nil
	}
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	f := h.p.of(h.flow)
	return f.last, f.news
}

// Wait is how long it is until the next look; news ends it before.
func (h *Hearing) Wait() (rest time.Duration, news <-chan struct{}) {
	last, news := h.last()
	if h.asked.IsZero() {
		return 0, news
	}
	every := h.poll
	if h.p != nil && h.trust.Earned() && !h.soon {
		every = max(h.poll, h.p.o.Poll)
	}
	if last.After(h.asked) {
		every = min(every, h.pause())
	}
	return h.asked.Add(every).Sub(h.now()), news
}

// pause is the least time between two looks. When one after the other finds nothing it
// grows, so that calls that are repeated or forged cost no more than asking as usual.
func (h *Hearing) pause() time.Duration {
	return min(h.p.o.Every<<min(h.vainly, 10), max(h.poll, h.p.o.Every))
}

// Due says that the source is to be looked at.
func (h *Hearing) Due() bool {
	rest, _ := h.Wait()
	return rest <= 0
}

// Begin begins a look.
func (h *Hearing) Begin() {
	last, _ := h.last()
	h.asked, h.told = h.now(), last.After(h.since)
}

// Failed ends a look that did not go well: it is made again soon.
func (h *Hearing) Failed() { h.soon = true }

// End ends a look that went well. found says that the source had changed.
func (h *Hearing) End(ctx context.Context, found bool) {
	if h.p == nil {
		return
	}
	last, _ := h.last()
	h.since = h.asked
	h.p.mu.Lock()
	h.p.of(h.flow).looked = h.asked
	h.p.mu.Unlock()
	// A push of a step that runs inside the transaction comes before its change can be
	// read, so a look that found nothing is made again once.
	h.soon = h.told && !found
	switch {
	case found && h.told:
		h.trust.Useful, h.vainly = h.asked, 0
	case found:
		h.trust.Missed, h.vainly = h.asked, 0
	case h.told:
		h.vainly++
		if late := last.Sub(h.trust.Missed); !h.trust.Missed.IsZero() && late > 0 && late <= h.p.o.Late {
			h.trust.Useful = last // it tells of what was found just before
		}
	}
	h.keep(ctx)
}

// keep keeps the trust when it has changed, and now and then.
func (h *Hearing) keep(ctx context.Context) {
	earned := 0.0
	if h.trust.Earned() {
		earned = 1
	}
	h.p.o.Metrics.Tagged(map[string]string{"flow": h.flow}).Gauge("flow_pushed").Update(earned)
	if h.trust == h.kept || h.trust.Earned() == h.kept.Earned() && h.trust.Useful.Sub(h.kept.Useful) < usefulEvery && h.trust.Missed.Sub(h.kept.Missed) < usefulEvery {
		return
	}
	text, err := json.Marshal(h.trust)
	if err == nil {
		err = h.p.o.Ledger.SaveFact(ctx, factTrust(h.flow), string(text))
	}
	if err != nil {
		if ctx.Err() == nil {
			h.p.o.Logger.WarnContext(ctx, "whether a flow is told of changes could not be kept", "flow", h.flow, "error", err)
		}
		return
	}
	h.kept = h.trust
}

// Sleep waits until the next look, at most for the poll interval, so that what waits in the
// ledger is looked at as always. It is false when the wait is to end. beat is called every
// second; it may be nil.
func (h *Hearing) Sleep(ctx context.Context, beat func()) bool {
	over := time.NewTimer(h.poll)
	defer over.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		rest, news := h.Wait()
		due := time.NewTimer(max(0, rest))
		select {
		case <-over.C:
			due.Stop()
			return true
		case <-due.C:
			return true
		case <-news:
		case <-tick.C:
			if beat != nil {
				beat()
			}
		case <-activity.GetWorkerStopChannel(ctx):
			due.Stop()
			return false
		case <-ctx.Done():
			due.Stop()
			return false
		}
		due.Stop()
	}
}
