package operator_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/operator/operatortest"
	"causeway.dev/workflows"
)

// silent is a Temporal whose flows run, and of which no worker answers for one before all
// were asked.
type silent struct {
	*operatortest.Temporal
	mu    sync.Mutex
	asked int
	of    int
	all   chan struct{}
}

func (s *silent) Query(ctx context.Context, _, _ string, _ any) error {
	s.mu.Lock()
	if s.asked++; s.asked == s.of {
		close(s.all)
	}
	s.mu.Unlock()
	select {
	case <-s.all:
	case <-ctx.Done():
	}
	return operator.ErrNoWorker
}

// wide is an instance with as many tables as one may have.
func wide(temporal operator.Temporal) *operator.Instance {
	tables := map[string]activities.Table{"contacts": {Name: "contacts"}}
	for n := range 20 {
		name := fmt.Sprintf("wide%02d", n)
		tables[name] = activities.Table{Name: name}
	}
	return operator.New(&config.Config{Instance: "acme", Ingress: config.Ingress{Tables: tables}}, temporal, operator.Options{
		File: "causeway.yaml", By: "ada", Timeout: time.Minute, Now: func() time.Time { return noon },
	})
}

// However many flows nobody answers for, the wait is that for one.
func TestAStatusWaitsOnceForWhoDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := &silent{Temporal: operatortest.New(), all: make(chan struct{})}
	i := wide(s)
	for _, name := range i.Flows() {
		s.On("Describe "+workflows.FlowNamed("acme", name).WorkflowID(), operator.Description{Running: true, State: "RUNNING"})
	}
	s.of = len(i.Flows())
	report, err := i.Status(t.Context(), "")
	require.NoError(t, err)
	select {
	case <-s.all:
	default:
		require.Fail(t, "they were asked one after the other", "%d of %d", s.asked, s.of)
	}
	require.False(t, report.Answered())
}

// When Temporal itself does not answer, no flow is asked: each of them would be waited for.
func TestAStatusWithoutTemporalAsksNobody(t *testing.T) {
	t.Parallel()
	fake := operatortest.New()
	fake.Lost = &operator.Error{Kind: operator.Unreachable, Text: "the Temporal server does not answer any more"}
	_, err := wide(fake).Status(t.Context(), "")
	require.Equal(t, operator.Unreachable, operator.KindOf(err))
	require.Empty(t, fake.Asked)
}
