package run

import "sync"

// queue hands out groups of units in one round, and hands out again what is given back.
type queue[T any] struct {
	mu     sync.Mutex
	wake   *sync.Cond
	open   []*Unit[T]
	out    int // groups that were taken and not given back
	closed bool
}

func newQueue[T any](open []*Unit[T]) *queue[T] {
	q := &queue[T]{open: open}
	q.wake = sync.NewCond(&q.mu)
	return q
}

// take returns the next group of at most n units, or of fewer if one of them has a
// smaller maxGroup. It returns nil when there is no unit and none will come.
func (q *queue[T]) take(n int) []*Unit[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.open) == 0 && q.out > 0 && !q.closed {
		q.wake.Wait()
	}
	if len(q.open) == 0 || q.closed {
		return nil
	}
	size := 0
	for size < min(n, len(q.open)) {
		if most := q.open[size].maxGroup; most > 0 {
			if n = min(n, most); size >= n {
				break
			}
		}
		size++
	}
	group := q.open[:size:size]
	q.open = q.open[size:]
	q.out++
	return group
}

// give ends a group's turn; the units of again are handed out again.
func (q *queue[T]) give(again []*Unit[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(again) > 0 {
		q.open = append(again, q.open...)
	}
	q.out--
	if len(again) > 0 || q.out == 0 {
		q.wake.Broadcast()
	}
}

func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake.Broadcast()
}
