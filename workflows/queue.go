package workflows

import (
	"slices"

	"causeway.dev/activities"
)

// RequestKind is what a request in the queue of a flow asks for.
type RequestKind string

const (
	RequestRollback RequestKind = "rollback" // undo a run
	RequestRepair   RequestKind = "repair"   // put right what an audit found
	RequestStrays   RequestKind = "strays"   // delete what nobody remembers
	RequestBackfill RequestKind = "backfill" // read records again
	RequestRelease  RequestKind = "release"  // try quarantined records again
)

// maxQueued is how many requests of one kind may wait.
const maxQueued = 20

// Request waits for its turn in the queue of a flow, because one run at a time
// writes. Requests of one kind are carried out in the order they came. Among the
// kinds, step decides: a rollback first, then a repair, strays, a backfill, a release.
type Request struct {
	Kind RequestKind `json:"kind"`
	// Run is the run that carries the request out; of a rollback the run that it
	// undoes, of a repair the audit.
	Run     string              `json:"run"`
	By      string              `json:"by,omitempty"`
	Window  activities.Window   `json:"window,omitzero"`   // of a backfill
	Release *activities.Release `json:"release,omitempty"` // of a release: what it tries
	IDs     []string            `json:"ids,omitempty"`     // of strays
	Load    ByFile              `json:"load,omitzero"`     // of a backfill
	Begun   bool                `json:"begun,omitempty"`   // a backfill that was stopped, and goes on
	Memory  PassMemory          `json:"memory,omitzero"`   // by then
}

// QueuedRequest is what Status shows of a request: not what it selects, which may
// be a thousand ids.
type QueuedRequest struct {
	Kind  RequestKind `json:"kind"`
	Run   string      `json:"run"`
	By    string      `json:"by,omitempty"`
	Begun bool        `json:"begun,omitempty"`
}

// Queued are the runs of the requests of one kind that wait, in their order.
func (s Status) Queued(kind RequestKind) []string {
	var runs []string
	for _, r := range s.Queue {
		if r.Kind == kind {
			runs = append(runs, r.Run)
		}
	}
	return runs
}

// setQueue changes the queue, in the state and in the status.
func (o *owner) setQueue(q []Request) {
	o.Queue, o.Status.Queue = q, nil
	for _, r := range q {
		o.Status.Queue = append(o.Status.Queue, QueuedRequest{Kind: r.Kind, Run: r.Run, By: r.By, Begun: r.Begun})
	}
}

// enqueue lets a request wait behind the others.
func (o *owner) enqueue(r Request) { o.setQueue(append(slices.Clone(o.Queue), r)) }

// putBack lets a request that was stopped go on before the others.
func (o *owner) putBack(r Request) { o.setQueue(append([]Request{r}, o.Queue...)) }

// dequeue takes a request out of the queue; it does nothing when there is none.
func (o *owner) dequeue(kind RequestKind, run string) {
	if i := o.find(kind, run); i >= 0 {
		o.setQueue(slices.Delete(slices.Clone(o.Queue), i, i+1))
	}
}

func (o *owner) find(kind RequestKind, run string) int {
	return slices.IndexFunc(o.Queue, func(r Request) bool { return r.Kind == kind && r.Run == run })
}

// queued is the request of this kind and run, and whether there is one.
func (o *owner) queued(kind RequestKind, run string) (Request, bool) {
	if i := o.find(kind, run); i >= 0 {
		return o.Queue[i], true
	}
	return Request{}, false
}

// first is the request of this kind whose turn it is, and whether there is one.
func (o *owner) first(kind RequestKind) (Request, bool) {
	for _, r := range o.Queue {
		if r.Kind == kind {
			return r, true
		}
	}
	return Request{}, false
}

func (o *owner) isQueued(kind RequestKind) bool {
	_, ok := o.first(kind)
	return ok
}

// countQueued is how many requests of this kind wait.
func (o *owner) countQueued(kind RequestKind) int { return len(o.Status.Queued(kind)) }
