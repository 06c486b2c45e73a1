package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// All workers of an instance keep some limits together. Each holds a share of them, which
// it renews; what lapses is the others'. What a worker may still be using counts until it
// has said otherwise, so the shares never come to more than the limit.

// Limit is one that all workers keep together.
type Limit struct {
	Name  string
	Total float64 // of all workers together
	Whole bool    // it is counted in whole pieces
	Most  float64 // that one worker can make use of; 0: all
	Uses  float64 // what this worker may be using at this moment
}

// Renewal is what a worker says of itself, and the shares that it asks for.
type Renewal struct {
	Worker WorkerID
	Name   string
	For    time.Duration // how long it holds them; 0: until it says otherwise
	Lanes  int           // in hand
	Limits []Limit
	Closed map[string]time.Duration // services that have asked it to wait, and for how long
}

// Shares are what a worker may use.
type Shares struct {
	Of      map[string]float64       // by limit
	Settled bool                     // each is what is due to it; else it is soon to ask again
	Workers int                      // that live, this one among them
	Lanes   int                      // that all of them have in hand
	Closed  map[string]time.Duration // services that have asked any worker to wait, and for how long from now
}

// WorkerShare is a worker that lives, with what it holds.
type WorkerShare struct {
	Worker WorkerID
	Name   string
	Since  time.Time
	Lanes  int
	Held   map[string]float64
}

const (
	neverLapses = math.MaxInt64
	// grace is how much later a share lapses for the others than for its worker, as a part of
	// its time: nobody measures time as exactly as another.
	grace = 3
	// sameShare is less than any difference that matters: parts do not add up exactly.
	sameShare = 1e-6
	// shareTurn is how long a worker that stands still may keep the others from renewing.
	shareTurn = `2000`
)

// Alone is true when no other worker can have the ledger.
func (l *Ledger) Alone() bool {
	_, alone := l.presence.(*fileLock)
	return alone
}

// Woken has a value when another worker has said something that all should know at once.
func (l *Ledger) Woken() <-chan struct{} {
	if s, ok := l.presence.(*session); ok {
		return s.woken
	}
	return nil
}

// RenewShares keeps or changes the shares of a worker. Its share of each limit is an equal
// part, or less as long as others use more than theirs.
func (l *Ledger) RenewShares(ctx context.Context, r Renewal) (out Shares, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		now, err := l.shareTurn(ctx, tx)
		if err != nil {
			return err
		}
		if l.Alone() {
			if _, err := tx.ExecContext(ctx, l.q(`UPDATE worker SET lapses = 0, lanes = 0, held = '{}' WHERE id <> ?`), string(r.Worker)); err != nil {
				return err
			}
		}
		others, rank, err := l.otherShares(ctx, tx, now, r.Worker)
		if err != nil {
			return err
		}
		out = Shares{Of: map[string]float64{}, Settled: true, Workers: len(others) + 1, Lanes: r.Lanes}
		held := map[string]float64{}
		for _, limit := range r.Limits {
			due := limit.due(len(others)+1, rank)
			free := limit.Total
			for _, o := range others {
				free -= o.Held[limit.Name]
			}
			share := max(0, min(due, free))
			out.Of[limit.Name], held[limit.Name] = share, max(share, limit.Uses)
			out.Settled = out.Settled && share > due-sameShare && limit.Uses < share+sameShare
		}
		for _, o := range others {
			out.Lanes += o.Lanes
		}
		if err := l.hold(ctx, tx, now, r, held); err != nil {
			return err
		}
		out.Closed, err = l.gates(ctx, tx, now, r.Closed)
		return err
	})
	if err != nil {
		return Shares{}, fmt.Errorf("ledger: renewing the shares of this worker: %w", err)
	}
	return out, nil
}

// due is an equal part of the limit. Of what cannot be divided the first have one more.
func (t Limit) due(workers, rank int) float64 {
	part := t.Total / float64(workers)
	if t.Whole {
		part = math.Floor(part)
		if float64(rank) < t.Total-part*float64(workers) {
			part++
		}
	}
	if t.Most > 0 {
		part = min(part, t.Most)
	}
	return part
}

// shareTurn has one worker at a time change shares, and is the time by the ledger's clock.
func (l *Ledger) shareTurn(ctx context.Context, tx txn) (now int64, err error) {
	if !l.postgres {
		return l.now().UnixMilli(), nil
	}
	if _, err := tx.ExecContext(ctx, `SELECT set_config('idle_in_transaction_session_timeout', '`+shareTurn+`', true), pg_advisory_xact_lock($1)`, shareLock); err != nil {
		return 0, err
	}
	return l.shareClock(ctx, tx)
}

// shareClock is the time by which shares lapse: the server's, for there may be many workers.
func (l *Ledger) shareClock(ctx context.Context, from queryer) (now int64, err error) {
	if !l.postgres {
		return l.now().UnixMilli(), nil
	}
	err = from.QueryRowContext(ctx, `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`).Scan(&now)
	return now, err
}

// otherShares are those that have not lapsed, and how many of them come before a worker.
func (l *Ledger) otherShares(ctx context.Context, from queryer, now int64, id WorkerID) (others []WorkerShare, rank int, err error) {
	rows, err := from.QueryContext(ctx, l.q(`SELECT id, name, since, lanes, held FROM worker WHERE lapses > ? AND id <> ? ORDER BY since, id`), now, string(id))
	if err != nil {
		return nil, 0, err
	}
	others, err = collect(rows, func(w *WorkerShare, scan scanner) error {
		var since int64
		var held string
		if err := scan(&w.Worker, &w.Name, &since, &w.Lanes, &held); err != nil {
			return err
		}
		w.Since = fromMillis(since)
		return json.Unmarshal([]byte(held), &w.Held)
	})
	for _, o := range others {
		if o.Worker < id {
			rank++
		}
	}
	return others, rank, err
}

// hold keeps what a worker may be using.
func (l *Ledger) hold(ctx context.Context, tx txn, now int64, r Renewal, held map[string]float64) error {
	lapses := int64(neverLapses)
	if r.For > 0 {
		lapses = now + (r.For + r.For/grace).Milliseconds()
	}
	text, err := json.Marshal(held)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, l.q(`INSERT INTO worker (id, server_start, since, name, lapses, lanes, held) VALUES (?,'',?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, lapses = excluded.lapses, lanes = excluded.lanes, held = excluded.held`),
		string(r.Worker), now, r.Name, lapses, r.Lanes, string(text))
	return err
}

// gates keeps what services have asked this worker, and answers what they have asked any.
func (l *Ledger) gates(ctx context.Context, tx txn, now int64, closed map[string]time.Duration) (map[string]time.Duration, error) {
	for service, rest := range closed {
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO gate (service, until) VALUES (?,?)
			ON CONFLICT (service) DO UPDATE SET until = CASE WHEN gate.until < excluded.until THEN excluded.until ELSE gate.until END`),
			service, now+rest.Milliseconds()); err != nil {
			return nil, err
		}
	}
	if len(closed) > 0 && l.postgres {
		if _, err := tx.ExecContext(ctx, `SELECT pg_notify('`+shareChannel+`', '')`); err != nil {
			return nil, err
		}
	}
	rows, err := tx.QueryContext(ctx, l.q(`SELECT service, until FROM gate WHERE until > ?`), now)
	if err != nil {
		return nil, err
	}
	type gate struct {
		service string
		until   int64
	}
	found, err := collect(rows, func(g *gate, scan scanner) error { return scan(&g.service, &g.until) })
	out := map[string]time.Duration{}
	for _, g := range found {
		out[g.service] = time.Duration(g.until-now) * time.Millisecond
	}
	return out, err
}

// ReturnShares gives back at once what a worker held: it has ended.
func (l *Ledger) ReturnShares(ctx context.Context, id WorkerID) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`UPDATE worker SET lapses = 0, lanes = 0, held = '{}' WHERE id = ?`), string(id))
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: giving back the shares of this worker: %w", err)
	}
	return nil
}

// WorkerShares lists the workers whose shares have not lapsed, the oldest first.
func (l *Ledger) WorkerShares(ctx context.Context) ([]WorkerShare, error) {
	now, err := l.shareClock(ctx, l.db)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing workers: %w", err)
	}
	all, _, err := l.otherShares(ctx, l.db, now, "")
	if err != nil {
		return nil, fmt.Errorf("ledger: listing workers: %w", err)
	}
	return all, nil
}

// shareLock is the number of the advisory lock of who changes shares.
var shareLock = lockNumber("causeway shares")

// shareChannel is what workers on PostgreSQL listen on.
const shareChannel = "causeway_shares"
