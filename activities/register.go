package activities

import (
	"go.temporal.io/sdk/activity"
)

// Registry is what activities are registered with: a worker, or a test environment.
type Registry interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// Register makes functions known under the names that histories carry.
func Register(r Registry, functions map[string]any) {
	for name, f := range functions {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}
