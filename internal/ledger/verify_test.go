package ledger_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

var chainKey = []byte("0123456789abcdef0123456789abcdef")

// logMany logs operations 1 to n, an hour apart, and returns the last.
func logMany(t *testing.T, l *ledger.Ledger, n int) (end ledger.LogEnd) {
	t.Helper()
	for i := 1; i <= n; i++ {
		end = log(t, l, ledger.Operation{ID: fmt.Sprint("op", i), At: noon.Add(time.Duration(i) * time.Hour), By: "ada", What: "start", Flow: flow})
	}
	return end
}

func verify(t *testing.T, l *ledger.Ledger, remembered ...ledger.LogEnd) *ledger.LogCheck {
	t.Helper()
	check, err := l.VerifyLog(t.Context(), remembered...)
	require.NoError(t, err)
	return check
}

// With a key, nobody who only has the database can change what was logged.
func TestTheLogTellsWhatWasDoneToIt(t *testing.T) {
	t.Parallel()
	unlock := map[string]string{
		"sqlite":   `DROP TRIGGER operation_stays; DROP TRIGGER operation_pruned;`,
		"postgres": `DROP TRIGGER operation_stays ON operation; DROP TRIGGER operation_pruned ON operation;`,
	}
	tests := map[string]struct {
		done string
		says string
		seq  int64
	}{
		"nothing":                      {``, "", 0},
		"a name was changed":           {`UPDATE operation SET who = 'bob' WHERE seq = 3`, "entry 3 of 2026-03-01T15:00:00Z does not agree", 3},
		"a name was said verified":     {`UPDATE operation SET verified = 1 WHERE seq = 3`, "entry 3", 3},
		"a reason was changed":         {`UPDATE operation SET reason = 'x' WHERE seq = 3`, "entry 3", 3},
		"text moved into another part": {`UPDATE operation SET who = 'ad', subject = 'a' WHERE seq = 3`, "entry 3", 3},
		"an entry was removed":         {`DELETE FROM operation WHERE seq = 3`, "entry 3 is missing; the next is entry 4", 3},
		"two changed places": {`UPDATE operation SET seq = 90 WHERE seq = 3; UPDATE operation SET seq = 3 WHERE seq = 4; UPDATE operation SET seq = 4 WHERE seq = 90`,
			"entry 3", 3},
		"the end was cut": {`DELETE FROM operation WHERE seq > 3`, "entries 4 to 5 are missing at the end", 4},
		"the end was cut, and its mark moved": {`DELETE FROM operation WHERE seq > 3;
			UPDATE operation_chain SET seq = 3, hash = (SELECT hash FROM operation WHERE seq = 3) WHERE name = 'last'`, "the mark where the log ends does not agree", 3},
		"the beginning was cut": {`DELETE FROM operation WHERE seq < 3`, "entry 1 is missing", 1},
		"the beginning was cut, as if pruned": {`UPDATE operation_chain SET seq = 2, hash = (SELECT hash FROM operation WHERE seq = 2), proof = (SELECT proof FROM operation_chain WHERE name = 'last') WHERE name = 'first';
			DELETE FROM operation WHERE seq < 3`, "the mark up to which the log was pruned does not agree", 2},
		"one was put in behind": {`INSERT INTO operation (seq, id, at, who, what, flow, tbl, run, revision, was, reason, detail, hash)
			SELECT 6, 'op6', at, 'eve', what, flow, tbl, run, revision, was, reason, detail, hash FROM operation WHERE seq = 5`, "entry 6", 6},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDriver(t, func(t *testing.T, o ledger.Options) {
				o.Keys = [][]byte{chainKey}
				l := ledgertest.Open(t, o)
				logMany(t, l, 5)
				_, err := connect(t, o).ExecContext(t.Context(), unlock[o.Driver]+tc.done)
				require.NoError(t, err)
				check := verify(t, l)
				require.Equal(t, tc.seq, check.FaultSeq)
				if tc.says == "" {
					require.Equal(t, &ledger.LogCheck{Entries: 5, From: noon.Add(time.Hour), To: noon.Add(5 * time.Hour), Lacks: []bool{}}, check)
					return
				}
				require.Contains(t, check.Fault, tc.says)
			})
		})
	}
}

// The database itself refuses to change an operation, and to remove one that was not pruned.
func TestOperationsAreOnlyAppended(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, o)
		logMany(t, l, 2)
		for _, done := range []string{`UPDATE operation SET who = 'bob'`, `DELETE FROM operation`} {
			_, err := connect(t, o).ExecContext(t.Context(), done)
			require.Error(t, err, done)
		}
		require.EqualValues(t, 2, verify(t, l).Entries)
	})
}

// What was pruned leaves a mark from which the chain goes on.
func TestPruningTheLogKeepsTheChain(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open(func(o *ledger.Options) { o.Keys = [][]byte{chainKey} })
		end := logMany(t, l, 5)
		n, err := l.PruneOperations(t.Context(), noon.Add(3*time.Hour))
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		want := &ledger.LogCheck{Entries: 3, From: noon.Add(3 * time.Hour), To: noon.Add(5 * time.Hour), Pruned: 2, PrunedTo: noon.Add(2 * time.Hour), Lacks: []bool{false}}
		require.Equal(t, want, verify(t, l, end))

		n, err = l.PruneOperations(t.Context(), noon.Add(24*time.Hour))
		require.NoError(t, err)
		require.EqualValues(t, 3, n)
		require.Equal(t, &ledger.LogCheck{Pruned: 5, PrunedTo: noon.Add(5 * time.Hour), Lacks: []bool{false}}, verify(t, l, end), "the mark is the last entry that there was")
		log(t, l, ledger.Operation{ID: "next", At: noon.Add(30 * time.Hour), What: "stop"})
		require.EqualValues(t, 1, verify(t, l, end).Entries)
		n, err = l.PruneOperations(t.Context(), noon.Add(24*time.Hour))
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// Somebody outside the ledger remembers how far the log went: that tells of a log that was
// cut together with its marks, as by putting an older ledger in its place.
func TestARememberedEndTellsOfACutLog(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		early := open()
		third := logMany(t, early, 3)
		l := open()
		end := logMany(t, l, 5)
		require.Equal(t, []bool{false, false}, verify(t, l, third, end).Lacks)
		require.Equal(t, []bool{false, true}, verify(t, early, third, end).Lacks)
		log(t, early, ledger.Operation{ID: "a", At: noon}, ledger.Operation{ID: "b", At: noon}, ledger.Operation{ID: "c", At: noon})
		require.Equal(t, []bool{false, true}, verify(t, early, third, end).Lacks, "entry 5 is another one")
		require.EqualValues(t, 6, verify(t, early).Unkeyed)
	})
}

// A key that is set later protects what is logged from then on. A worker that was not
// restarted since cannot check what the key protects, and what it logs is told apart.
func TestTheLogUnderAKeyThatComesLater(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		plain := ledgertest.Open(t, o)
		logMany(t, plain, 2)
		keyed := ledgertest.Open(t, keyed(o, chainKey))
		log(t, keyed, ledger.Operation{ID: "k", At: noon}, ledger.Operation{ID: "l", At: noon})
		check := verify(t, keyed)
		require.Empty(t, check.Fault)
		require.EqualValues(t, 2, check.Unkeyed)

		_, err := ledger.Open(t.Context(), o)
		var missing *ledger.MissingKeyError
		require.ErrorAs(t, err, &missing, "without the key it is not opened again")

		check = verify(t, plain)
		require.Contains(t, check.Fault, "entry 3 was chained with a key that is not here")
		log(t, plain, ledger.Operation{ID: "m", At: noon})
		check = verify(t, keyed)
		require.Contains(t, check.Fault, "entry 5 of 2026-03-01T12:00:00Z is chained without the key")
	})
}

// A key that was given up after the ledger was sealed anew is not needed to verify the log.
func TestTheLogIsVerifiedAfterAKeyIsGivenUp(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		before := ledgertest.Open(t, keyed(o, key1))
		logMany(t, before, 4)
		_, err := before.PruneOperations(t.Context(), noon.Add(time.Hour+time.Second))
		require.NoError(t, err)
		require.NoError(t, before.Close())

		both := ledgertest.Open(t, keyed(o, key2, key1))
		rekey(t, both, func(int) {})
		require.NoError(t, both.Close())

		l := ledgertest.Open(t, keyed(o, key2))
		end := log(t, l, ledger.Operation{ID: "after", At: noon.Add(24 * time.Hour)})
		check := verify(t, l, end)
		require.Empty(t, check.Fault)
		require.Zero(t, check.Unkeyed)
		require.Positive(t, check.Pruned)
		require.EqualValues(t, 5, check.Pruned+check.Entries)
		require.Equal(t, []bool{false}, check.Lacks)
	})
}

// Workers that log at the same time do not fork the chain.
func TestSeveralWorkersShareOneChain(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		ledgers := []*ledger.Ledger{ledgertest.Open(t, o), ledgertest.Open(t, o), ledgertest.Open(t, o)}
		if o.Driver == "sqlite" {
			ledgers = []*ledger.Ledger{ledgers[0], ledgers[0], ledgers[0]} // one process has the file
		}
		var all sync.WaitGroup
		for i, l := range ledgers {
			for _, mine := range []string{"x", "y"} {
				all.Go(func() {
					for n := range 20 {
						_, err := l.Log(t.Context(), ledger.Operation{ID: fmt.Sprint(i, mine, n), At: noon.Add(time.Duration(n) * time.Second)}, ledger.Operation{ID: fmt.Sprint("all", n), At: noon})
						if err != nil {
							t.Error(err)
							return
						}
						if n%5 == 0 {
							if _, err := l.PruneOperations(t.Context(), noon.Add(time.Second)); err != nil {
								t.Error(err)
								return
							}
						}
					}
				})
			}
		}
		all.Wait()
		check := verify(t, ledgers[0])
		require.Empty(t, check.Fault)
		require.GreaterOrEqual(t, check.Entries+check.Pruned, int64(6*20+20))
	})
}
