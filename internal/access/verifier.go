package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"causeway.dev/config"
)

// A RefusedError says why somebody may not do something. Asking again changes nothing.
type RefusedError struct{ Why string }

func (e *RefusedError) Error() string { return e.Why }

func refused(format string, args ...any) error { return &RefusedError{fmt.Sprintf(format, args...)} }

// issuerWithin bounds one question to the issuer.
const issuerWithin = 10 * time.Second

// Verifier verifies tokens of one issuer. It learns the issuer's addresses at the first
// token, and its keys when a token names one that it has not seen.
type Verifier struct {
	access config.Access
	client *http.Client
	now    func() time.Time

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
}

// NewVerifier makes a verifier that asks the issuer through client; now is for tests, nil
// is the clock's.
func NewVerifier(access config.Access, client *http.Client, now func() time.Time) *Verifier {
	if now == nil {
		now = time.Now
	}
	asking := *client
	if asking.Transport == nil {
		asking.Transport = http.DefaultTransport
	}
	asking.Timeout, asking.Transport = issuerWithin, onlyAnswers{asking.Transport}
	return &Verifier{access: access, client: &asking, now: now}
}

// Verify says whose token it is. It fails with *RefusedError when the token is not good,
// and with another error when the issuer cannot be asked, which passes.
func (v *Verifier) Verify(ctx context.Context, raw string) (Who, error) {
	verifier, err := v.connect(ctx)
	if err != nil {
		return Who{}, err
	}
	var silence error
	token, err := verifier.Verify(context.WithValue(ctx, silenceKey{}, &silence), raw)
	switch {
	case err != nil && silence != nil:
		return Who{}, v.silent(silence)
	case err != nil && ctx.Err() != nil:
		return Who{}, ctx.Err()
	case err != nil && groupsElsewhere(raw, v.access.GroupsClaim):
		return Who{}, errTooManyGroups
	case err != nil:
		return Who{}, refused("the token is not one that %s made for %s, or was changed; sign in with: causeway login", v.access.Issuer, v.access.TokenAudience())
	}
	return v.read(token)
}

// connect learns the issuer's addresses. Its keys are kept by what it returns.
func (v *Verifier) connect(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.verifier != nil {
		return v.verifier, nil
	}
	// What is made here keeps its context, for later questions about keys.
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), v.client)
	provider, err := oidc.NewProvider(ctx, v.access.Issuer)
	if err != nil {
		return nil, v.silent(err)
	}
	var about struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&about); err != nil || about.Keys == "" {
		return nil, v.silent(errors.New("it does not say where its keys are"))
	}
	keys := &keySet{oidc.NewRemoteKeySet(ctx, about.Keys)}
	v.verifier = oidc.NewVerifier(v.access.Issuer, keys, &oidc.Config{
		ClientID: v.access.TokenAudience(), SupportedSigningAlgs: publicKeys,
		SkipExpiryCheck: true, // read checks times, with the skew of the configuration
	})
	return v.verifier, nil
}

// publicKeys are the algorithms whose keys are public: with a shared secret, whoever can
// verify could also forge.
var publicKeys = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

func (v *Verifier) silent(err error) error {
	return fmt.Errorf("the issuer %s, which says who people are, does not answer as it should (%w); nothing was done, try again", v.access.Issuer, err)
}

// silenceKey leads to where a key set says that the issuer did not answer: the verifier
// around it tells that in words only.
type silenceKey struct{}

// keySet are the issuer's keys. They are read again when a token names one that is not
// known.
type keySet struct{ oidc.KeySet }

func (k *keySet) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, raw)
	if unanswered, ok := errors.AsType[*url.Error](err); ok {
		if silence, ok := ctx.Value(silenceKey{}).(*error); ok {
			*silence = unanswered
		}
	}
	return payload, err
}

// onlyAnswers makes an error of what is no answer to a question.
type onlyAnswers struct{ next http.RoundTripper }

func (o onlyAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := o.next.RoundTrip(r)
	if err == nil && answer.StatusCode != http.StatusOK {
		_ = answer.Body.Close() // nothing of it is read
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	return answer, err
}

// claims are what is read of a token besides what every token has.
type claims struct {
	NotBefore  *float64                   `json:"nbf"`
	Name       string                     `json:"name"`
	Username   string                     `json:"preferred_username"`
	ClaimNames map[string]json.RawMessage `json:"_claim_names"`
	HasGroups  any                        `json:"hasgroups"`
}

func (v *Verifier) read(token *oidc.IDToken) (Who, error) {
	now := v.now()
	var c claims
	all := map[string]json.RawMessage{}
	if err := errors.Join(token.Claims(&c), token.Claims(&all)); err != nil {
		return Who{}, refused("the token cannot be read; sign in with causeway login")
	}
	switch {
	case token.Subject == "":
		return Who{}, refused("the token does not say whose it is (it has no sub)")
	case now.After(token.Expiry.Add(v.access.ClockSkew)):
		return Who{}, refused("you were signed in until %s; sign in again: causeway login", token.Expiry.UTC().Format("2006-01-02 15:04:05 UTC"))
	case c.NotBefore != nil && now.Add(v.access.ClockSkew).Before(time.Unix(int64(*c.NotBefore), 0)):
		return Who{}, refused("the token counts from %s on, which is not yet; look at the clocks", time.Unix(int64(*c.NotBefore), 0).UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	groups, err := v.groups(c, all[v.access.GroupsClaim])
	if err != nil {
		return Who{}, err
	}
	name := c.Name
	if name == "" {
		name = c.Username
	}
	return Who{Subject: plain(token.Subject), Name: plain(name), Role: roleOf(v.access.Groups, groups)}, nil
}

var errTooManyGroups = refused("you are in too many groups for the token to list them, so nobody knows your roles; let the application emit only groups that are assigned to it, or app roles with access.groups_claim: roles")

// groupsElsewhere says why a token is refused that the verifier cannot read: it says that
// its groups are somewhere else. Nobody has verified it, and it is refused in any case.
func groupsElsewhere(raw, claim string) bool {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return false
	}
	var c claims
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &c) != nil {
		return false
	}
	_, elsewhere := c.ClaimNames[claim]
	return elsewhere
}

// groups reads the claim that lists groups: a list, or one name. A token of somebody in
// many groups may say only where to ask for them, which must not pass for none.
func (v *Verifier) groups(c claims, claim json.RawMessage) ([]string, error) {
	if _, elsewhere := c.ClaimNames[v.access.GroupsClaim]; claim == nil && (elsewhere || c.HasGroups != nil && c.HasGroups != false) {
		return nil, errTooManyGroups
	}
	if claim == nil || string(claim) == "null" {
		return nil, nil
	}
	var many []string
	if json.Unmarshal(claim, &many) == nil {
		return many, nil
	}
	var one string
	if json.Unmarshal(claim, &one) == nil {
		return []string{one}, nil
	}
	return nil, refused("the claim %s of the token is no list of groups; see access.groups_claim", v.access.GroupsClaim)
}
