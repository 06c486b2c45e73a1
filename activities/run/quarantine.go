package run

import (
	"crypto/rand"
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
