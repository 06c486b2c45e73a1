package apierr

import (
	"context"
	"slices"
)

type valuesKey struct{}

// WithValues is a context whose calls are about a record with these values: clients mask
// them in what a service says, also where they were not sent. values is called only when
// a call fails. It adds to what ctx has.
func WithValues(ctx context.Context, values func() []string) context.Context {
	before, _ := ctx.Value(valuesKey{}).(func() []string)
	if before == nil {
		return context.WithValue(ctx, valuesKey{}, values)
	}
	return context.WithValue(ctx, valuesKey{}, func() []string { return slices.Concat(before(), values()) })
}

// ValuesOf are the values that WithValues was given.
func ValuesOf(ctx context.Context) []string {
	if values, ok := ctx.Value(valuesKey{}).(func() []string); ok {
		return values()
	}
	return nil
}
