package ledger

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

// What a value that is kept begins with. A value with none of these is plain, as it is.
const (
	formPacked      = 'z' // zstd follows; nothing is sealed
	formEarly       = 's' // one byte of the key's id, nonce and AES-256-GCM over zstd follow; written no more
	formSealed      = 1   // id of the key, nonce and XAES-256-GCM follow
	formSealedPack  = 2   // the same, over zstd
	formSealedPrint = 3   // the same, over the length of a fingerprint, the fingerprint, and the value
)

const (
	sealedHead = 1 + keyIDSize + nonceSize
	maxPlain   = 1 << 30 // bytes one value may unpack to
)

// sealedText is what a sealed text begins with; base64 follows.
const sealedText = "sealed:"

// place is where a value is kept: a sealed value cannot be read anywhere else, so that one
// that was put into another row is refused.
type place struct {
	column string // table.column
	key    [3]string
}

func (p *place) appendTo(b []byte) []byte {
	b = append(binary.AppendUvarint(b, uint64(len(p.column))), p.column...)
	for _, k := range p.key {
		b = append(binary.AppendUvarint(b, uint64(len(k))), k...)
	}
	return b
}

func (p *place) String() string {
	key := strings.TrimSpace(strings.Join(p.key[:], " "))
	return strings.TrimSpace(p.column + " of " + key)
}

func at(column string, key ...string) place {
	p := place{column: column}
	copy(p.key[:], key)
	return p
}

// sealer compresses what is worth it, and seals when it has a key. It is safe for
// concurrent use.
type sealer struct {
	keys  keyring
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	heads sync.Pool // of *[]byte: room for additional data

	macs   sync.Pool   // of hash.Hash, with secret
	secret []byte      // keys fingerprints; nil without a key
	whole  atomic.Bool // every value in the ledger is sealed: one that is not was put there by somebody else
}

func newSealer(keys [][]byte) (*sealer, error) {
	s := &sealer{heads: sync.Pool{New: func() any { b := make([]byte, 0, 256); return &b }}}
	var err error
	if s.keys, err = newKeyring(keys); err != nil {
		return nil, err
	}
	if s.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2)); err != nil {
		return nil, err
	}
	s.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxPlain))
	return s, err
}

func (s *sealer) release() { s.dec.Close() }

// close seals a value; nil stays nil. Small values are not compressed: that takes longer
// than to seal them.
func (s *sealer) close(plain []byte, p place) ([]byte, error) {
	return s.closeWith(plain, nil, p)
}

// closeWith seals a value together with its fingerprint, which is then read back with it.
func (s *sealer) closeWith(plain, print []byte, p place) ([]byte, error) {
	if plain == nil || s.keys.first == nil {
		return plain, nil
	}
	out := make([]byte, sealedHead, sealedHead+1+len(print)+len(plain)+tagSize)
	out[0] = formSealed
	if print != nil {
		out[0] = formSealedPrint
		out = append(append(out, byte(len(print))), print...)
	}
	return s.lock(append(out, plain...), p)
}

// pack compresses a value and seals it; nil stays nil.
func (s *sealer) pack(plain []byte, p place) ([]byte, error) {
	if plain == nil {
		return nil, nil
	}
	if s.keys.first == nil {
		return s.enc.EncodeAll(plain, append(make([]byte, 0, len(plain)/3+64), formPacked)), nil
	}
	out := make([]byte, sealedHead, sealedHead+len(plain)/3+64+tagSize)
	out[0] = formSealedPack
	return s.lock(s.enc.EncodeAll(plain, out), p)
}

// lock seals what follows the head of b, in place.
func (s *sealer) lock(b []byte, p place) ([]byte, error) {
	k := s.keys.first
	copy(b[1:], k.id[:])
	head := s.head(b, p)
	defer s.heads.Put(head)
	return k.x.seal(b, 1+keyIDSize, *head)
}

// head is the additional data of a value: how it is sealed, and its place. It goes back to
// s.heads.
func (s *sealer) head(b []byte, p place) *[]byte {
	room := s.heads.Get().(*[]byte)
	*room = p.appendTo(append((*room)[:0], b[:1+keyIDSize]...))
	return room
}

// open reads what close has sealed.
func (s *sealer) open(b []byte, p place) ([]byte, error) {
	plain, _, err := s.openWith(b, nil, p)
	return plain, err
}

// openWith reads what closeWith has sealed. kept is the fingerprint as the row has it: it
// is that of a value that is not sealed. What b holds is overwritten.
func (s *sealer) openWith(b, kept []byte, p place) (plain, print []byte, err error) {
	if b == nil {
		return nil, kept, nil
	}
	if !isSealed(b) {
		return b, kept, s.mayBeClear(p)
	}
	if plain, err = s.unlock(b, p); err != nil {
		return nil, nil, err
	}
	switch b[0] {
	case formSealedPack:
		return nil, nil, damaged(p)
	case formSealedPrint:
		if len(plain) == 0 || len(plain) <= int(plain[0]) {
			return nil, nil, damaged(p)
		}
		n := 1 + int(plain[0])
		return plain[n:], plain[1:n:n], nil
	}
	return plain, nil, nil
}

// unpack reads what pack has sealed.
func (s *sealer) unpack(b []byte, p place) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	packed, err := s.packed(b, p)
	if err != nil {
		return nil, err
	}
	plain, err := s.dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, errBlob
	}
	return plain, nil
}

func (s *sealer) packed(b []byte, p place) ([]byte, error) {
	switch {
	case len(b) > 0 && b[0] == formPacked:
		return b[1:], s.mayBeClear(p)
	case len(b) > 0 && b[0] == formEarly:
		if err := s.mayBeClear(p); err != nil { // it is not bound to its row
			return nil, err
		}
		return s.keys.openEarly(b, p)
	case len(b) > 0 && b[0] == formSealedPack:
		return s.unlock(b, p)
	}
	return nil, errBlob
}

// unlock opens what lock has sealed, in place.
func (s *sealer) unlock(b []byte, p place) ([]byte, error) {
	if len(b) < sealedHead {
		return nil, damaged(p)
	}
	k := s.keys.of([keyIDSize]byte(b[1 : 1+keyIDSize]))
	if k == nil {
		return nil, fmt.Errorf("%s: %w", p.String(), s.keys.missing(keyName(b[1:1+keyIDSize])))
	}
	head := s.head(b, p)
	defer s.heads.Put(head)
	plain, err := k.x.open(b[1+keyIDSize:], *head)
	if err != nil {
		return nil, damaged(p)
	}
	return plain, nil
}

// closeText seals a text; "" stays "".
func (s *sealer) closeText(plain string, p place) (string, error) {
	if plain == "" || s.keys.first == nil {
		return plain, nil
	}
	b, err := s.close([]byte(plain), p)
	return sealedText + base64.RawStdEncoding.EncodeToString(b), err
}

// openText reads what closeText has sealed, in place.
func (s *sealer) openText(text *string, p place) error {
	coded, sealed := strings.CutPrefix(*text, sealedText)
	if !sealed {
		if *text == "" {
			return nil
		}
		return s.mayBeClear(p)
	}
	b, err := base64.RawStdEncoding.DecodeString(coded)
	if err != nil || !isSealed(b) {
		return damaged(p)
	}
	plain, err := s.open(b, p)
	*text = string(plain)
	return err
}

func isSealed(b []byte) bool { return len(b) > 0 && b[0] >= formSealed && b[0] <= formSealedPrint }

// mayBeClear refuses what is not sealed in a ledger where everything is.
func (s *sealer) mayBeClear(p place) error {
	if s.whole.Load() {
		return fmt.Errorf("%s: %w", p.String(), errNotSealed)
	}
	return nil
}

// ErrDamaged says that a sealed value cannot be opened with the key that it names.
var (
	ErrDamaged   = errors.New("a sealed value in the ledger is damaged, or was taken from another row")
	errNoSecret  = fmt.Errorf("%w: it is missing; restore it from a backup", ErrDamaged)
	errNotSealed = fmt.Errorf("%w: it is not sealed, and everything in this ledger is", ErrDamaged)
)

func damaged(p place) error { return fmt.Errorf("%s: %w", p.String(), ErrDamaged) }
