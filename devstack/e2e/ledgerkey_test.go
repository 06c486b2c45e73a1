package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// sealLedger gives the ledger these keys; a worker takes them up when it begins.
func (w *world) sealLedger(keys ...string) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(filepath.Join(w.dir, "ledger.key"), []byte(strings.Join(keys, "\n")+"\n"), 0o600))
	text, err := os.ReadFile(w.cfgPath)
	require.NoError(w.t, err)
	if !bytes.Contains(text, []byte("ledger.key")) {
		require.NoError(w.t, os.WriteFile(w.cfgPath, bytes.Replace(text, []byte("ledger:\n"), []byte("ledger:\n  encryption_key: file:ledger.key\n"), 1), 0o600))
	}
	w.load()
}

// ledgerBytes are all bytes of the ledger's file and of its log.
func (w *world) ledgerBytes() []byte {
	w.t.Helper()
	var all []byte
	for _, name := range []string{"ledger.db", "ledger.db-wal"} {
		data, err := os.ReadFile(filepath.Join(w.dir, name))
		if !os.IsNotExist(err) {
			require.NoError(w.t, err)
		}
		all = append(all, data...)
	}
	return all
}

// valuesOf are the texts of people that nothing else holds.
func (w *world) valuesOf() (out []string) {
	for _, c := range w.contacts() {
		for _, column := range []string{"emailaddress1", "mobilephone"} {
			if value, ok := c[column].(string); ok && len(value) > 7 {
				out = append(out, value)
			}
		}
	}
	return out
}

// sealingOf is what the worker says of the ledger.
func (w *world) sealingOf() *activities.LedgerSealing {
	return runs[struct{ Ledger *activities.LedgerSealing }](w, "status").Ledger
}

// rekeyed waits until the ledger is sealed anew.
func (w *world) rekeyed() {
	w.t.Helper()
	code, _, stderr := w.causeway("ledger", "rekey")
	require.Zero(w.t, code, stderr)
	require.Eventually(w.t, func() bool {
		s := w.sealingOf()
		return s != nil && s.Whole && len(s.OlderKeys) == 0 && s.Rekey != nil && s.Rekey.Ended != nil
	}, settleWithin, 100*time.Millisecond, w.tail())
}

// A load, edits, refusals, an audit with its repair, a backfill and a rollback
// leave no value of a person in the ledger's file, nor in its log.
func TestTheLedgerHoldsNothingInClear(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 300, pageSize: 60, yaml: func(text string) string {
		text = strings.Replace(text, "on_too_long: truncate", "on_too_long: reject", 1)
		text = strings.Replace(text, "      fields:", "      filter: {where: [{column: lastname, is: not_equals, value: Zyxwvut}]}\n      fields:", 1)
		return undoable(text)
	}})
	inClear := os.Getenv("CAUSEWAY_E2E_CLEAR") != "" // set it to see that the values are found without a key
	if !inClear {
		w.sealLedger(aKey(1))
	}
	ids, values := w.ids(), append(w.valuesOf(), "Zyxwvut", tooLong)
	for _, id := range ids[:5] {
		w.edit(id, map[string]any{"firstname": tooLong})
	}
	worker := w.startWorker()
	code, _, stderr := w.causeway("start", "contacts")
	require.Zero(t, code, stderr)
	require.Equal(t, int64(5), w.loaded().Quarantined)
	for i, id := range ids[10:30] {
		value := fmt.Sprintf("Quillfeather-%d", i)
		w.edit(id, map[string]any{"lastname": value})
		values = append(values, value)
	}
	w.edit(ids[40], map[string]any{"firstname": tooLong})
	require.Eventually(t, func() bool { return w.quarantine().Total == 6 }, settleWithin, 100*time.Millisecond)
	for i, id := range ids[50:60] {
		value := fmt.Sprintf("Thistlewick-%d", i)
		require.NoError(t, w.boxes.Campaign.Update("profile", id, fmt.Appendf(nil, `{"lastName":%q}`, value)))
		values = append(values, value)
	}
	require.Equal(t, int64(10), w.audited(w.audit("contacts", true)).Findings.Changed)
	w.until("the repair", func(st workflows.Status) bool {
		return st.Run == "" && len(st.Queued(workflows.RequestRepair)) == 0 && st.Phase == "waiting for changes"
	})
	code, _, stderr = w.causeway("backfill", "contacts", "--where", "lastname not_empty", "--wait", "--yes")
	require.Zero(t, code, stderr)
	run := w.until("the backfill", func(st workflows.Status) bool { return st.LastRun != nil && st.Run == "" }).LastRun.Run
	w.insert("Marblethwaite")
	values = append(values, "Marblethwaite")
	pass := w.until("the next pass", func(st workflows.Status) bool { return st.LastRun != nil && st.LastRun.Run != run && st.Run == "" }).LastRun.Run
	var st workflows.Status
	w.update(workflows.UpdateRequestRollback, workflows.RollbackRequest{Run: pass, By: "test"}, &st)
	w.undone(pass)

	whileOpen := w.ledgerBytes()
	worker.drain()
	for what, held := range map[string][]byte{"while a worker is at work": whileOpen, "after it": w.ledgerBytes()} {
		require.True(t, bytes.Contains(held, []byte(ids[10])), "ids stay clear")
		found := 0
		for _, value := range values {
			if bytes.Contains(held, []byte(value)) {
				if found++; !inClear {
					assert.Fail(t, "a value stands in the ledger", "%s %s", value, what)
				}
			}
		}
		require.Equal(t, inClear, found > 0)
	}
}

// A ledger gets its first key in the middle of a load, and another one soon after. The
// load goes on, and in the end the newest key alone opens everything. A key that is
// missing is noticed before anything is written.
func TestTheKeyOfTheLedgerChangesDuringALoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 2_000, pageSize: 50})
	w.boxes.Campaign.SetLatency(300 * time.Millisecond)
	values := w.valuesOf()
	worker := w.startWorker()
	w.startFlow()
	for n, keys := range [][]string{{aKey(1)}, {aKey(2), aKey(1)}} {
		require.Eventually(t, func() bool { return w.profileCount() > int64(60*(n+1)) }, settleWithin, 5*time.Millisecond)
		st, err := w.status()
		require.NoError(t, err)
		require.NotEmpty(t, st.Run, "the load is at work")
		worker.kill()
		w.sealLedger(keys...)
		worker = w.startWorker()
		w.until("the worker to answer", func(workflows.Status) bool { return true })
		_, out, stderr := w.causeway("status")
		require.Contains(t, out+stderr, ": causeway ledger rekey")
		w.rekeyed()
	}
	w.boxes.Campaign.SetLatency(0)
	w.loaded()
	w.inStep()
	worker.drain()

	// The older key is needed no more. With it alone a worker does not begin.
	w.sealLedger(aKey(1))
	w.edit(w.ids()[0], map[string]any{"address1_city": "Nebelheim"})
	calls, was := w.campaignRequests(), w.ledgerBytes()
	wrong := w.startWorker()
	<-wrong.done
	require.Contains(t, w.tail(), "ledger.encryption_key: the ledger holds what is sealed with key ")
	require.Equal(t, calls, w.campaignRequests())
	require.True(t, bytes.Equal(was, w.ledgerBytes()), "nothing is written")
	w.sealLedger(aKey(2))
	worker = w.startWorker()
	w.inStep()
	worker.drain()
	held := w.ledgerBytes()
	for _, value := range values {
		assert.False(t, bytes.Contains(held, []byte(value)), "%s stands in the ledger", value)
	}
}
