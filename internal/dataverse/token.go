package dataverse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"

	msal "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"golang.org/x/sync/singleflight"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

const (
	entra    = "entra"
	getToken = "get token"
)

// MSALOptions of the app registration.
type MSALOptions struct {
	Authority        string // https://login.microsoftonline.com/<tenant>
	ClientID, Secret string
	CertificatePEM   []byte // instead of Secret: key and certificate, not encrypted
	// Reread is Secret or CertificatePEM as it is now, before each request; nil: it
	// stays as given.
	Reread            func() (string, error)
	Scope             string // <organisation URL>/.default
	InstanceDiscovery bool   // off for authorities outside Microsoft's clouds
	HTTPClient        *http.Client
	Watch             *transport.Watch // is told of odd answers; may be nil
	Gate              *transport.Gate  // closed while the service asks to wait; nil: one of its own
}

// MSALTokens gives Entra ID tokens. MSAL caches them but lets every caller on a
// cold cache fetch its own, hence the single flight here; and its cache belongs to
// one credential, hence the token held here.
type MSALTokens struct {
	o          MSALOptions
	credential *transport.Rotating[confidential.Credential]
	flight     singleflight.Group
	gate       *transport.Gate // closed while the sign-in service asks to wait
	held       transport.HeldToken
	odd        transport.Patience // answers that are not the sign-in service's

	mu      sync.Mutex
	client  *confidential.Client // nil: the next call makes a new one, with an empty cache
	version int                  // of the credential it uses
}

// NewMSALTokens checks the credential; it calls nobody yet.
func NewMSALTokens(o MSALOptions) (*MSALTokens, error) {
	own := http.Client{}
	if o.HTTPClient != nil {
		own = *o.HTTPClient
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the secret goes nowhere else
	o.HTTPClient = &own
	s := &MSALTokens{o: o, gate: cmp.Or(o.Gate, transport.NewGate())}
	raw, build := o.Secret, fromSecret
	if len(o.CertificatePEM) > 0 {
		raw, build = string(o.CertificatePEM), fromCertificate
	}
	var err error
	if s.credential, err = transport.NewRotating(raw, o.Reread, build); err != nil {
		return nil, err
	}
	_, _, _, err = s.current()
	return s, err
}

func fromSecret(secret string) (confidential.Credential, error) {
	credential, err := confidential.NewCredFromSecret(secret)
	if err != nil {
		return credential, errors.New("the client secret cannot be used")
	}
	return credential, nil
}

func fromCertificate(pem string) (confidential.Credential, error) {
	certs, key, err := confidential.CertFromPEM([]byte(pem), "")
	if err != nil {
		return confidential.Credential{}, errors.New("the client certificate cannot be read; want an unencrypted key and its certificate in PEM")
	}
	credential, err := confidential.NewCredFromCert(certs, key)
	if err != nil {
		return credential, errors.New("the client certificate cannot be used; does the key belong to it?")
	}
	return credential, nil
}

// current is MSAL's client for the credential as it is now, and that credential's
// version. unusable says why it is an older one.
func (s *MSALTokens) current() (client *confidential.Client, version int, unusable, err error) {
	credential, version, unusable := s.credential.Get()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil && s.version == version {
		return s.client, version, unusable, nil
	}
	made, err := confidential.New(s.o.Authority, s.o.ClientID, credential,
		confidential.WithHTTPClient(s.o.HTTPClient), confidential.WithInstanceDiscovery(s.o.InstanceDiscovery), confidential.WithX5C())
	if err != nil {
		return nil, version, unusable, fmt.Errorf("authority %s: %w", s.o.Authority, err)
	}
	s.client, s.version = &made, version
	return s.client, version, unusable, nil
}

// renewBefore is how long before its end a token is replaced; MSAL's own cache gives
// out none that is closer to it.
const renewBefore = 5 * time.Minute

// Token returns a cached token or fetches one.
func (s *MSALTokens) Token(ctx context.Context) (string, error) { return s.acquire(ctx, "") }

// TokenWithClaims fetches a token that answers a claims challenge.
func (s *MSALTokens) TokenWithClaims(ctx context.Context, claims string) (string, error) {
	return s.acquire(ctx, claims)
}

// Invalidate forgets token: MSAL would hand it out again until it expires.
func (s *MSALTokens) Invalidate(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held.Drop(token) {
		s.client = nil
	}
}

func (s *MSALTokens) acquire(ctx context.Context, claims string) (string, error) {
	if token := s.held.Fresh(); token != "" && claims == "" {
		return token, nil
	}
	// The request outlives a caller that gives up: others wait for it too.
	result := s.flight.DoChan(claims, func() (any, error) { return s.fetch(context.WithoutCancel(ctx), claims) })
	select {
	case r := <-result:
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (s *MSALTokens) fetch(ctx context.Context, claims string) (string, error) {
	if token := s.held.Fresh(); token != "" && claims == "" {
		return token, nil // somebody else has just fetched it
	}
	token, fail := s.request(ctx, claims)
	if fail == nil {
		return token, nil
	}
	if spare := s.held.Spare(fail); spare != "" && claims == "" {
		return spare, nil
	}
	return "", fail
}

// request asks for a token. A credential that was replaced while the old one was
// refused is tried at once.
func (s *MSALTokens) request(ctx context.Context, claims string) (string, *apierr.Error) {
	for {
		client, version, unusable, err := s.current()
		if err != nil {
			return "", &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonConfig, Service: entra, Op: getToken, Message: "the authority cannot be used"}
		}
		if e := s.gate.Err(entra, getToken); e != nil {
			return "", e
		}
		token, fail := s.ask(ctx, client, claims)
		if fail == nil || fail.Reason != apierr.ReasonCredentials {
			return token, fail
		}
		if _, now, _ := s.credential.Get(); now == version {
			s.credential.Refused(fail, unusable)
			return "", fail
		}
	}
}

func (s *MSALTokens) ask(ctx context.Context, client *confidential.Client, claims string) (string, *apierr.Error) {
	var options []confidential.AcquireByCredentialOption
	if claims != "" {
		options = append(options, confidential.WithClaims(claims))
	}
	result, err := client.AcquireTokenByCredential(ctx, []string{s.o.Scope}, options...)
	if err != nil {
		fail := tokenError(err)
		s.gate.Close(fail.RetryAfter)
		if fail.Code == "" && fail.Class == apierr.Blocked && !s.odd.Lasts(getToken, fail.Message) {
			fail.Class = apierr.Retryable // something in between may have answered
		}
		return "", fail
	}
	s.odd.Ends(getToken)
	s.credential.Accepted()
	life := time.Until(result.ExpiresOn)
	s.held.Hold(result.AccessToken, life, min(life/2, renewBefore))
	return result.AccessToken, nil
}

var aadsts = regexp.MustCompile(`AADSTS\d+`)

// tokenError classifies MSAL's errors; of the answer it keeps the AADSTS code only.
func tokenError(err error) *apierr.Error {
	e := &apierr.Error{Service: entra, Op: getToken, Class: apierr.Retryable, Reason: apierr.ReasonNetwork, Message: "no answer"}
	var call msal.CallErr
	if !errors.As(err, &call) || call.Resp == nil {
		var exchange *url.Error
		if !errors.As(err, &exchange) && !errors.Is(err, context.DeadlineExceeded) {
			e.Reason, e.Message = apierr.ReasonBadResponse, "the answer cannot be used; if this lasts, check dynamics.authority"
		}
		return e
	}
	e.Status = call.Resp.StatusCode
	if call.Resp.Body != nil {
		body, _ := io.ReadAll(io.LimitReader(call.Resp.Body, 64<<10))
		e.Code = string(aadsts.Find(body))
	}
	switch {
	case e.Status == http.StatusTooManyRequests:
		e.Class, e.Reason, e.Message = apierr.Throttled, apierr.ReasonThrottled, "too many tokens were asked for"
		var hinted bool
		if e.RetryAfter, hinted = transport.RetryAfter(call.Resp.Header); !hinted {
			e.RetryAfter = defaultWait
		}
	case e.Status >= 500:
		e.Reason, e.Message = apierr.ReasonServiceFault, "the sign-in service failed with status "+strconv.Itoa(e.Status)
		e.RetryAfter, _ = transport.RetryAfter(call.Resp.Header)
	case e.Code == "":
		e.Class, e.Reason = apierr.Blocked, apierr.ReasonConfig
		e.Message = "got status " + strconv.Itoa(e.Status) + ", want an answer of Entra ID; if this lasts, check dynamics.authority and what is in between"
	default:
		e.Class, e.Reason = apierr.Blocked, apierr.ReasonCredentials
		e.Message = "the credential was refused; check dynamics.tenant, client_id and the secret or certificate and its expiry"
		if known, ok := refusals[e.Code]; ok {
			e.Reason, e.Message = known.reason, known.message
		}
	}
	return e
}

// refusals are codes of which it is known what to do.
var refusals = map[string]struct{ reason, message string }{
	"AADSTS500011":  {apierr.ReasonConfig, "dynamics.url names no environment of this tenant; compare it with the environment's URL in the Power Platform admin center, and dynamics.tenant with its tenant"},
	"AADSTS90002":   {apierr.ReasonCredentials, "there is no such tenant; check dynamics.tenant, and dynamics.authority outside the public cloud"},
	"AADSTS700016":  {apierr.ReasonCredentials, "the tenant has no such app registration; check dynamics.client_id and dynamics.tenant"},
	"AADSTS7000215": {apierr.ReasonCredentials, "the secret is wrong; check dynamics.client_secret: it holds the secret's value, not its id"},
	"AADSTS7000222": {apierr.ReasonCredentials, "the secret has expired; make a new one in the app registration and replace dynamics.client_secret"},
	"AADSTS700027":  {apierr.ReasonCredentials, "the certificate was refused; check that dynamics.client_certificate is registered with the app and has not expired"},
}
