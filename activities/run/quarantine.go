package run

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// QuarantinedRecord is an item of the quarantine as payloads have it.
func QuarantinedRecord(q *ledger.QuarantineItem) activities.QuarantinedRecord {
	out := activities.QuarantinedRecord{
		Table: q.Table, ID: q.Key, State: string(q.State), Run: q.Run, Class: q.Class, Code: q.Code, Field: q.Field, Message: q.Message,
		Version: q.Version, FirstSeen: q.FirstSeen, LastSeen: q.LastSeen, Attempts: q.Attempts, NextTry: q.NextTry,
	}
	if !q.Discarded.At.IsZero() {
		d := activities.Discard(q.Discarded)
		out.Discarded = &d
	}
	if q.Flow != activities.FlowIngress { // only ingress tries again by itself
		out.NextTry = time.Time{}
	}
	return out
}

// QuarantineFilter is an operator's selection as the ledger takes it.
func QuarantineFilter(s activities.Selection, flow, table string) ledger.QuarantineFilter {
	return ledger.QuarantineFilter{Flow: flow, Table: table, Keys: s.IDs, Run: s.Run, Code: s.Code, Field: s.Field, SeenBefore: s.Before}
}

// LogReveal enters into the audit trail what is about to be shown to somebody: ids and names
// of fields. It comes before the values leave, so that nothing is shown that is not in it.
// The answer to a question may come in parts, and be tried again: all of it is sealed to one
// key, and is one entry a day.
func LogReveal(ctx context.Context, l *ledger.Ledger, o ledger.Operation, to []byte) error {
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %s %s %s", to, o.By, o.Table, o.Detail))
	o.At, o.What = time.Now().UTC(), activities.OpReveal
	o.ID = fmt.Sprintf("%s/%s/%x", o.What, o.At.Format("2006-01-02"), sum[:16])
	o.Subject, o.Verified = activities.SubjectOf(o.By)
	_, err := l.Log(ctx, o)
	return err
}

// Seal encrypts values for a public key, so that only the holder of its private key can
// read them.
func Seal(values any, to []byte) ([]byte, error) {
	var key [32]byte
	if copy(key[:], to) != len(key) || len(to) != len(key) {
		return nil, Blocked("BadInput", fmt.Sprintf("reveal_to: got %d bytes, want an X25519 public key of 32", len(to)))
	}
	plain, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("preparing values to be sealed: %w", err)
	}
	return box.SealAnonymous(nil, plain, &key, rand.Reader)
}
