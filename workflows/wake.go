package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// wakeEvery is the least time that a look has before a Wake asks for another one, so
// that a stream of them does not keep the owner from ever reading to the end.
const wakeEvery = 5 * time.Second

// receiveWakes receives Wake signals for the life of the workflow.
func (o *owner) receiveWakes(ctx workflow.Context) {
	o.wakes = workflow.GetSignalChannel(ctx, SignalWake)
	workflow.GoNamed(ctx, "wake", func(ctx workflow.Context) {
		for {
			if more := o.wakes.Receive(ctx, nil); !more {
				return
			}
			o.self.lookEverywhere()
			if rest := wakeEvery - workflow.Now(ctx).Sub(o.idleSince); o.idle && rest > 0 {
				timer := workflow.NewTimerWithOptions(ctx, rest, workflow.TimerOptions{Summary: "until the source is looked at again"})
				if timer.Get(ctx, nil) != nil {
					return
				}
			}
			o.drainWakes()
			if o.idle { // a pass at work is not disturbed: the wait behind it looks at once
				o.endWait()
			}
		}
	})
}

// drainWakes takes those that came meanwhile: one look answers all.
func (o *owner) drainWakes() {
	for o.wakes.ReceiveAsync(nil) {
		o.self.lookEverywhere()
	}
}

// waitForWork is waitFor where the wait is for changes at the source: a Wake ends it.
func (o *owner) waitForWork(ctx workflow.Context, wait func(workflow.Context) error) (wanted bool, err error) {
	o.idle, o.idleSince = true, workflow.Now(ctx)
	defer func() { o.idle = false }()
	return o.waitFor(ctx, wait)
}
