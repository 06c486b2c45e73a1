package ledger

import (
	"bytes"
	"encoding/hex"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// The vectors of the specification, c2sp.org/XAES-256-GCM.
func TestXAESIsWhatTheSpecificationSays(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		key        byte
		data, want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		x, err := newXAES(bytes.Repeat([]byte{v.key}, 32))
		require.NoError(t, err)
		sealed, err := hex.DecodeString(v.want)
		require.NoError(t, err)
		plain, err := x.open(append([]byte("ABCDEFGHIJKLMNOPQRSTUVWX"), sealed...), []byte(v.data))
		require.NoError(t, err)
		require.Equal(t, "XAES-256-GCM", string(plain))
	}
}

// A key that was made of half a nonce seals a bounded number of values, and every nonce is
// used once, also by several at a time.
func TestAKeySealsABoundedNumberOfValues(t *testing.T) {
	t.Parallel()
	x, err := newXAES(bytes.Repeat([]byte{1}, 32))
	require.NoError(t, err)
	seal := func() []byte {
		b, err := x.seal(append(make([]byte, 1+nonceSize), "plain"...), 1, []byte("where"))
		require.NoError(t, err)
		return b
	}
	first := seal()
	x.sealing.Load().left.Store(3)
	var mu sync.Mutex
	nonces, halves := map[string]int{}, map[string]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				b := seal()
				mu.Lock()
				nonces[string(b[1:1+nonceSize])]++
				halves[string(b[1:1+halfNonce])]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.Len(t, nonces, 80)
	require.Equal(t, 3, halves[string(first[1:1+halfNonce])])
}

// Values from many processes are opened, although only some keys are remembered.
func TestManyKeysOpen(t *testing.T) {
	t.Parallel()
	x, err := newXAES(bytes.Repeat([]byte{1}, 32))
	require.NoError(t, err)
	for range 2*keptOpens + 1 {
		x.sealing.Store(nil)
		b, err := x.seal(append(make([]byte, nonceSize), "plain"...), 0, nil)
		require.NoError(t, err)
		plain, err := x.open(b, nil)
		require.NoError(t, err)
		require.Equal(t, "plain", string(plain))
	}
	require.LessOrEqual(t, len(x.opens), keptOpens)
}
