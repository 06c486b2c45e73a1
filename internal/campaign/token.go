package campaign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/sync/singleflight"

	"causeway.dev/internal/apierr"
)

const ims = "ims"

// IMSOptions of the OAuth server-to-server credential (§1.1).
type IMSOptions struct {
	URL              string // https://ims-na1.adobelogin.com
	ClientID, Secret string
	Scopes           []string
	HTTPClient       *http.Client
}

// IMSTokens gives and renews the access token; it is shared by everything that
// uses the credential, because Adobe throttles those that ask too often.
type IMSTokens struct {
	o      IMSOptions
	flight singleflight.Group

	mu    sync.Mutex
	token string
	renew time.Time // when to ask for another
}

// NewIMSTokens returns a token source; it asks for nothing yet.
func NewIMSTokens(o IMSOptions) *IMSTokens { return &IMSTokens{o: o} }

// Token returns a token with at least a tenth of its life, or five minutes, left.
func (s *IMSTokens) Token(ctx context.Context) (string, error) {
	if token := s.cached(); token != "" {
		return token, nil
	}
	// The request outlives a caller that gives up: others wait for it too.
	result := s.flight.DoChan("token", func() (any, error) {
		if token := s.cached(); token != "" {
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

func (s *IMSTokens) cached() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" && time.Now().Before(s.renew) {
		return s.token
	}
	return ""
}

// Invalidate drops token if it is still the current one.
func (s *IMSTokens) Invalidate(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == token {
		s.token = ""
	}
}

func (s *IMSTokens) fetch(ctx context.Context) (string, error) {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {s.o.ClientID}, "client_secret": {s.o.Secret},
		"scope": {strings.Join(s.o.Scopes, ",")}, // commas, unlike plain OAuth
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(s.o.URL, "/")+"/ims/token/v3", strings.NewReader(form.Encode()))
	if err != nil {
		return "", &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonConfig, Service: ims, Op: "get token", Message: "campaign.ims_url cannot be used"}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := s.o.HTTPClient
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	res, err := client.Do(req)
	if err != nil {
		message := "no answer"
		if urlErr, ok := errors.AsType[*url.Error](err); ok && urlErr.Timeout() {
			message = "no answer in time"
		}
		return "", &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonNetwork, Service: ims, Op: "get token", Message: message}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonNetwork, Service: ims, Op: "get token", Message: "the answer broke off"}
	}
	if res.StatusCode != http.StatusOK {
		return "", tokenError(res, body)
	}
	return s.keep(body)
}

func (s *IMSTokens) keep(body []byte) (string, error) {
	doc := gjson.ParseBytes(body)
	token, life := doc.Get("access_token").String(), time.Duration(doc.Get("expires_in").Int())*time.Second
	if token == "" || life < time.Minute || life > 7*24*time.Hour {
		return "", &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonBadResponse, Service: ims, Op: "get token",
			Message: fmt.Sprintf("want a token that lives between a minute and a week, got a life of %s", life)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
	s.renew = time.Now().Add(life - min(life/2, max(life/10, 5*time.Minute)))
	return token, nil
}

func tokenError(res *http.Response, body []byte) error {
	code := gjson.GetBytes(body, "error").String()
	e := &apierr.Error{Service: ims, Op: "get token", Status: res.StatusCode, Code: code, RequestID: res.Header.Get("X-Request-Id")}
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		throttled(e, res.Header)
		e.Message = "too many tokens were asked for"
	case res.StatusCode >= 500:
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "the token service failed with status "+strconv.Itoa(res.StatusCode))
	case code == "invalid_scope":
		set(e, apierr.Blocked, apierr.ReasonCredentials, "a scope was refused; check campaign.scopes against the project")
	default:
		set(e, apierr.Blocked, apierr.ReasonCredentials, "the credential was refused; check campaign.client_id and campaign.client_secret")
	}
	return e
}
