package campaign

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// sealer turns numbers into opaque texts, another one each time. Only this instance can
// read them, and only in the context they were made for (§4.1).
type sealer struct{ aead cipher.AEAD }

func newSealer() sealer {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // unreachable: the key has the right length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // unreachable: AES has the right block size
	}
	return sealer{aead}
}

// append writes "@" and the sealed number.
func (s sealer) append(b []byte, context string, number int64) []byte {
	var plain [8]byte
	binary.BigEndian.PutUint64(plain[:], uint64(number)) //nolint:gosec // numbers here are not negative
	var room [64]byte
	nonce := room[:s.aead.NonceSize()]
	_, _ = rand.Read(nonce)
	sealed := s.aead.Seal(nonce, nonce, plain[:], []byte(context))
	return base64.RawURLEncoding.AppendEncode(append(b, '@'), sealed)
}

func (s sealer) open(context, text string) (int64, bool) {
	body, ok := strings.CutPrefix(text, "@")
	raw, err := base64.RawURLEncoding.DecodeString(body)
	n := s.aead.NonceSize()
	if !ok || err != nil || len(raw) < n {
		return 0, false
	}
	plain, err := s.aead.Open(nil, raw[:n], raw[n:], []byte(context))
	if err != nil || len(plain) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(plain)), true //nolint:gosec // made by append
}
