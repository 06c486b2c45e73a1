package campaign

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
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/sync/singleflight"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

const (
	ims          = "ims"
	getToken     = "get token"
	fetchTimeout = 30 * time.Second
	longestToken = 1 << 20 // bytes of an answer

	// A life outside these, in seconds, is a misread unit.
	shortestLife = 60
	longestLife  = 7 * 24 * 3600
)

var oauthCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

// IMSOptions of the OAuth server-to-server credential (§1.1).
type IMSOptions struct {
	URL              string // https://ims-na1.adobelogin.com
	ClientID, Secret string
	Reread           func() (string, error) // Secret as it is now, before each request; nil: it stays as given
	Scopes           []string
	HTTPClient       *http.Client
	Watch            *transport.Watch // is told of odd answers; may be nil
	Gate             *transport.Gate  // closed while the service asks to wait; nil: one of its own
}

// IMSTokens gives and renews the access token; it is shared by everything that
// uses the credential, because Adobe throttles those that ask too often. It
// implements transport.TokenSource.
type IMSTokens struct {
	o      IMSOptions
	client *http.Client
	gate   *transport.Gate // closed while IMS asks to wait
	flight singleflight.Group
	secret *transport.Rotating[string]
	held   transport.HeldToken
	odd    transport.Patience // answers that are not the token service's
}

// NewIMSTokens returns a token source; it asks for nothing yet.
func NewIMSTokens(o IMSOptions) *IMSTokens {
	client := http.Client{Transport: transport.NewBase(nil)}
	if o.HTTPClient != nil {
		client = *o.HTTPClient
	}
	// A redirect would carry the secret to another host.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	secret, _ := transport.NewRotating(o.Secret, o.Reread, func(secret string) (string, error) { return secret, nil })
	s := &IMSTokens{o: o, client: &client, gate: cmp.Or(o.Gate, transport.NewGate()), secret: secret}
	s.odd.ToldTo(o.Watch, ims)
	s.secret.ToldTo(o.Watch, ims)
	return s
}

// Token returns a token with at least a tenth of its life, and five minutes,
// left; less while IMS gives no other for a passing reason. However many ask, one
// request is made; it goes on when a caller that waits for it gives up. A secret
// that was replaced is taken up with the next request. Fails with ctx's error or
// *apierr.Error: Blocked for a wrong credential, and for answers of something else
// than IMS once they have lasted for two minutes; Throttled and without a request
// while IMS asks to wait.
func (s *IMSTokens) Token(ctx context.Context) (string, error) {
	if token := s.held.Fresh(); token != "" {
		return token, nil
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	// The request outlives a caller that gives up: others wait for it too.
	result := s.flight.DoChan("token", func() (any, error) {
		if token := s.held.Fresh(); token != "" {
			return token, nil
		}
		return s.fetch(context.WithoutCancel(ctx))
	})
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

// Invalidate drops token if it is still the current one.
func (s *IMSTokens) Invalidate(token string) { _ = s.held.Drop(token) }

func (s *IMSTokens) fetch(ctx context.Context) (string, error) {
	token, fail := s.request(ctx)
	if fail == nil {
		return token, nil
	}
	if spare := s.held.Spare(fail); spare != "" {
		return spare, nil
	}
	return "", fail
}

// request asks for a token. A secret that was replaced while the old one was refused
// is tried at once.
func (s *IMSTokens) request(ctx context.Context) (string, *apierr.Error) {
	if closed := s.gate.Err(ims, getToken); closed != nil {
		return "", closed
	}
	secret, version, _ := s.secret.Get()
	token, fail := s.ask(ctx, secret)
	if fail == nil || fail.Reason != apierr.ReasonCredentials {
		return token, fail
	}
	secret, now, unusable := s.secret.Get()
	if now != version {
		return s.ask(ctx, secret)
	}
	s.secret.Refused(fail, unusable)
	return "", fail
}

func (s *IMSTokens) ask(ctx context.Context, secret string) (string, *apierr.Error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {s.o.ClientID}, "client_secret": {secret},
		"scope": {strings.Join(s.o.Scopes, ",")}, // commas, unlike plain OAuth
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(s.o.URL, "/")+"/ims/token/v3", strings.NewReader(form.Encode()))
	if err != nil {
		return "", &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonConfig, Service: ims, Op: getToken, Message: "campaign.ims_url cannot be used"}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := s.client.Do(req)
	if err != nil {
		message := "no answer"
		if urlErr, ok := errors.AsType[*url.Error](err); ok && urlErr.Timeout() {
			message = "no answer in time"
		}
		return "", &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonNetwork, Service: ims, Op: getToken, Message: message}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, longestToken))
	if err != nil {
		return "", &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonNetwork, Service: ims, Op: getToken, Message: "the answer broke off"}
	}
	if res.StatusCode != http.StatusOK {
		fail := tokenError(res, body)
		s.gate.Close(fail.RetryAfter)
		if fail.Code == "" && fail.Class == apierr.Blocked && !s.odd.Lasts(getToken, fail.Message) {
			fail.Class = apierr.Retryable // something in between may have answered
		}
		return "", fail
	}
	return s.keep(body)
}

func (s *IMSTokens) keep(body []byte) (string, *apierr.Error) {
	doc := gjson.ParseBytes(body)
	token, seconds := doc.Get("access_token").String(), doc.Get("expires_in").Int()
	if !gjson.ValidBytes(body) || token == "" || seconds < shortestLife || seconds > longestLife {
		return "", &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonBadResponse, Service: ims, Op: getToken,
			Message: fmt.Sprintf("got a life of %d seconds, want a token that lives between a minute and a week", seconds)}
	}
	life := time.Duration(seconds) * time.Second
	s.odd.Ends(getToken)
	s.secret.Accepted()
	s.held.Hold(token, life, min(life/2, max(life/10, 5*time.Minute)))
	return token, nil
}

func tokenError(res *http.Response, body []byte) *apierr.Error {
	e := &apierr.Error{Service: ims, Op: getToken, Status: res.StatusCode, RequestID: requestID(res.Header)}
	if code := gjson.GetBytes(body, "error").String(); gjson.ValidBytes(body) && oauthCode.MatchString(code) {
		e.Code = code
	}
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		throttled(e, res.Header)
		e.Message = "too many tokens were asked for"
	case res.StatusCode >= 500, res.StatusCode == http.StatusRequestTimeout:
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "the token service failed with status "+strconv.Itoa(res.StatusCode))
		e.RetryAfter, _ = transport.RetryAfter(res.Header)
	case e.Code == "invalid_scope":
		set(e, apierr.Blocked, apierr.ReasonCredentials, "a scope was refused; check campaign.scopes against the project")
	case e.Code == "":
		set(e, apierr.Blocked, apierr.ReasonConfig, "got status "+strconv.Itoa(res.StatusCode)+", want an answer of the token service; if this lasts, check campaign.ims_url and what is in between")
	default:
		set(e, apierr.Blocked, apierr.ReasonCredentials, "the credential was refused; check campaign.client_id and campaign.client_secret")
	}
	return e
}
