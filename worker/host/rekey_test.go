package host

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
)

// stepsOfRekey answers RekeyStep from a list, then ends the run.
type stepsOfRekey struct {
	answers []error // nil: there is more
	end     context.CancelFunc
}

func (s *stepsOfRekey) RekeyStep(context.Context) (bool, error) {
	if len(s.answers) == 0 {
		s.end()
		return false, nil
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err == nil, err
}

// What fails is tried again; a key that is missing ends the worker, because it would write
// what is not sealed.
func TestAWorkerSealsTheLedgerAnew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []error
		rests   int // of rekeyEvery
		ends    bool
	}{
		"steps":         {[]error{nil, nil, nil}, 0, false},
		"a failure":     {[]error{nil, errors.New("busy"), nil}, 1, false},
		"a missing key": {[]error{nil, &ledger.MissingKeyError{ID: "ab"}, nil}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var log bytes.Buffer
			rests := 0
			r := &rekeyer{ledger: &stepsOfRekey{answers: c.answers, end: cancel}, logger: slog.New(slog.NewTextHandler(&log, nil)),
				sleep: func(_ context.Context, d time.Duration) {
					if d == rekeyEvery {
						rests++
					}
				}}
			err := r.run(ctx)
			require.Equal(t, c.ends, err != nil)
			require.Equal(t, c.rests, rests)
			require.Contains(t, log.String(), "sealing the ledger anew")
		})
	}
}
