package transport

import "context"

// Meter is told what becomes of the requests of one call. Who pays for requests
// counts them so: a call that waits for a token, for the gate or for its turn sends
// nothing.
type Meter interface {
	// Sent: a request leaves, with a connection in hand.
	Sent()
	// NotServed: the request that was told last did not reach the service after all.
	// The fence held it back at the last moment, or the gateway refused its token.
	NotServed()
}

type meterKey struct{}

// WithMeter has m told of the requests of calls made with the context.
func WithMeter(ctx context.Context, m Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

func meterOf(ctx context.Context) Meter {
	if m, ok := ctx.Value(meterKey{}).(Meter); ok {
		return m
	}
	return noMeter{}
}

type noMeter struct{}

func (noMeter) Sent()      {}
func (noMeter) NotServed() {}
