package host

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/ledger"
)

// stepsOfForget answers ForgetStep from a list, then ends the run.
type stepsOfForget struct {
	answers []error // nil: there is more
	end     context.CancelFunc
}

func (s *stepsOfForget) ForgetStep(_ context.Context, optedOut func([]byte) bool, _ ledger.StillThere) (bool, error) {
	if optedOut([]byte(`{}`)) || len(s.answers) == 0 {
		return false, nil
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err == nil, err
}

func (s *stepsOfForget) Erasures(context.Context) (ledger.Erasures, error) {
	defer s.end()
	return ledger.Erasures{Waiting: make([]ledger.Erasing, 3)}, nil
}

// What fails is said, and tried again; who waits is counted.
func TestAWorkerForgets(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log bytes.Buffer
	scope := tally.NewTestScope("", nil)
	rests := 0
	f := &forgetter{ledger: &stepsOfForget{answers: []error{nil, errors.New("the file cannot be used"), nil}, end: cancel}, waiting: scope.Gauge("erasures_waiting"),
		logger: slog.New(slog.NewTextHandler(&log, nil)), sleep: func(_ context.Context, d time.Duration) {
			if d == forgetEvery {
				rests++
			}
		}}
	f.run(ctx)
	require.Contains(t, log.String(), "the file cannot be used")
	require.Equal(t, 1, rests)
	require.EqualValues(t, 3, scope.Snapshot().Gauges()["erasures_waiting+"].Value())
}
