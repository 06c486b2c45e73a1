package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// What a sealed value begins with.
const (
	plainPrefix  = 'z' // zstd follows
	sealedPrefix = 's' // key id, nonce and AES-256-GCM over zstd follow
)

const maxPlain = 1 << 30 // bytes one value may unpack to

// sealer compresses, and encrypts when it has a key. It is safe for concurrent use.
type sealer struct {
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	aead  cipher.AEAD
	keyID byte // tells a wrong key from damage
}

func newSealer(key []byte) (*sealer, error) {
	s := &sealer{}
	if key != nil {
		if len(key) != 32 {
			return nil, fmt.Errorf("ledger.encryption_key: got %d bytes, want 32", len(key))
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("ledger.encryption_key: %w", err)
		}
		if s.aead, err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("ledger.encryption_key: %w", err)
		}
		sum := sha256.Sum256(append([]byte("causeway ledger key id\n"), key...))
		s.keyID = sum[0]
	}
	var err error
	if s.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2)); err != nil {
		return nil, err
	}
	s.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxPlain))
	return s, err
}

func (s *sealer) release() { s.dec.Close() }

// ParseKey reads an encryption key: 32 bytes as hex or base64.
func ParseKey(text string) ([]byte, error) {
	if key, err := hex.DecodeString(text); err == nil && len(key) == 32 {
		return key, nil
	}
	if key, err := base64.StdEncoding.DecodeString(text); err == nil && len(key) == 32 {
		return key, nil
	}
	return nil, errors.New("want 32 bytes as 64 hexadecimal digits or as base64")
}

// close seals a value; nil stays nil.
func (s *sealer) close(plain []byte) ([]byte, error) {
	if plain == nil {
		return nil, nil
	}
	packed := s.enc.EncodeAll(plain, append(make([]byte, 0, len(plain)/3+64), plainPrefix))
	if s.aead == nil {
		return packed, nil
	}
	head := 2 + s.aead.NonceSize()
	out := make([]byte, head, head+len(packed)+s.aead.Overhead())
	out[0], out[1] = sealedPrefix, s.keyID
	if _, err := rand.Read(out[2:]); err != nil {
		return nil, err
	}
	return s.aead.Seal(out, out[2:head], packed[1:], out[:2]), nil
}

// open reads a sealed value. A ledger with a key also reads what was written
// before it had one.
func (s *sealer) open(b []byte) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	packed, err := s.decrypt(b)
	if err != nil {
		return nil, err
	}
	plain, err := s.dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, errBlob
	}
	return plain, nil
}

func (s *sealer) decrypt(b []byte) ([]byte, error) {
	switch {
	case len(b) == 0:
		return nil, errBlob
	case b[0] == plainPrefix:
		return b[1:], nil
	case b[0] != sealedPrefix:
		return nil, errBlob
	case s.aead == nil:
		return nil, errors.New("the ledger is encrypted: set ledger.encryption_key to the key it was written with")
	}
	head := 2 + s.aead.NonceSize()
	if len(b) < head {
		return nil, errBlob
	}
	if b[1] != s.keyID {
		return nil, errors.New("the ledger was encrypted with another key than ledger.encryption_key: set the key it was written with")
	}
	packed, err := s.aead.Open(nil, b[2:head], b[head:], b[:2])
	if err != nil {
		return nil, errors.New("an encrypted value in the ledger is damaged, or was written with another key than ledger.encryption_key")
	}
	return packed, nil
}
