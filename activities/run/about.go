package run

import (
	"context"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

// About is a context whose calls are about the record that these JSON documents describe.
// A service may echo what it holds in the text of an error, whatever was sent: clients
// leave the texts and numbers in the documents out of what they report.
func About(ctx context.Context, docs ...[]byte) context.Context {
	return apierr.WithValues(ctx, func() (out []string) {
		for _, doc := range docs {
			out = append(out, transport.Values(doc)...)
		}
		return out
	})
}

// about is a context for the calls about the units of a group.
func (a *Attempt[T]) about(ctx context.Context, group []*Unit[T]) context.Context {
	var docs [][]byte
	for _, u := range group {
		for _, i := range u.Entries {
			docs = append(docs, a.Lane.Entries[i].Raw)
		}
	}
	return About(ctx, docs...)
}
