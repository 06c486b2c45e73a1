package pages

import (
	"context"
	"fmt"
	"sync"
	"time"

	"causeway.dev/config"
	"causeway.dev/console/session"
	"causeway.dev/internal/operator"
)

const (
	connectWithin = 3 * time.Second            // Temporal answers at once or not at all
	askWithin     = 4 * time.Second            // one question of a page
	doWithin      = 20 * time.Second           // one request that was asked for
	stayAway      = 2 * time.Second            // after Temporal did not answer, before it is asked again
	pageWithin    = 4 * askWithin              // all of a page
	actWithin     = doWithin + connectWithin*2 // all of an action
	fileWithin    = 100 * time.Second          // all of a file; the server gives up writing after 2 minutes
)

// Instance is one Causeway instance that the console shows.
type Instance struct {
	Config *config.Config // as the console was started with; Filed is as it is now
	File   string         // that Config was read from
	// Dial connects to the instance's Temporal.
	Dial func(context.Context) (operator.Temporal, error)

	turn     chan struct{} // holds one token: who has it may connect
	temporal operator.Temporal
	failed   error
	tried    time.Time

	reading sync.Mutex // holds what follows
	filed   *config.Config
	files   []string // that filed was read from
	seen    string   // their traces
}

// Name is that of the configuration.
func (i *Instance) Name() string { return i.Config.Instance }

// connect gives the one connection of the instance, which mends itself once it stands.
func (i *Instance) connect(ctx context.Context) (operator.Temporal, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	select {
	case <-i.turn:
	case <-ctx.Done():
		return nil, &operator.Error{Kind: operator.Unreachable, Text: "Temporal has not answered yet"}
	}
	defer func() { i.turn <- struct{}{} }()
	switch {
	case i.temporal != nil:
		return i.temporal, nil
	case i.failed != nil && time.Since(i.tried) < stayAway:
		return nil, i.failed
	}
	i.temporal, i.failed = i.Dial(ctx)
	i.tried = time.Now()
	return i.temporal, i.failed
}

// as is the instance asked in the name of a session, with its token.
func (i *Instance) as(ctx context.Context, of *session.Session, within time.Duration, now func() time.Time) (*operator.Instance, error) {
	temporal, err := i.connect(ctx)
	if err != nil {
		return nil, err
	}
	return operator.New(i.Filed(), temporal, operator.Options{File: i.File, By: of.Who.By(), Timeout: within, Now: now, Token: func(context.Context) (string, error) { return of.Tokens.Token, nil }}), nil
}

// byName indexes instances, and refuses two of one name: their addresses would be the same.
func byName(instances []*Instance) (map[string]*Instance, error) {
	out := map[string]*Instance{}
	for _, i := range instances {
		if other := out[i.Name()]; other != nil {
			return nil, fmt.Errorf("%s and %s are both of the instance %q; each instance is shown once", other.File, i.File, i.Name())
		}
		i.turn = make(chan struct{}, 1)
		i.turn <- struct{}{}
		out[i.Name()] = i
	}
	return out, nil
}
