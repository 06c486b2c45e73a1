// Package operator is what an operator can do with a Causeway instance, with one method
// for each thing. The commands of the starter call it, and so does the web console. It
// knows Temporal, and neither terminals nor pages, and holds no rule of the sync.
package operator

import (
	"context"
	"maps"
	"slices"
	"time"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/workflows"
)

// Instance is a Causeway instance as an operator addresses it: its configuration,
// and the Temporal server that its flows live in. Its errors are *Error.
type Instance struct {
	Config   *config.Config
	temporal Temporal
	Options
}

// Options are how an Instance asks.
type Options struct {
	File    string        // that the configuration was read from, for sentences about it
	By      string        // who asks, for the audit trail; without access it is what they say
	Timeout time.Duration // for one answer; following goes on for longer

	// Token is that of whoever is signed in, "" when nobody is. It is asked for where the
	// configuration has access.
	Token func(context.Context) (string, error)

	// Say is told, in a sentence, what is waited for or left out; nil: nobody is.
	Say func(sentence string)

	// The rest is for tests; nil is the real thing.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error // ctx.Err() when cut short
	After func(context.Context, time.Duration, func(context.Context)) (stop func())
}

// New makes an instance whose flows are asked through t. Close closes t.
func New(cfg *config.Config, t Temporal, o Options) *Instance {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.After == nil {
		o.After = callAfter
	}
	return &Instance{Config: cfg, temporal: withPermits(cfg, t, o), Options: o}
}

// Close ends the connection.
func (i *Instance) Close() { i.temporal.Close() }

// Tables are the names of the table mappings.
func (i *Instance) Tables() []string { return slices.Sorted(maps.Keys(i.Config.Ingress.Tables)) }

// Flows are the flows of the configuration: tables, then egress where a type of
// event is switched on, and optout where its mode calls for it.
func (i *Instance) Flows() []string { return i.withOtherFlows(i.Tables()) }

// ParentsFirst are Flows in the order to start them in.
func (i *Instance) ParentsFirst() []string { return i.withOtherFlows(i.Config.ParentsFirst()) }

// withOtherFlows adds the flows of events and opt-outs to names, where they are in use.
func (i *Instance) withOtherFlows(names []string) []string {
	for _, name := range []string{activities.FlowEgress, activities.FlowOptOut} {
		if _, ok := i.flow(name).configured(); ok {
			names = append(names, name)
		}
	}
	return names
}

// IsTable says whether a name is that of a table mapping.
func (i *Instance) IsTable(name string) bool {
	_, ok := i.Config.Ingress.Tables[name]
	return ok
}

// Known fails with the flows that there are when name is none of them. Egress and optout
// are known also when they are switched off.
func (i *Instance) Known(name string) error {
	if workflows.FlowNamed("", name).IsTable() && !i.IsTable(name) {
		return i.unknownTable(name)
	}
	return nil
}

// table is the mapping of a name.
func (i *Instance) table(name string) (activities.Table, error) {
	t, ok := i.Config.Ingress.Tables[name]
	if !ok {
		return t, i.unknownTable(name)
	}
	return t, nil
}

// sleep pauses for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// callAfter calls f when a time has passed, unless it is stopped before. Once stop
// has returned, f is not running.
func callAfter(ctx context.Context, d time.Duration, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if sleep(ctx, d) == nil {
			f(ctx)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
