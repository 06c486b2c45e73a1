// Package temporalcodec seals what goes into Temporal, with keys that Temporal does not
// have: payloads, and the texts of failures. It opens them again for workers, the command
// line, and the Web UI. Ids and search attributes stay clear, because Temporal searches
// them.
package temporalcodec

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// Setting is where the keys are configured.
const Setting = "temporal.encryption_key"

// Keys seal and open. The zero value has none: it seals nothing, and refuses what is
// sealed. Keys are safe for concurrent use.
type Keys struct {
	first string // id of the key that seals; "" without one
	ids   []string
	aeads map[string]cipher.AEAD // by the id of the key
}

// ParseKeys reads keys, separated by blanks, commas or line breaks: each 32 bytes, as hex
// or base64. The first seals, and all open. An error does not show a key.
func ParseKeys(text string) (*Keys, error) {
	k := &Keys{aeads: map[string]cipher.AEAD{}}
	for n, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) }) {
		key, err := hex.DecodeString(word)
		if err != nil || len(key) != 32 {
			key, err = base64.StdEncoding.DecodeString(word)
		}
		if err != nil || len(key) != 32 {
			return nil, fmt.Errorf("key %d: want 32 bytes as 64 hexadecimal digits or as base64; make one with: openssl rand -base64 32", n+1)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		id := keyID(key)
		if k.aeads[id] == nil {
			k.ids = append(k.ids, id)
		}
		k.aeads[id] = aead
	}
	if len(k.ids) == 0 {
		return nil, fmt.Errorf("want a key of 32 bytes as 64 hexadecimal digits or as base64; make one with: openssl rand -base64 32")
	}
	k.first = k.ids[0]
	return k, nil
}

// keyID names a key without telling anything of it.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("causeway temporal key id\n"), key...))
	return hex.EncodeToString(sum[:4])
}

// Seals says whether there is a key.
func (k *Keys) Seals() bool { return k.first != "" }

// Has says whether what a key has sealed can be opened.
func (k *Keys) Has(id string) bool { return k.aeads[id] != nil }

// MissingKeyError says that something is sealed with a key that is not configured.
type MissingKeyError struct {
	ID   string   // of the key that is wanted
	Have []string // ids of those that are configured, the one that seals first
}

func (e *MissingKeyError) Error() string {
	have := "and no key is configured"
	if len(e.Have) > 0 {
		have = "and the keys configured are " + strings.Join(e.Have, ", ")
	}
	return fmt.Sprintf("%s: Temporal holds what is sealed with key %s, %s: add that key to them, the one that seals first", Setting, e.ID, have)
}

// Missing is the error about a key that is not there.
func (k *Keys) Missing(id string) error { return &MissingKeyError{ID: id, Have: k.ids} }
