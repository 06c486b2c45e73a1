package access

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/box"
)

// QuestionKeys are those that questions with a person's values are sealed to. All workers of an
// instance have the same, whether it asks people who they are or not.
type QuestionKeys struct {
	private, public [32]byte
}

// NewQuestionKeys makes the keys of the secret of the workers, and of one that is sealed in
// the ledger, which may be "".
func NewQuestionKeys(secret []byte, sealed string) (*QuestionKeys, error) {
	if len(secret) != SecretSize {
		return nil, fmt.Errorf("the secret of the workers has %d bytes, want %d", len(secret), SecretSize)
	}
	material, err := hkdf.Key(sha256.New, secret, []byte(sealed), "causeway questions", 32)
	if err != nil {
		return nil, err
	}
	k := &QuestionKeys{private: [32]byte(material)}
	public, err := curve25519.X25519(k.private[:], curve25519.Basepoint)
	copy(k.public[:], public)
	return k, err
}

// Public is the key that questions are sealed to.
func (k *QuestionKeys) Public() []byte { return bytes.Clone(k.public[:]) }

// Open opens a question; ok is false when it was sealed to another key.
func (k *QuestionKeys) Open(sealed []byte) (plain []byte, ok bool) {
	return box.OpenAnonymous(nil, sealed, &k.public, &k.private)
}
