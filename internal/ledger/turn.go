package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Turn is the place of an activity among those that begin, stage and end the runs of
// a flow's table. The workflow has them done one after the other. One that was paused
// and wakes late must not do so: it would end a run that goes on, drop its pages, or
// begin one that nobody drives.
type Turn struct {
	Scheduled time.Time // by Temporal's clock
	Activity  string    // its id in the workflow
	Attempt   int
}

type turnKey struct{}

// WithTurn has the changes of runs that are made with the context keep their turn:
// ErrFenced when a later one was there before. Without a turn nothing is kept.
func WithTurn(ctx context.Context, t Turn) context.Context {
	return context.WithValue(ctx, turnKey{}, t)
}

// turnSlack is by how much the clocks of Temporal's hosts may differ. An activity that
// another one has overtaken is older by the heartbeat timeout at least.
const turnSlack = 5 * time.Second

// ErrOvertaken is ErrFenced for a step that was scheduled before one that has been there.
// Trying again cannot help: the step comes from a workflow that is older than the ledger.
var ErrOvertaken = fmt.Errorf("%w: a later step has been there", ErrFenced)

// takeTurn refuses what a late activity does to the runs of a flow's table.
func (l *Ledger) takeTurn(ctx context.Context, tx txn, flow, table string) error {
	turn, ok := ctx.Value(turnKey{}).(Turn)
	if !ok {
		return nil
	}
	query := `SELECT scheduled, activity, attempt FROM turn WHERE flow = ? AND tbl = ?`
	if l.postgres {
		query += ` FOR UPDATE`
	}
	var scheduled int64
	var last Turn
	err := tx.QueryRowContext(ctx, l.q(query), flow, table).Scan(&scheduled, &last.Activity, &last.Attempt)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	at := millis(turn.Scheduled)
	switch late := time.Duration(scheduled-at) * time.Millisecond; {
	case err != nil:
	case late > turnSlack && scheduled <= millis(l.now().Add(turnSlack)):
		return fmt.Errorf("%w, of %s", ErrOvertaken, table)
	case late > turnSlack, late == 0 && turn.Activity == last.Activity && turn.Attempt < last.Attempt:
		return fmt.Errorf("%w: a later step of %s has been there", ErrFenced, table)
	case late > 0 || late == 0 && turn == (Turn{Scheduled: turn.Scheduled, Activity: last.Activity, Attempt: last.Attempt}):
		return nil
	}
	_, err = tx.ExecContext(ctx, l.q(`INSERT INTO turn (flow, tbl, scheduled, activity, attempt) VALUES (?,?,?,?,?)
		ON CONFLICT (flow, tbl) DO UPDATE SET scheduled = excluded.scheduled, activity = excluded.activity, attempt = excluded.attempt`),
		flow, table, at, turn.Activity, turn.Attempt)
	return err
}

// takeTurnOf is takeTurn for the table of a run; a run that is not in the ledger is
// nobody's.
func (l *Ledger) takeTurnOf(ctx context.Context, tx txn, run string) error {
	if _, ok := ctx.Value(turnKey{}).(Turn); !ok {
		return nil
	}
	var flow, table string
	err := tx.QueryRowContext(ctx, l.q(`SELECT flow, tbl FROM run WHERE id = ?`), run).Scan(&flow, &table)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return l.takeTurn(ctx, tx, flow, table)
}
