package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

func TestLedgerRekey(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Run RekeyLedger", activities.LedgerSealing{Key: "9f5ccdfc", Rekey: &activities.LedgerRekey{Asked: noon}})
	code, out, _ := w.run(t, "ledger", "rekey")
	require.Zero(t, code)
	require.Equal(t, "the ledger is being sealed anew with key 9f5ccdfc while flows run; causeway status shows how far that is\n", out)
	require.Equal(t, activities.RekeyLedgerInput{By: "ada"}, w.Requests["Run RekeyLedger"][0])

	w.on("Run RekeyLedger", activities.LedgerSealing{})
	code, _, stderr := w.run(t, "ledger", "rekey")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "the worker has no key: set ledger.encryption_key and restart it")
}

// The status says what the keys of the ledger need, and how far a rekey is.
func TestStatusOfASealedLedger(t *testing.T) {
	t.Parallel()
	ended := noon.Add(-time.Hour)
	for want, s := range map[string]activities.LedgerSealing{
		"the ledger is not sealed, and values of persons are in it: set ledger.encryption_key on the workers": {},
		"the ledger holds values from before it had a key, and they are in clear: causeway ledger rekey":      {Key: "9f5ccdfc"},
		"the ledger holds what is sealed with 1 older key (7d52e340), which the workers need until it is sealed anew: causeway ledger rekey": {
			Key: "9f5ccdfc", OlderKeys: []string{"7d52e340"}, Whole: true},
		"the ledger is being sealed anew with key 9f5ccdfc: 3 of 14 kinds of values are done, 12,000 values so far": {
			Key: "9f5ccdfc", OlderKeys: []string{"7d52e340"}, Rekey: &activities.LedgerRekey{Asked: ended, Column: 3, Columns: 14, Looked: 12_000}},
		"sealing the ledger anew does not go on: record.payload of contacts 1: a sealed value": {
			Key: "9f5ccdfc", Rekey: &activities.LedgerRekey{Asked: ended, Problem: "record.payload of contacts 1: a sealed value"}},
		"free space of its file may hold values in clear from before: restart the worker": {Key: "9f5ccdfc", Whole: true, Remains: true},
		"the ledger was sealed anew 2026-":                                                {Key: "9f5ccdfc", Whole: true, Rekey: &activities.LedgerRekey{Asked: ended, Ended: &ended}},
	} {
		w := newWorld()
		w.on("Query "+contactsFlow+" Status", contacts(nil))
		w.on("Run "+activities.Meter, activities.MeterResult{Ledger: &s})
		_, out, _ := w.run(t, "status")
		require.Contains(t, out, want)
	}
}
