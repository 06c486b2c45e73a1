package activities

import (
	"context"
	"errors"
	"time"

	"causeway.dev/internal/ledger"
)

// Standing keeps the gauges right that the ledger has the values of. Flows set
// them as they go; but a worker that was just started, or whose fellow did the last
// piece of work, would show nothing or what was. It is no activity: each worker
// measures for itself.
type Standing struct {
	ingress *Ingress
	egress  *Egress
	optOut  *OptOut
}

// Measured says which flows an instance has.
type Measured struct {
	Tables         []string
	Egress, OptOut bool
	LagAlarm       time.Duration // of egress
}

// NewStanding measures for the activities of one worker.
func NewStanding(ingress *Ingress, egress *Egress, optOut *OptOut) *Standing {
	return &Standing{ingress: ingress, egress: egress, optOut: optOut}
}

// Measure brings the gauges up to date. Watermarks in the ledger are up to a
// minute older than what was looked at.
func (s *Standing) Measure(ctx context.Context, m Measured) error {
	var errs []error
	for _, table := range m.Tables {
		errs = append(errs, s.table(ctx, table))
	}
	if m.Egress {
		at, open, err := s.flow(ctx, FlowEgress)
		if err == nil {
			s.egress.settledUpTo(at)
			s.egress.metrics.lag(!at.IsZero() && time.Since(at) >= m.LagAlarm)
			s.egress.metrics.quarantine.Update(float64(open))
		}
		errs = append(errs, err)
	}
	if m.OptOut {
		at, open, err := s.flow(ctx, FlowOptOut)
		if err == nil {
			s.optOut.settledUpTo(at)
			s.optOut.metrics.quarantine.Update(float64(open))
		}
		errs = append(errs, err)
	}
	if s.ingress.o.Budget != nil {
		errs = append(errs, s.ingress.o.Budget.measure(ctx))
	}
	return errors.Join(errs...)
}

func (s *Standing) table(ctx context.Context, table string) error {
	metrics, l := s.ingress.metrics.of(table), s.ingress.o.Ledger
	at, err := settled(ctx, l, FlowIngress, table)
	if err != nil {
		return err
	}
	if !at.IsZero() {
		metrics.settledUpTo(at)
	}
	open, err := l.QuarantineCount(ctx, FlowIngress, table)
	if err != nil {
		return err
	}
	metrics.quarantined.Update(float64(open))
	_, err = s.ingress.approvals(ctx, table)
	return err
}

func (s *Standing) flow(ctx context.Context, flow string) (at time.Time, open int64, err error) {
	if at, err = settled(ctx, s.ingress.o.Ledger, flow, flow); err == nil {
		open, err = s.ingress.o.Ledger.QuarantineCount(ctx, flow, "")
	}
	return at, open, err
}

// settled is the time of a watermark; zero while there is none.
func settled(ctx context.Context, l *ledger.Ledger, flow, table string) (time.Time, error) {
	mark, err := l.Watermark(ctx, flow, table)
	if errors.Is(err, ledger.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return mark.ObtainedAt, nil
}
