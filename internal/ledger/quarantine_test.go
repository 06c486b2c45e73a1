package ledger_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

func refused(ln *ledger.Lane, i int, code string) ledger.Result {
	k := ln.Entries[i].Key
	return ledger.Result{Index: i, Outcome: ledger.Refused, Record: &ledger.Record{Key: k, State: ledger.Quarantined},
		Quarantine: &ledger.QuarantineItem{Key: k, Class: "Rejected", Code: code, Field: "email", Message: "too long", Payload: []byte(`{"secret":1}`)}}
}

// I6
func TestQuarantineRemembersHowOftenAndSinceWhen(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		var hours atomic.Int64
		l := open(func(o *ledger.Options) {
			o.Now = func() time.Time { return noon.Add(time.Duration(hours.Load()) * time.Hour) }
		})
		ln := lane(t, l, "r1", 2)
		k := ln.Entries[0].Key
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{refused(ln, 0, "TooLong"), refused(ln, 1, "Invalid")}))
		hours.Store(1)
		second := refused(ln, 0, "Invalid")
		second.Quarantine.Message = "bad\x00 \xff"
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{second, refused(ln, 0, "Latest")}))

		item := func() ledger.QuarantineItem {
			items, err := l.Quarantined(t.Context(), ledger.QuarantineFilter{Flow: flow, Table: table, Limit: 1})
			require.NoError(t, err)
			require.Len(t, items, 1)
			return items[0]
		}
		want := ledger.QuarantineItem{Flow: flow, Table: table, Key: k, Run: "r1", Class: "Rejected", Code: "Latest", Field: "email", Message: "too long",
			State: ledger.QuarantineOpen, FirstSeen: noon, LastSeen: noon.Add(time.Hour), Attempts: 3, NextTry: noon.Add(5 * time.Hour)}
		require.Equal(t, want, item())
		payload, err := l.QuarantinePayload(t.Context(), ledger.QuarantineKey{Flow: flow, Table: table, Key: k})
		require.NoError(t, err)
		require.JSONEq(t, `{"secret":1}`, string(payload))
		_, err = l.QuarantinePayload(t.Context(), ledger.QuarantineKey{Flow: flow, Table: table, Key: "none"})
		require.ErrorIs(t, err, ledger.ErrNotFound)

		s := created(ln, 0)
		s.Resolve = true
		hours.Store(2)
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{s}))
		want.State, want.LastSeen, want.NextTry = ledger.QuarantineReleased, noon.Add(2*time.Hour), time.Time{}
		require.Equal(t, want, item())

		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{refused(ln, 0, "Again")}))
		require.Equal(t, ledger.QuarantineOpen, item().State)
		require.Equal(t, 4, item().Attempts)
		require.Equal(t, noon, item().FirstSeen)
	})
}

func TestQuarantineIsCountedAndListed(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		ln := lane(t, l, "r1", 5)
		bad := refused(ln, 4, "TooLong")
		bad.Quarantine.Message = "\x00\xff"
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{
			refused(ln, 0, "TooLong"), refused(ln, 1, "Invalid"), refused(ln, 2, "TooLong"), created(ln, 3), bad,
		}))
		s := created(ln, 0)
		s.Resolve = true
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{s}))

		for _, c := range []struct {
			flow, table string
			want        int64
		}{{flow, table, 3}, {flow, "", 3}, {flow, "accounts", 0}, {"optout", table, 0}} {
			n, err := l.QuarantineCount(t.Context(), c.flow, c.table)
			require.NoError(t, err)
			require.Equal(t, c.want, n)
		}
		list := func(f ledger.QuarantineFilter) []int {
			items, err := l.Quarantined(t.Context(), f)
			require.NoError(t, err)
			var out []int
			for _, item := range items {
				for i, e := range ln.Entries {
					if e.Key == item.Key {
						out = append(out, i)
					}
				}
			}
			return out
		}
		require.Equal(t, []int{0, 1, 2, 4}, list(ledger.QuarantineFilter{}))
		require.Equal(t, []int{2, 4}, list(ledger.QuarantineFilter{Flow: flow, Run: "r1", Code: "TooLong", State: ledger.QuarantineOpen}))
		require.Equal(t, []int{1, 2}, list(ledger.QuarantineFilter{Table: table, Limit: 2, After: ledger.QuarantineKey{Flow: flow, Table: table, Key: ln.Entries[0].Key}}))
		require.Empty(t, list(ledger.QuarantineFilter{Run: "r2"}))
	})
}
