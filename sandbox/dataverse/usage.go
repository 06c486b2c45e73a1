package dataverse

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// Usage is the cost of the requests, as the service would count it (§7).
type Usage struct {
	Requests   int64         // a batch and a bulk action count once
	Operations int64         // each row read or written by itself, inside batches and bulk actions too
	Execution  time.Duration // of all operations; the limit of 20 minutes is for this
	Throttled  int64         // requests answered with 429
	Widest     int64         // most requests open at once
}

type usage struct{ operations, execution, throttled, open, widest atomic.Int64 }

// Usage returns the counts since the start, or since the last ResetUsage.
func (s *Server) Usage() Usage {
	u := &s.used
	return Usage{s.calls.Load() - s.forgotten.Load(), u.operations.Load(), time.Duration(u.execution.Load()), u.throttled.Load(), u.widest.Load()}
}

// ResetUsage starts the count again; Requests goes on.
func (s *Server) ResetUsage() {
	s.forgotten.Store(s.calls.Load())
	for _, n := range []*atomic.Int64{&s.used.operations, &s.used.execution, &s.used.throttled, &s.used.widest} {
		n.Store(0)
	}
}

// enter counts a request as open until leave.
func (u *usage) enter() {
	open := u.open.Add(1)
	for {
		widest := u.widest.Load()
		if open <= widest || u.widest.CompareAndSwap(widest, open) {
			return
		}
	}
}

func (u *usage) leave() { u.open.Add(-1) }

// metered is the answer to a request, with the number of operations it took so far.
type metered struct {
	http.ResponseWriter
	operations int
}

// spend counts operations and waits as long as they take. For a batch this is done
// before it begins, so that nobody waits while tables are locked.
func (s *Server) spend(ctx context.Context, w http.ResponseWriter, operations int) {
	s.used.operations.Add(int64(operations))
	m, ok := w.(*metered)
	if !ok { // an action inside a batch
		return
	}
	m.operations += operations
	if d := time.Duration(operations) * s.o.OperationTime; d > 0 {
		pause(ctx, d)
	}
}

// cost is the execution time that a request is charged. It is OperationTime for each
// operation if that is set, else the time the request took.
func (s *Server) cost(m *metered, took time.Duration) time.Duration {
	if s.o.OperationTime > 0 {
		took = time.Duration(m.operations) * s.o.OperationTime
	}
	s.used.execution.Add(int64(took))
	return took
}

// pause waits. It returns false when the client went away.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
