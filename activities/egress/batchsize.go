package egress

import (
	"sync"
	"time"
)

const (
	firstRows = 10 // the vendor's starting point (docs/protocol/dynamics.md §5.5)
	// A request that takes longer than slowBatch delays what waits behind it, and costs
	// as much again if it fails. One that takes less than quickBatch could carry more.
	slowBatch  = 2 * time.Second
	quickBatch = slowBatch / 2
)

// batchSizer learns how many rows a request may carry: more while the service answers
// quickly, half as many when it is slow, refuses or fails. How many requests may be in
// flight is learnt by internal/transport.
type batchSizer struct {
	mu   sync.Mutex
	max  int
	rows float64
}

func newBatchSizer(most int) batchSizer {
	return batchSizer{max: most, rows: float64(min(firstRows, most))}
}

func (s *batchSizer) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(1, int(s.rows))
}

// answered learns from a request with n rows that was answered.
func (s *batchSizer) answered(n int, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case took > slowBatch:
		s.rows = max(1, min(s.rows, float64(n))/2)
	case took < quickBatch && float64(n) >= s.rows-1:
		s.rows = min(float64(s.max), s.rows+2)
	}
}

// failed learns from a request with n rows that failed as a whole.
func (s *batchSizer) failed(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = max(1, min(s.rows, float64(n))/2)
}
