package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"time"
)

// LogCheck is what VerifyLog found.
type LogCheck struct {
	Entries  int64     // that agree
	From, To time.Time // when the first and the last of them were accepted
	Unkeyed  int64     // of Entries: chained without a key, so that whoever can write to the database can make them
	Pruned   int64     // entries before them that were pruned
	PrunedTo time.Time // when the last of these was accepted

	// Fault says what does not agree first; "" when everything does. FaultSeq is the entry.
	Fault    string
	FaultSeq int64

	// Lacks says of each remembered end that the log does not have it: the log was cut or
	// written anew after it was remembered, or an older backup took its place.
	Lacks []bool
}

// verifyChunk is how many entries are read at a time.
const verifyChunk = 1_000

// VerifyLog checks that no operation was changed, removed or put in, and that the log
// still has what others remember of it. It looks at the log as it is at one moment.
func (l *Ledger) VerifyLog(ctx context.Context, remembered ...LogEnd) (*LogCheck, error) {
	options := &sql.TxOptions{ReadOnly: true}
	if l.postgres {
		options.Isolation = sql.LevelRepeatableRead
	}
	tx, err := l.db.BeginTx(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("ledger: checking the log of operations: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	v := &verifier{Ledger: l, remembered: remembered}
	v.Lacks = make([]bool, len(remembered))
	if err := v.verify(ctx, tx); err != nil {
		return nil, fmt.Errorf("ledger: checking the log of operations: %w", err)
	}
	return &v.LogCheck, nil
}

// verifier goes through the log once.
type verifier struct {
	*Ledger
	LogCheck
	remembered []LogEnd
	known      map[int64][]byte // the hashes of those entries that somebody remembers
}

func (v *verifier) verify(ctx context.Context, tx queryer) error {
	first, err := v.chainEnd(ctx, tx, chainFirst, false)
	if err != nil {
		return err
	}
	last, err := v.chainEnd(ctx, tx, chainLast, false)
	if err != nil {
		return err
	}
	v.Pruned, v.PrunedTo = first.seq, fromMillis(first.at)
	v.known = map[int64][]byte{first.seq: first.hash}
	if first.seq > 0 && !v.judge(first.seq, v.proves(first), "the mark up to which the log was pruned does not agree") {
		return nil
	}
	before := &chainEnd{seq: first.seq, at: first.at, hash: first.hash}
	for v.Fault == "" {
		n, err := v.next(ctx, tx, before)
		if err != nil {
			return err
		}
		if n < verifyChunk {
			break
		}
	}
	switch {
	case v.Fault != "":
		return nil
	case before.seq < last.seq:
		v.fault(before.seq+1, fmt.Sprintf("entries %d to %d are missing at the end", before.seq+1, last.seq))
	case before.seq > last.seq:
		v.fault(last.seq+1, fmt.Sprintf("entries %d to %d were put in behind the end", last.seq+1, before.seq))
	case !bytes.Equal(before.hash, last.hash):
		v.fault(last.seq, "the last entry is not the one that was logged last")
	case last.seq > 0:
		v.judge(last.seq, v.proves(last), "the mark where the log ends does not agree")
	}
	for i, end := range v.remembered {
		v.Lacks[i] = end.Seq >= first.seq && !bytes.Equal(v.known[end.Seq], end.Hash)
	}
	return nil
}

// proves checks the proof of an end. Where its entry needed a key, the proof needs one.
func (v *verifier) proves(e *chainEnd) verdict {
	if v.chain.there() && isKeyed(e.hash) && !isKeyed(e.proof) {
		return differs
	}
	return v.chain.check(e.proof, e.fields()...)
}

// next checks the entries behind before, moves before to the last that agrees, and
// returns how many there were.
func (v *verifier) next(ctx context.Context, tx queryer, before *chainEnd) (n int, err error) {
	rows, err := tx.QueryContext(ctx, v.q(`SELECT seq, `+operationColumns+`, hash FROM operation WHERE seq > ? ORDER BY seq LIMIT ?`), before.seq, verifyChunk)
	if err != nil {
		return 0, err
	}
	type entry struct {
		Operation
		hash []byte
	}
	entries, err := collect(rows, func(e *entry, scan scanner) error { return scanOperation(&e.Operation, scan, &e.hash) })
	if err != nil {
		return 0, err
	}
	for i := range entries {
		e := &entries[i]
		if e.Seq != before.seq+1 {
			v.fault(before.seq+1, fmt.Sprintf("entry %d is missing; the next is entry %d of %s", before.seq+1, e.Seq, e.At.Format(time.RFC3339)))
			return 0, nil
		}
		if isKeyed(before.hash) && !isKeyed(e.hash) && v.chain.there() {
			v.fault(e.Seq, fmt.Sprintf("entry %d of %s is chained without the key that the one before was chained with", e.Seq, e.At.Format(time.RFC3339)))
			return 0, nil
		}
		if !v.judge(e.Seq, v.chain.check(e.hash, e.fields(before.hash)...), fmt.Sprintf("entry %d of %s does not agree: it was changed, or put in place of another", e.Seq, e.At.Format(time.RFC3339))) {
			return 0, nil
		}
		if v.Entries++; v.Entries == 1 {
			v.From = e.At
		}
		if !isKeyed(e.hash) {
			v.Unkeyed++
		}
		v.To = e.At
		for _, end := range v.remembered {
			if end.Seq == e.Seq {
				v.known[e.Seq] = e.hash
			}
		}
		before.seq, before.at, before.hash = e.Seq, millis(e.At), e.hash
	}
	return len(entries), nil
}

// judge keeps a fault unless a hash agrees.
func (v *verifier) judge(seq int64, said verdict, fault string) bool {
	switch said {
	case agrees:
		return true
	case otherKey:
		fault = fmt.Sprintf("entry %d was chained with a key that is not here, so nothing can be said of it and what follows", seq)
	}
	v.fault(seq, fault)
	return false
}

func (v *verifier) fault(seq int64, says string) { v.FaultSeq, v.Fault = seq, says }
