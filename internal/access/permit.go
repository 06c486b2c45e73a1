package access

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
)

// Request asks for a permit. It travels sealed to the workers, because Temporal keeps what
// travels and it holds the token. It is about one thing only, for a short time: whoever
// records it can ask for nothing else with it.
type Request struct {
	Token    string          `json:"token"`
	Instance string          `json:"instance"`
	Name     string          `json:"name"`             // of what is asked for: Update, Ask, Begin
	Target   string          `json:"target,omitempty"` // the workflow that it is asked of
	Input    json.RawMessage `json:"input,omitempty"`  // what it is asked with
	Nonce    string          `json:"nonce"`            // told once
	At       time.Time       `json:"at"`
}

// Permit lets what was asked for happen. Workers sign it, and it holds no token.
type Permit struct {
	Instance string    `json:"instance"`
	Name     string    `json:"name"`
	Target   string    `json:"target,omitempty"`
	What     string    `json:"what"` // the input, as a hash
	Nonce    string    `json:"nonce"`
	Until    time.Time `json:"until"`
	Subject  string    `json:"subject"`
	By       string    `json:"by"` // name and subject, as the log says it
	Role     Role      `json:"role"`
	MAC      []byte    `json:"mac,omitempty"`
}

// Keys are those of the workers of an instance. All of them have the same, because they
// come from a secret in the ledger, and from one that is sealed in it where it has a key:
// a copy of the ledger alone opens and signs nothing.
type Keys struct {
	private, public [32]byte
	sign            []byte
}

// SecretSize is the size of the secret that keys come from.
const SecretSize = 32

// NewKeys makes the keys of a secret, and of one that is sealed in the ledger, which may be "".
func NewKeys(secret []byte, sealed string) (*Keys, error) {
	if len(secret) != SecretSize {
		return nil, fmt.Errorf("the secret of the workers has %d bytes, want %d", len(secret), SecretSize)
	}
	material, err := hkdf.Key(sha256.New, secret, []byte(sealed), "causeway access", 64)
	if err != nil {
		return nil, err
	}
	k := &Keys{sign: material[32:]}
	copy(k.private[:], material)
	public, err := curve25519.X25519(k.private[:], curve25519.Basepoint)
	copy(k.public[:], public)
	return k, err
}

// Public is the key that requests are sealed to.
func (k *Keys) Public() []byte { return bytes.Clone(k.public[:]) }

// Seal closes a request for whoever has the private key of public.
func Seal(r Request, public []byte) ([]byte, error) {
	if len(public) != 32 {
		return nil, errors.New("the worker's key has the wrong size")
	}
	plain, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return box.SealAnonymous(nil, plain, (*[32]byte)(public), rand.Reader)
}

// Open opens a request.
func (k *Keys) Open(sealed []byte) (Request, error) {
	var r Request
	plain, ok := box.OpenAnonymous(nil, sealed, &k.public, &k.private)
	if !ok {
		return r, refused("the request is sealed with another key than the workers have, as after a change of the ledger; ask again")
	}
	if err := json.Unmarshal(plain, &r); err != nil {
		return r, refused("the request cannot be read; is the command of another version than the worker?")
	}
	return r, nil
}

// Sign makes a permit one that Check accepts.
func (k *Keys) Sign(p Permit) Permit {
	p.MAC = k.mac(p)
	return p
}

func (k *Keys) mac(p Permit) []byte {
	p.MAC = nil
	p.Until = p.Until.UTC()
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // texts and a time
	}
	h := hmac.New(sha256.New, k.sign)
	h.Write(text)
	return h.Sum(nil)
}

// Check refuses a permit that no worker of this instance gave, that is for something else,
// or that is too old. what is the input that the operation is about to be done with.
func (k *Keys) Check(p Permit, instance, name, target, what string, now time.Time) error {
	switch {
	case !hmac.Equal(p.MAC, k.mac(p)):
		return refused("the permit of this request is not one that a worker of this instance gave; nothing was done")
	case p.Instance != instance || p.Name != name || p.Target != target || p.What != what:
		return refused("the permit of this request is for something else; nothing was done")
	case now.After(p.Until):
		return refused("the permit of this request counted until %s, and it came later (access.request_within); nothing was done, ask again", p.Until.UTC().Format("15:04:05 UTC"))
	}
	return nil
}

// byWhom are the parts of an input that say who asks, when, and to whom the answer is
// sealed. Two people who ask for the same thing differ in them.
var byWhom = []string{"by", "reveal_to", "at"}

// What is an input as a hash, without the name of whoever asks, which a worker replaces.
// Everything else counts: whether and to whom something is revealed, too.
func What(input any) (string, error) { return hashed(input, "by") }

// Alike is the same hash for inputs that ask for the same thing, by whomever, whenever, and
// to whomever the answer is sealed.
func Alike(input any) (string, error) { return hashed(input, byWhom...) }

func hashed(input any, leaveOut ...string) (string, error) {
	text, err := json.Marshal(input)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(without(text, leaveOut))
	return hex.EncodeToString(sum[:]), nil
}

// Shown is an input in JSON without who asks.
func Shown(text json.RawMessage) json.RawMessage { return without(text, byWhom) }

func without(text json.RawMessage, leaveOut []string) json.RawMessage {
	var parts map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&parts) != nil || parts == nil {
		return text
	}
	for _, part := range leaveOut {
		delete(parts, part)
	}
	rest, err := json.Marshal(parts)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return rest
}

// NewNonce is a text that nobody can guess.
func NewNonce() string { return strings.ToLower(rand.Text()) }

// SaysToBe is a name that nobody verified, in a form that no verified one has.
func SaysToBe(name string) string {
	return strings.NewReplacer("<", "", ">", "").Replace(name)
}

// Verified says whether a name in the operations log was verified, by its form.
func Verified(name string) bool {
	_, verified := Subject(name)
	return verified
}

// Subject is who a verified name in the operations log belongs to, as the issuer calls them.
func Subject(name string) (subject string, verified bool) {
	return activities.SubjectOf(name)
}

// plain leaves out what would change how a name of the issuer reads.
func plain(name string) string { return strings.TrimSpace(SaysToBe(name)) }

type permitKey struct{}

// WithPermit is a context in which a permit was checked.
func WithPermit(ctx context.Context, p Permit) context.Context {
	return context.WithValue(ctx, permitKey{}, p)
}

// PermitOf is the permit that was checked; ok is false where none was asked for.
func PermitOf(ctx context.Context) (p Permit, ok bool) {
	p, ok = ctx.Value(permitKey{}).(Permit)
	return p, ok
}

// CodeRefused is the type of the failure of what somebody may not do.
const CodeRefused = "AccessRefused"
