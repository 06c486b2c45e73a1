package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// A staged lane is one blob: a version byte, the number of entries, then per
// entry flags, key, version and raw, each with its length; compressed, and
// encrypted when a key is configured.

const (
	blobVersion  = 1
	flagDeleted  = 1
	plainPrefix  = 'z' // zstd
	sealedPrefix = 's' // AES-256-GCM over zstd: nonce, then ciphertext
)

var errBlob = errors.New("a staged lane in the ledger cannot be read: it is damaged or from a newer build")

func encodeEntries(entries []Entry) []byte {
	size := 16
	for _, e := range entries {
		size += len(e.Key) + len(e.Version) + len(e.Raw) + 8
	}
	b := make([]byte, 0, size)
	b = append(b, blobVersion)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for _, e := range entries {
		flags := byte(0)
		if e.Deleted {
			flags |= flagDeleted
		}
		b = append(b, flags)
		b = binary.AppendUvarint(b, uint64(len(e.Key)))
		b = append(b, e.Key...)
		b = binary.AppendUvarint(b, uint64(len(e.Version)))
		b = append(b, e.Version...)
		b = binary.AppendUvarint(b, uint64(len(e.Raw)))
		b = append(b, e.Raw...)
	}
	return b
}

func decodeEntries(b []byte) ([]Entry, error) {
	if len(b) == 0 || b[0] != blobVersion {
		return nil, errBlob
	}
	b = b[1:]
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)) {
		return nil, errBlob
	}
	b = b[used:]
	field := func() ([]byte, bool) {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return nil, false
		}
		v := b[used : used+int(n)]
		b = b[used+int(n):]
		return v, true
	}
	entries := make([]Entry, 0, n)
	for range n {
		if len(b) == 0 {
			return nil, errBlob
		}
		e := Entry{Deleted: b[0]&flagDeleted != 0}
		b = b[1:]
		key, ok1 := field()
		version, ok2 := field()
		raw, ok3 := field()
		if !ok1 || !ok2 || !ok3 {
			return nil, errBlob
		}
		e.Key, e.Version = string(key), string(version)
		if len(raw) > 0 {
			e.Raw = raw
		}
		entries = append(entries, e)
	}
	if len(b) != 0 {
		return nil, errBlob
	}
	return entries, nil
}

// sealer compresses, and encrypts when it has a key.
type sealer struct {
	enc  *zstd.Encoder
	dec  *zstd.Decoder
	aead cipher.AEAD
}

func newSealer(key []byte) (*sealer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		return nil, err
	}
	s := &sealer{enc: enc, dec: dec}
	if key == nil {
		return s, nil
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("ledger.encryption_key: got %d bytes, want 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	s.aead, err = cipher.NewGCM(block)
	return s, err
}

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

func (s *sealer) close(plain []byte) ([]byte, error) {
	if plain == nil {
		return nil, nil
	}
	packed := s.enc.EncodeAll(plain, make([]byte, 1, len(plain)/3+64))
	packed[0] = plainPrefix
	if s.aead == nil {
		return packed, nil
	}
	out := make([]byte, 1+s.aead.NonceSize(), len(packed)+64)
	out[0] = sealedPrefix
	if _, err := rand.Read(out[1:]); err != nil {
		return nil, err
	}
	return s.aead.Seal(out, out[1:], packed, nil), nil
}

func (s *sealer) open(b []byte) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	if len(b) > 0 && b[0] == sealedPrefix {
		if s.aead == nil {
			return nil, errors.New("the ledger is encrypted, but ledger.encryption_key is not set")
		}
		n := s.aead.NonceSize()
		if len(b) < 1+n {
			return nil, errBlob
		}
		packed, err := s.aead.Open(nil, b[1:1+n], b[1+n:], nil)
		if err != nil {
			return nil, errors.New("the ledger was encrypted with another key than ledger.encryption_key")
		}
		b = packed
	}
	if len(b) == 0 || b[0] != plainPrefix {
		return nil, errBlob
	}
	plain, err := s.dec.DecodeAll(b[1:], nil)
	if err != nil {
		return nil, errBlob
	}
	return plain, nil
}
