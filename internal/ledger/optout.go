package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// OptOutWaits is what a contact's opt-out waits for; "" is nothing.
type OptOutWaits string

const (
	WaitsForProfile OptOutWaits = "profile" // to be in Campaign
	WaitsForRetry   OptOutWaits = "refused" // another try, after a refusal
)

// OptOut is what is known of a contact's choices.
type OptOut struct {
	Contact string
	Doc     []byte // of internal/optout; ids, choices and times only
	Waits   OptOutWaits
	Due     time.Time // when to look again, if it waits
	Run     string    // last run that touched it
	At      time.Time // when this was kept
}

// Seen is a choice as it was seen on one side.
type Seen struct {
	Known, Out bool
	At         time.Time // of the choice; zero: unknown
}

// OptOutDecision is evidence: what was decided about one choice, and why.
type OptOutDecision struct {
	Contact            string
	At                 time.Time // of the decision
	Run                string
	Pair               string // of optout.PairName
	Rule               string // of optout.Rule
	Out                bool   // the value that both sides are to hold
	Dynamics, Campaign Seen
	Effect             string // what was written: "dynamics", "campaign", "both", "waits", "refused", or "" for nothing
}

// OptOutResult is what the result of an entry says of a contact's choices.
type OptOutResult struct {
	State     OptOut // Contact, Doc, Waits and Due
	Decisions []OptOutDecision
	Owed      []OwedOptOut // that other contacts have from this one
	TakenOver []string     // attributes of this contact that were owed, and that State holds now
}

// OwedOptOut is an opt-out that a contact has from one that was merged into it. It is
// kept until the opt-out flow has taken it over, or for ever where that does not run.
type OwedOptOut struct {
	Contact   string
	Attribute string // of Campaign, by its canonical name
	Loser     string // the contact that it was known of
}

func (e *effects) ofOptOuts(group []Result) {
	for i := range group {
		s := group[i].OptOut
		if s == nil {
			continue
		}
		e.optouts = append(e.optouts, &s.State)
		for j := range s.Owed {
			e.owed = append(e.owed, &s.Owed[j])
		}
		for _, attribute := range s.TakenOver {
			e.takenOver = append(e.takenOver, &OwedOptOut{Contact: s.State.Contact, Attribute: attribute})
		}
		for j := range s.Decisions {
			d := s.Decisions[j]
			d.Contact = s.State.Contact
			e.decisions = append(e.decisions, &d)
		}
		if group[i].Resolve {
			e.resolved = append(e.resolved, s.State.Contact)
		}
	}
	e.owed, e.takenOver = firstOf(e.owed, owedKey), firstOf(e.takenOver, owedKey)
	e.optouts = lastOf(e.optouts, func(o *OptOut) string { return o.Contact })
	e.decisions = lastOf(e.decisions, func(d *OptOutDecision) string {
		return fmt.Sprintf("%s %020d %s", d.Contact, millis(d.At), d.Pair)
	})
}

func (e *effects) putOptOuts(ctx context.Context, l *Ledger, tx txn, run string, now int64) error {
	if err := putOptOuts.run(ctx, l, tx, []any{run, now}, len(e.optouts), func(args []any, i int) []any {
		o := e.optouts[i]
		refused := int64(0)
		if o.Waits == WaitsForRetry {
			refused = now
		}
		return append(args, o.Contact, e.sealed.optouts[i], o.Waits, millis(o.Due), refused)
	}); err != nil {
		return err
	}
	for _, o := range e.takenOver {
		if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM optout_owed WHERE contact = ? AND attribute = ?`), o.Contact, o.Attribute); err != nil {
			return err
		}
	}
	if err := l.putOwed(ctx, tx, now, e.owed); err != nil {
		return err
	}
	return putDecisions.run(ctx, l, tx, []any{run}, len(e.decisions), func(args []any, i int) []any {
		d := e.decisions[i]
		return append(args, d.Contact, millis(d.At), d.Pair, d.Rule, flag(d.Out),
			d.Dynamics.column(), millis(d.Dynamics.At), d.Campaign.column(), millis(d.Campaign.At), d.Effect)
	})
}

func (s Seen) column() int {
	if !s.Known {
		return -1
	}
	return flag(s.Out)
}

func seenOf(column int, at int64) Seen {
	return Seen{Known: column >= 0, Out: column == 1, At: fromMillis(at)}
}

var putOptOuts = newBulk(2,
	`INSERT INTO optout (run, at, contact, doc, waits, due, refused) VALUES `, `({1},{2},{},{},{},{},{})`,
	` ON CONFLICT (contact) DO UPDATE SET doc = excluded.doc, waits = excluded.waits, due = excluded.due, run = excluded.run, at = excluded.at,
	refused = CASE WHEN excluded.refused > 0 AND optout.refused > 0 THEN optout.refused ELSE excluded.refused END`)

var putDecisions = newBulk(1,
	`INSERT INTO optout_decision (run, contact, at, pair, rule, chosen, dynamics, dynamics_at, campaign, campaign_at, effect) VALUES `,
	`({1},{},{},{},{},{},{},{},{},{},{})`, ` ON CONFLICT DO NOTHING`)

// OptOuts returns what is known of contacts; unknown ones are missing in the map.
func (l *Ledger) OptOuts(ctx context.Context, contacts []string) (map[string]*OptOut, error) {
	out := make(map[string]*OptOut, len(contacts))
	for len(contacts) > 0 {
		n := min(lookupChunk, len(contacts))
		in, args := l.in(contacts[:n])
		rows, err := l.db.QueryContext(ctx, l.q(`SELECT `+optOutColumns+` FROM optout WHERE contact `+in), args...)
		if err != nil {
			return nil, fmt.Errorf("ledger: looking up opt-outs: %w", err)
		}
		found, err := collect(rows, l.scanOptOut)
		if err != nil {
			return nil, err
		}
		for i := range found {
			out[found[i].Contact] = &found[i]
		}
		contacts = contacts[n:]
	}
	return out, nil
}

const optOutColumns = `contact, doc, waits, due, run, at`

func (l *Ledger) scanOptOut(o *OptOut, scan scanner) error {
	var due, kept int64
	if err := scan(&o.Contact, &o.Doc, &o.Waits, &due, &o.Run, &kept); err != nil {
		return err
	}
	o.Due, o.At = fromMillis(due), fromMillis(kept)
	var err error
	o.Doc, err = l.seal.open(o.Doc, at(optOutDoc, o.Contact))
	return err
}

// OptOutsAfter lists what is known of contacts in order of their ids, behind one.
func (l *Ledger) OptOutsAfter(ctx context.Context, after string, limit int) ([]OptOut, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT `+optOutColumns+` FROM optout WHERE contact > ? ORDER BY contact LIMIT ?`), after, limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("ledger: listing opt-outs: %w", err)
	}
	return collect(rows, l.scanOptOut)
}

// OldestRefused is since when a choice has been refused, the oldest of those that are;
// zero when none is.
func (l *Ledger) OldestRefused(ctx context.Context) (time.Time, error) {
	since, err := l.count(ctx, `SELECT coalesce(min(refused), 0) FROM optout WHERE refused > 0`)
	return fromMillis(since), err
}

// OptOutsDue lists contacts whose wait is over. That are refused ones whose time has
// come, and those that waited for a profile which table has written since. Without
// a table, nothing tells when a profile comes, so all that are due are returned.
// Those to whom one of attributes is owed come first, see OwedOptOut.
func (l *Ledger) OptOutsDue(ctx context.Context, table string, attributes []string, limit int) ([]string, error) {
	owed, err := l.owedContacts(ctx, attributes, limit)
	if err != nil {
		return nil, err
	}
	query, args := `SELECT contact FROM optout WHERE waits <> '' AND due <= ?`, []any{l.now().UnixMilli()}
	if table != "" {
		query += ` AND (waits = 'refused' OR EXISTS (SELECT 1 FROM record WHERE record.tbl = ? AND record.key = optout.contact AND record.payload IS NOT NULL))`
		args = append(args, table)
	}
	rows, err := l.db.QueryContext(ctx, l.q(query+` ORDER BY due, contact LIMIT ?`), append(args, limitOf(limit))...)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing opt-outs that wait: %w", err)
	}
	waiting, err := collect(rows, func(s *string, scan scanner) error { return scan(s) })
	for _, contact := range waiting {
		if !slices.Contains(owed, contact) {
			owed = append(owed, contact)
		}
	}
	return owed, err
}

// DecisionFilter selects evidence; zero fields match all.
type DecisionFilter struct {
	Contact      string
	Since, Until time.Time // of the decision; Until is not included
	After        *OptOutDecision
	Limit        int // 0: 1,000
}

// OptOutDecisions lists evidence, the oldest first.
func (l *Ledger) OptOutDecisions(ctx context.Context, f DecisionFilter) ([]OptOutDecision, error) {
	query, args := `SELECT contact, at, run, pair, rule, chosen, dynamics, dynamics_at, campaign, campaign_at, effect FROM optout_decision WHERE at >= ?`, []any{millis(f.Since)}
	if f.Contact != "" {
		query, args = query+` AND contact = ?`, append(args, f.Contact)
	}
	if !f.Until.IsZero() {
		query, args = query+` AND at < ?`, append(args, millis(f.Until))
	}
	if a := f.After; a != nil {
		query, args = query+` AND (at, contact, run, pair) > (?, ?, ?, ?)`, append(args, millis(a.At), a.Contact, a.Run, a.Pair)
	}
	rows, err := l.db.QueryContext(ctx, l.q(query+` ORDER BY at, contact, run, pair LIMIT ?`), append(args, limitOf(f.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing decisions about opt-outs: %w", err)
	}
	return collect(rows, func(d *OptOutDecision, scan scanner) error {
		var at, dynamicsAt, campaignAt int64
		var chosen, dynamics, campaign int
		err := scan(&d.Contact, &at, &d.Run, &d.Pair, &d.Rule, &chosen, &dynamics, &dynamicsAt, &campaign, &campaignAt, &d.Effect)
		d.At, d.Out = fromMillis(at), chosen == 1
		d.Dynamics, d.Campaign = seenOf(dynamics, dynamicsAt), seenOf(campaign, campaignAt)
		return err
	})
}

// ProfilesChanged says whether Causeway itself changed Campaign after one time and
// before another, by a run of ingress that began then or by an opt-out.
func (l *Ledger) ProfilesChanged(ctx context.Context, after, before time.Time) (changed bool, err error) {
	err = l.db.QueryRowContext(ctx, l.q(`SELECT EXISTS (SELECT 1 FROM run /*sqlite INDEXED BY run_wrote */ WHERE flow = 'ingress' AND state = 'COMPLETED' AND started > ? AND started < ? AND n_created + n_updated > 0)
		OR EXISTS (SELECT 1 FROM optout_decision WHERE at > ? AND at < ? AND effect IN ('campaign', 'both'))`),
		millis(after), millis(before), millis(after), millis(before)).Scan(&changed)
	if err != nil {
		return false, fmt.Errorf("ledger: looking whether profiles have changed: %w", err)
	}
	return changed, nil
}

// PruneOptOutDecisions forgets evidence from before the cutoff, a bounded number
// at a time, and returns how many went.
func (l *Ledger) PruneOptOutDecisions(ctx context.Context, cutoff time.Time) (n int64, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		var edge int64
		// Several decisions share a moment, so a chunk ends with all of its last moment.
		err := tx.QueryRowContext(ctx, l.q(`SELECT coalesce(max(at), 0) FROM (SELECT at FROM optout_decision WHERE at < ? ORDER BY at LIMIT ?) AS oldest`),
			millis(cutoff), pruneChunk).Scan(&edge)
		if err != nil || edge == 0 {
			n = 0
			return err
		}
		res, err := tx.ExecContext(ctx, l.q(`DELETE FROM optout_decision WHERE at <= ?`), edge)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting decisions about opt-outs: %w", err)
	}
	return n, nil
}
