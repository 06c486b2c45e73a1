package dataverse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"

	msal "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"golang.org/x/sync/singleflight"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

const entra = "entra"

// MSALOptions of the app registration.
type MSALOptions struct {
	Authority         string // https://login.microsoftonline.com/<tenant>
	ClientID, Secret  string
	CertificatePEM    []byte // instead of Secret: key and certificate, not encrypted
	Scope             string // <organisation URL>/.default
	InstanceDiscovery bool   // off for authorities outside Microsoft's clouds
	HTTPClient        *http.Client
}

// MSALTokens gives Entra ID tokens. MSAL caches them but lets every caller on a
// cold cache fetch its own, hence the single flight here.
type MSALTokens struct {
	o          MSALOptions
	credential confidential.Credential
	flight     singleflight.Group
	gate       *transport.Gate // closed while the sign-in service asks to wait

	mu     sync.Mutex
	client *confidential.Client // nil: the next call makes a new one, with an empty cache
	last   string
}

// NewMSALTokens checks the credential; it calls nobody yet.
func NewMSALTokens(o MSALOptions) (*MSALTokens, error) {
	own := http.Client{}
	if o.HTTPClient != nil {
		own = *o.HTTPClient
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the secret goes nowhere else
	o.HTTPClient = &own
	s := &MSALTokens{o: o, gate: transport.NewGate()}
	var err error
	if len(o.CertificatePEM) > 0 {
		certs, key, certErr := confidential.CertFromPEM(o.CertificatePEM, "")
		if certErr != nil {
			return nil, errors.New("the client certificate cannot be read; want an unencrypted key and its certificate in PEM")
		}
		s.credential, err = confidential.NewCredFromCert(certs, key)
	} else {
		s.credential, err = confidential.NewCredFromSecret(o.Secret)
	}
	if err != nil {
		return nil, errors.New("the client secret or certificate cannot be used")
	}
	_, err = s.current()
	return s, err
}

func (s *MSALTokens) current() (*confidential.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	client, err := confidential.New(s.o.Authority, s.o.ClientID, s.credential,
		confidential.WithHTTPClient(s.o.HTTPClient), confidential.WithInstanceDiscovery(s.o.InstanceDiscovery), confidential.WithX5C())
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", s.o.Authority, err)
	}
	s.client = &client
	return s.client, nil
}

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
	if s.last == token {
		s.client = nil
	}
}

func (s *MSALTokens) acquire(ctx context.Context, claims string) (string, error) {
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
	client, err := s.current()
	if err != nil {
		return "", &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonConfig, Service: entra, Op: "get token", Message: "the authority cannot be used"}
	}
	if e := s.gate.Err(entra, "get token"); e != nil {
		return "", e
	}
	var options []confidential.AcquireByCredentialOption
	if claims != "" {
		options = append(options, confidential.WithClaims(claims))
	}
	result, err := client.AcquireTokenByCredential(ctx, []string{s.o.Scope}, options...)
	if err != nil {
		fail := tokenError(err)
		if fail.Class == apierr.Throttled {
			s.gate.Close(fail.RetryAfter)
		}
		return "", fail
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = result.AccessToken
	return result.AccessToken, nil
}

var aadsts = regexp.MustCompile(`AADSTS\d+`)

// tokenError classifies MSAL's errors; of the answer it keeps the AADSTS code only.
func tokenError(err error) *apierr.Error {
	e := &apierr.Error{Service: entra, Op: "get token", Class: apierr.Retryable, Reason: apierr.ReasonNetwork, Message: "no answer"}
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
	default:
		e.Class, e.Reason = apierr.Blocked, apierr.ReasonCredentials
		e.Message = "the credential was refused; check dynamics.tenant, client_id and the secret or certificate and its expiry"
	}
	return e
}
