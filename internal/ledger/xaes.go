package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"sync/atomic"
)

// XAES-256-GCM (C2SP): a key seals any number of values with random nonces of 24 bytes. The
// first half of the nonce makes a key of AES-256-GCM, and the second half is the nonce of
// that. AES-256-GCM alone bears 2^32 random nonces under one key, which a ledger may exceed.
// To make a key takes longer than to seal a value, so that the one made last seals up to
// perHalf values: far fewer than it bears.
const (
	nonceSize = 24
	halfNonce = nonceSize / 2
	tagSize   = 16
	perHalf   = 1 << 24
	keptOpens = 256 // keys that are remembered for opening
)

type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte

	sealing atomic.Pointer[xaesHalf]

	mu    sync.RWMutex
	opens map[[halfNonce]byte]cipher.AEAD
}

// xaesHalf is the first half of nonces, and the key that it makes.
type xaesHalf struct {
	first [halfNonce]byte
	aead  cipher.AEAD
	left  atomic.Int64
}

func newXAES(key []byte) (*xaes, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	x := &xaes{block: block, opens: map[[halfNonce]byte]cipher.AEAD{}}
	block.Encrypt(x.k1[:], x.k1[:])
	high, low := binary.BigEndian.Uint64(x.k1[:8]), binary.BigEndian.Uint64(x.k1[8:])
	binary.BigEndian.PutUint64(x.k1[:8], high<<1|low>>63)
	binary.BigEndian.PutUint64(x.k1[8:], low<<1^(high>>63)*0b10000111)
	return x, nil
}

// derive makes the key that belongs to the first half of a nonce.
func (x *xaes) derive(first [halfNonce]byte) (cipher.AEAD, error) {
	key := make([]byte, 0, 32)
	for n := byte(1); n <= 2; n++ {
		m := append([]byte{0, n, 'X', 0}, first[:]...)
		for i := range m {
			m[i] ^= x.k1[i]
		}
		x.block.Encrypt(m, m)
		key = append(key, m...)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal seals plain, which lies behind head and room for the nonce, in place: b is head,
// nonce, plain.
func (x *xaes) seal(b []byte, head int, data []byte) ([]byte, error) {
	half, err := x.half()
	if err != nil {
		return nil, err
	}
	nonce := b[head : head+nonceSize]
	copy(nonce, half.first[:])
	_, _ = rand.Read(nonce[halfNonce:]) // it never fails
	return half.aead.Seal(b[:head+nonceSize], nonce[halfNonce:], b[head+nonceSize:], data), nil
}

// half is what the next value is sealed with.
func (x *xaes) half() (*xaesHalf, error) {
	if h := x.sealing.Load(); h != nil && h.left.Add(-1) >= 0 {
		return h, nil
	}
	h := &xaesHalf{}
	_, _ = rand.Read(h.first[:]) // it never fails
	var err error
	if h.aead, err = x.derive(h.first); err != nil {
		return nil, err
	}
	h.left.Store(perHalf - 1)
	x.sealing.Store(h) // of several that were made at once, the last stays
	return h, nil
}

// open opens in place what seal has sealed: b is nonce and the rest.
func (x *xaes) open(b, data []byte) ([]byte, error) {
	first := [halfNonce]byte(b)
	x.mu.RLock()
	aead := x.opens[first]
	x.mu.RUnlock()
	if aead == nil {
		var err error
		if aead, err = x.derive(first); err != nil {
			return nil, err
		}
		x.mu.Lock()
		if len(x.opens) >= keptOpens {
			clear(x.opens)
		}
		x.opens[first] = aead
		x.mu.Unlock()
	}
	return aead.Open(b[nonceSize:nonceSize], b[halfNonce:nonceSize], b[nonceSize:], data)
}
