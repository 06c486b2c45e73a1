package ledger

import (
	"context"
	"fmt"
	"time"
)

// EngineCalls is the number of calls of a kind in one hour.
type EngineCalls struct {
	Hour  time.Time
	Kind  string
	Calls int64
}

// AddEngineCalls counts calls of an hour.
func (l *Ledger) AddEngineCalls(ctx context.Context, hour time.Time, kind string, n int64) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`INSERT INTO engine_calls (hour, kind, calls) VALUES (?,?,?)
			ON CONFLICT (hour, kind) DO UPDATE SET calls = engine_calls.calls + excluded.calls`), startOfHour(hour), kind, n)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: counting engine calls: %w", err)
	}
	return nil
}

// ReserveEngineCalls takes up to n calls of an hour's limit, which all kinds and
// all workers share, and returns how many it got and how many are taken now.
// They count against the limit until they are made or given back (UseEngineCalls).
func (l *Ledger) ReserveEngineCalls(ctx context.Context, hour time.Time, kind string, n, limit int64) (granted, used int64, err error) {
	at := startOfHour(hour)
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		// Locks the hour against other workers.
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO engine_calls (hour, kind, calls) VALUES (?,'',0)
			ON CONFLICT (hour, kind) DO UPDATE SET calls = 0`), at); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, l.q(`SELECT coalesce(sum(calls + reserved), 0) FROM engine_calls WHERE hour = ?`), at).Scan(&used); err != nil {
			return err
		}
		if granted = max(0, min(n, limit-used)); granted == 0 {
			return nil
		}
		used += granted
		_, err := tx.ExecContext(ctx, l.q(`INSERT INTO engine_calls (hour, kind, calls, reserved) VALUES (?,?,0,?)
			ON CONFLICT (hour, kind) DO UPDATE SET reserved = engine_calls.reserved + excluded.reserved`), at, kind, granted)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("ledger: reserving engine calls: %w", err)
	}
	return granted, used, nil
}

// UseEngineCalls says what became of reserved calls of an hour: made counts as
// calls, returned is free again.
func (l *Ledger) UseEngineCalls(ctx context.Context, hour time.Time, kind string, made, returned int64) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`INSERT INTO engine_calls (hour, kind, calls, reserved) VALUES (?,?,?,?)
			ON CONFLICT (hour, kind) DO UPDATE SET calls = engine_calls.calls + excluded.calls, reserved = engine_calls.reserved + excluded.reserved`),
			startOfHour(hour), kind, made, -made-returned)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: counting reserved engine calls: %w", err)
	}
	return nil
}

// EngineCalls lists the calls made in since's hour and later.
func (l *Ledger) EngineCalls(ctx context.Context, since time.Time) ([]EngineCalls, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT hour, kind, calls FROM engine_calls WHERE hour >= ? AND calls <> 0 ORDER BY hour, kind`), startOfHour(since))
	if err != nil {
		return nil, fmt.Errorf("ledger: reading engine calls: %w", err)
	}
	return collect(rows, func(e *EngineCalls, scan scanner) error {
		var hour int64
		err := scan(&hour, &e.Kind, &e.Calls)
		e.Hour = fromMillis(hour)
		return err
	})
}

func startOfHour(t time.Time) int64 { return t.UTC().Truncate(time.Hour).UnixMilli() }

// PruneEngineCalls forgets the hours before the cutoff, a bounded number of rows at a time,
// and returns how many went.
func (l *Ledger) PruneEngineCalls(ctx context.Context, cutoff time.Time) (int64, error) {
	n, err := l.pruneOldest(ctx, `engine_calls`, `hour, kind`, `hour < ?`, `hour`, millis(cutoff))
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting calls: %w", err)
	}
	return n, nil
}
