package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// rekey asks for a rekey and carries it out; between is called after each step.
func rekey(t *testing.T, l *ledger.Ledger, between func(step int)) *ledger.Sealing {
	t.Helper()
	asked, err := l.AskRekey(t.Context())
	require.NoError(t, err)
	require.Nil(t, asked.Rekey.Ended)
	for step := 0; ; step++ {
		more, err := l.RekeyStep(t.Context())
		require.NoError(t, err)
		if !more {
			break
		}
		between(step)
	}
	_, err = l.RekeyStep(t.Context()) // learns of the end
	require.NoError(t, err)
	s, err := l.Sealing(t.Context())
	require.NoError(t, err)
	require.NotNil(t, s.Rekey.Ended)
	return s
}

// A ledger from before it had a key is sealed while it is used, and then every value in it.
func TestALedgerFromBeforeIsSealed(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		plain := ledgertest.Open(t, o)
		keepSecrets(t, plain, 1)
		_, err := plain.AskRekey(t.Context())
		require.ErrorIs(t, err, ledger.ErrNoKey)

		l := reopen(t, plain, keyed(o, key1))
		checkSecrets(t, l, 1)
		s, err := l.Sealing(t.Context())
		require.NoError(t, err)
		require.Equal(t, &ledger.Sealing{Key: "7d52e340"}, s)
		s = rekey(t, l, func(step int) {
			if step == 3 {
				keepSecrets(t, l, 2)
			}
			checkSecrets(t, l, 1)
		})
		require.True(t, s.Whole)
		require.GreaterOrEqual(t, s.Rekey.Sealed, int64(13))
		// What an audit saw before there was a key is applied to the record that it saw.
		n, err := l.Correct(t.Context(), table)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		require.Contains(t, string(record(t, l, key(100)).Payload), "audit")
		l = reopen(t, l, keyed(o, key1))
		require.NotContains(t, string(bytesOf(t, o)), secret)
	})
}

// What was in clear leaves remains in free space of a SQLite file. They are gone after the
// next start.
func TestNothingInClearRemainsInTheFile(t *testing.T) {
	t.Parallel()
	o := ledgertest.SQLite(t)
	l := ledgertest.Open(t, o)
	for n := range 40 {
		keepSecrets(t, l, n)
	}
	require.NoError(t, l.DropPages(t.Context(), "r1")) // nothing overwrites what it frees
	require.NoError(t, l.Close())
	o = keyed(o, key1)
	l = ledgertest.Open(t, o)
	s := rekey(t, l, func(int) {})
	require.True(t, s.Remains)
	require.Contains(t, string(bytesOf(t, o)), secret, "the test needs remains")
	l = reopen(t, l, o)
	s, err := l.Sealing(t.Context())
	require.NoError(t, err)
	require.False(t, s.Remains)
	require.NotContains(t, string(bytesOf(t, o)), secret)
	checkSecrets(t, l, 2)
}

// An audit whose record was written before there was a key is applied as well.
func TestAnAuditAcrossTheFirstKey(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, o)
		keepSecrets(t, l, 1)
		l = reopen(t, l, keyed(o, key1))
		keepSecrets(t, l, 2)
		seen := record(t, l, key(100))
		require.NoError(t, l.SaveObservations(t.Context(), table, "audit", []ledger.Observation{{Key: key(100), Finding: ledger.Changed, Payload: []byte(`{"b":1}`), Fingerprint: []byte{3}, Expected: seen.Fingerprint}}))
		n, err := l.Correct(t.Context(), table)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		corrected := record(t, l, key(100))
		require.Equal(t, `{"b":1}`, string(corrected.Payload))
		require.Equal(t, []byte{3}, corrected.Fingerprint)
	})
}

// The old key is needed until a rekey has ended, and not after.
func TestRotation(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, keyed(o, key1))
		keepSecrets(t, l, 1)
		print := keptPrint(t, o, key(100))
		l = reopen(t, l, keyed(o, key2, key1))
		s, err := l.Sealing(t.Context())
		require.NoError(t, err)
		require.Equal(t, &ledger.Sealing{Key: "9f5ccdfc", OlderKey: []string{"7d52e340"}, Whole: true}, s)

		// It is interrupted half-way, and goes on where it was.
		_, err = l.AskRekey(t.Context())
		require.NoError(t, err)
		for range 5 {
			more, err := l.RekeyStep(t.Context())
			require.NoError(t, err)
			require.True(t, more)
		}
		l = reopen(t, l, keyed(o, key2, key1))
		s, err = l.Sealing(t.Context())
		require.NoError(t, err)
		require.Equal(t, 5, s.Rekey.Column)
		s = rekey(t, l, func(step int) { keepSecrets(t, l, 10+step) })
		require.Empty(t, s.OlderKey)

		l = reopen(t, l, keyed(o, key2))
		checkSecrets(t, l, 1)
		checkSecrets(t, l, 10)
		require.Equal(t, print, keptPrint(t, o, key(100)), "fingerprints outlive a rotation")
		require.NoError(t, l.Close())
		_, err = ledger.Open(t.Context(), keyed(o, key1))
		require.ErrorContains(t, err, "the ledger holds what is sealed with key 9f5ccdfc")
	})
}

func keptPrint(t *testing.T, o ledger.Options, key string) (print []byte) {
	t.Helper()
	require.NoError(t, connect(t, o).QueryRowContext(t.Context(), `SELECT fingerprint FROM record WHERE key = '`+key+`'`).Scan(&print))
	require.Len(t, print, 24)
	return print
}

// A worker that still seals with the older key after a rekey is noticed: the key is needed.
func TestAWorkerThatWasForgottenInARotation(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	late := ledgertest.Open(t, keyed(o, key1, key2))
	l := ledgertest.Open(t, keyed(o, key2, key1))
	require.Empty(t, rekey(t, l, func(int) {}).OlderKey)
	_, err := late.RekeyStep(t.Context())
	require.NoError(t, err)
	s, err := l.Sealing(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"7d52e340"}, s.OlderKey)
	// So is one without a key, when the ledger gets one.
	o = ledgertest.Postgres(t)
	plain := ledgertest.Open(t, o)
	ledgertest.Open(t, keyed(o, key1))
	_, err = plain.RekeyStep(t.Context())
	require.ErrorContains(t, err, "the ledger holds what is sealed with key 7d52e340, and no key is configured")
}

// A value that cannot be opened stops a rekey, and the operator sees where.
func TestARekeyStopsAtWhatIsDamaged(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, keyed(o, key1))
		keepSecrets(t, l, 1)
		keepSecrets(t, l, 2)
		l = reopen(t, l, keyed(o, key2, key1))
		_, err := connect(t, o).ExecContext(t.Context(), `UPDATE record SET payload = (SELECT payload FROM record WHERE key = '`+key(200)+`') WHERE key = '`+key(100)+`'`)
		require.NoError(t, err)
		_, err = l.AskRekey(t.Context())
		require.NoError(t, err)
		for more := true; more && err == nil; {
			more, err = l.RekeyStep(t.Context())
		}
		require.ErrorIs(t, err, ledger.ErrDamaged)
		s, err := l.Sealing(t.Context())
		require.NoError(t, err)
		require.Nil(t, s.Rekey.Ended)
		require.Contains(t, s.Rekey.Problem, "record.payload of contacts "+key(100))
		require.Equal(t, []string{"7d52e340"}, s.OlderKey)
	})
}
