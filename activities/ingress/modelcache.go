package ingress

import (
	"sync"
	"time"
)

const (
	keepModels = 10 * time.Minute // a description that a person looks at; a start and a plan read their own
	mostModels = 200
)

// modelCache keeps what was read of the data models for people who look at mappings, so that
// a page does not cost ten requests to Dynamics each time. Nothing is written by it.
type modelCache struct {
	mu   sync.Mutex
	kept map[string]keptModel
}

type keptModel struct {
	what any
	at   time.Time
}

// modelOf is what was read under a name, and when. It is read when it is old, and with fresh.
// A failure is not kept.
func modelOf[T any](c *modelCache, name string, fresh bool, now func() time.Time, read func() (T, error)) (T, time.Time, error) {
	c.mu.Lock()
	k, ok := c.kept[name]
	c.mu.Unlock()
	if ok && !fresh && now().Sub(k.at) < keepModels {
		return k.what.(T), k.at, nil
	}
	at := now()
	got, err := read()
	if err != nil {
		return got, at, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil || len(c.kept) >= mostModels {
		c.kept = map[string]keptModel{}
	}
	c.kept[name] = keptModel{got, at}
	return got, at, nil
}
