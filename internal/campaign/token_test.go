package campaign_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/transport"
)

var _ transport.TokenSource = (*campaign.IMSTokens)(nil)

func imsAt(rec *recorder) *campaign.IMSTokens {
	return campaign.NewIMSTokens(campaign.IMSOptions{URL: rec.url + "/", ClientID: "id-1", Secret: "s&cret",
		Scopes: []string{"AdobeID", "openid", "campaign_sdk"}, HTTPClient: &http.Client{Transport: transport.NewBase(rec.pool)}})
}

func TestTokenRequestOnTheWire(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(200, `{"access_token":"eyJ.k1.sig","token_type":"bearer","expires_in":86399}`))
	source := imsAt(rec)
	for range 3 {
		token, err := source.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, "eyJ.k1.sig", token)
	}
	require.Len(t, rec.all(), 1)
	got := rec.all()[0]
	require.Equal(t, "POST", got.Method)
	require.Equal(t, "/ims/token/v3", got.URI)
	require.Equal(t, "application/x-www-form-urlencoded", got.Header.Get("Content-Type"))
	form, err := url.ParseQuery(got.Body)
	require.NoError(t, err)
	require.Equal(t, url.Values{"grant_type": {"client_credentials"}, "client_id": {"id-1"}, "client_secret": {"s&cret"},
		"scope": {"AdobeID,openid,campaign_sdk"}}, form)
}

func TestInvalidateDropsThatVeryToken(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	rec := record(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"access_token":"t%d","expires_in":3600}`, n.Add(1))
	})
	source := imsAt(rec)
	first, err := source.Token(t.Context())
	require.NoError(t, err)
	source.Invalidate("another")
	same, err := source.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, same)
	source.Invalidate(first)
	second, err := source.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "t2", second)
}

func TestOneRequestForManyCallersSurvivesOnesCancellation(t *testing.T) {
	t.Parallel()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	rec := record(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-goOn
		fmt.Fprint(w, `{"access_token":"t","expires_in":3600}`)
	})
	source := imsAt(rec)
	ctx, cancel := context.WithCancel(t.Context())
	quitter := make(chan error, 1)
	go func() {
		_, err := source.Token(ctx)
		quitter <- err
	}()
	<-arrived
	cancel()
	require.Equal(t, context.Canceled, <-quitter)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if token, err := source.Token(t.Context()); token != "t" || err != nil {
				t.Errorf("got %q, %v", token, err)
			}
		})
	}
	close(goOn)
	all.Wait()
	require.Len(t, rec.all(), 1)
}

func TestTokenIsRenewedWhenATenthOrFiveMinutesAreLeft(t *testing.T) {
	for seconds, fresh := range map[int]time.Duration{
		86400: 21*time.Hour + 36*time.Minute,
		1800:  25 * time.Minute,
		60:    30 * time.Second, // half, or it would never be used
	} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			source := campaign.NewIMSTokens(campaign.IMSOptions{URL: "https://ims.example.test", HTTPClient: &http.Client{Transport: canned(func() *http.Response {
				n++
				w := httptest.NewRecorder()
				fmt.Fprintf(w, `{"access_token":"t%d","expires_in":%d}`, n, seconds)
				return w.Result()
			})}})
			ask := func() int {
				_, err := source.Token(t.Context())
				require.NoError(t, err)
				return n
			}
			require.Equal(t, 1, ask())
			time.Sleep(fresh - time.Second)
			require.Equal(t, 1, ask())
			time.Sleep(time.Second)
			require.Equal(t, 2, ask())
		})
	}
}

func TestTokenFailuresAreClassified(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status       int
		body         string
		class        apierr.Class
		reason, code string
	}{
		"wrong secret":        {400, `{"error":"invalid_client","error_description":"invalid client_secret parameter s&cret"}`, apierr.Retryable, apierr.ReasonCredentials, "invalid_client"},
		"wrong scope":         {400, `{"error":"invalid_scope","error_description":"x"}`, apierr.Retryable, apierr.ReasonCredentials, "invalid_scope"},
		"grant not allowed":   {400, `{"error":"unsupported_grant_type"}`, apierr.Retryable, apierr.ReasonCredentials, "unsupported_grant_type"},
		"too many":            {429, `{"error":"too_many"}`, apierr.Throttled, apierr.ReasonThrottled, "too_many"},
		"down":                {503, `<html>`, apierr.Retryable, apierr.ReasonServiceFault, ""},
		"another address":     {404, `<html>`, apierr.Retryable, apierr.ReasonConfig, ""},
		"a page in between":   {403, `<html>`, apierr.Retryable, apierr.ReasonConfig, ""},
		"milliseconds":        {200, `{"access_token":"t-s&cret","expires_in":86399992}`, apierr.Retryable, apierr.ReasonBadResponse, ""},
		"a life of a moment":  {200, `{"access_token":"t-s&cret","expires_in":59}`, apierr.Retryable, apierr.ReasonBadResponse, ""},
		"a life beyond count": {200, `{"access_token":"t-s&cret","expires_in":9223372036854775807}`, apierr.Retryable, apierr.ReasonBadResponse, ""},
		"no token":            {200, `{"expires_in":3600}`, apierr.Retryable, apierr.ReasonBadResponse, ""},
		"no JSON":             {200, `{"access_token":"t-s&cret","expires_in":3600`, apierr.Retryable, apierr.ReasonBadResponse, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := imsAt(record(t, answer(tt.status, tt.body, "Retry-After", "30"))).Token(t.Context())
			e := failure(t, err)
			require.Equal(t, tt.class, e.Class)
			require.Equal(t, tt.reason, e.Reason)
			require.Equal(t, tt.code, e.Code)
			require.Equal(t, "ims", e.Service)
			require.NotContains(t, strings.ToLower(err.Error()), "s&cret")
			if tt.class == apierr.Throttled {
				require.Equal(t, 30*time.Second, e.RetryAfter)
			}
		})
	}
}

func TestAThrottledTokenServiceIsLeftAlone(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(429, ``, "Retry-After", "60"))
	source := imsAt(rec)
	for range 3 {
		_, err := source.Token(t.Context())
		require.Equal(t, apierr.Throttled, apierr.ClassOf(err))
	}
	require.Len(t, rec.all(), 1)
}

func TestATokenServiceThatIsDownIsAskedAgainWhenItSays(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(503, ``, "Retry-After", "60"))
	source := imsAt(rec)
	_, err := source.Token(t.Context())
	require.Equal(t, apierr.ReasonServiceFault, failure(t, err).Reason)
	require.Equal(t, time.Minute, failure(t, err).RetryAfter)
	_, err = source.Token(t.Context())
	require.Equal(t, apierr.Throttled, apierr.ClassOf(err))
	require.Len(t, rec.all(), 1)
}

func TestTheSecretFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := record(t, answer(200, `{"access_token":"t","expires_in":3600}`))
	rec := record(t, answer(http.StatusTemporaryRedirect, ``, "Location", elsewhere.url+"/ims/token/v3"))
	_, err := imsAt(rec).Token(t.Context())
	require.Equal(t, apierr.ReasonConfig, failure(t, err).Reason)
	require.Empty(t, elsewhere.all())
}

func TestAnExpiredTokenIsReplacedAndTheCallReplayedOnce(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	tokens := record(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"access_token":"t%d","expires_in":3600}`, n.Add(1))
	})
	rec := record(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t2" {
			answer(401, `{"error_code":"401013","message":"Oauth token is not valid"}`)(w, r)
			return
		}
		answer(201, `{"PKey":"@x"}`)(w, r)
	})
	c, err := campaign.New(campaign.Options{BaseURL: rec.url + "/acme", Transport: transport.New(transport.Options{
		Service: "campaign", RootCAs: rec.pool, Tokens: imsAt(tokens)})})
	require.NoError(t, err)
	require.NoError(t, c.Create(t.Context(), profile, []byte(`{"a":1}`)))
	require.Len(t, rec.all(), 2)
	require.Equal(t, `{"a":1}`, rec.all()[1].Body)
}

// What is in between may answer for a moment; an address that is wrong does so for
// minutes.
func TestAnswersOfSomethingElseAreFinalOnceTheyLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := http.StatusForbidden
		source := campaign.NewIMSTokens(campaign.IMSOptions{URL: "https://ims.example.test", HTTPClient: &http.Client{Transport: canned(func() *http.Response {
			w := httptest.NewRecorder()
			w.WriteHeader(status)
			if status == http.StatusOK {
				fmt.Fprint(w, `{"access_token":"t","expires_in":60}`)
			}
			return w.Result()
		})}})
		class := func() apierr.Class {
			_, err := source.Token(t.Context())
			return apierr.ClassOf(err)
		}
		require.Equal(t, apierr.Retryable, class())
		time.Sleep(2*time.Minute - time.Second)
		require.Equal(t, apierr.Retryable, class())
		status = http.StatusOK
		require.Empty(t, class())
		time.Sleep(time.Minute)
		status = http.StatusTemporaryRedirect
		require.Equal(t, apierr.Retryable, class(), "since the answer that was one, there was no other")
		time.Sleep(2 * time.Minute)
		require.Equal(t, apierr.Blocked, class())
	})
}

// secretNow is a secret that may be replaced.
type secretNow struct {
	mu    sync.Mutex
	value string
	err   error
	reads int
}

func (s *secretNow) set(value string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value, s.err = value, err
}

func (s *secretNow) read() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.value, s.err
}

// rotating asks a token service that takes only the secret good.
func rotating(t *testing.T, now *secretNow, good *atomic.Value) (*campaign.IMSTokens, *recorder) {
	t.Helper()
	var n atomic.Int32
	var rec *recorder
	rec = record(t, func(w http.ResponseWriter, _ *http.Request) {
		all := rec.all()
		form, err := url.ParseQuery(all[len(all)-1].Body)
		if err != nil || form.Get("client_secret") != good.Load() {
			answer(400, `{"error":"invalid_client"}`)(w, nil)
			return
		}
		fmt.Fprintf(w, `{"access_token":"t%d","expires_in":3600}`, n.Add(1))
	})
	return campaign.NewIMSTokens(campaign.IMSOptions{URL: rec.url, ClientID: "id-1", Secret: "old", Reread: now.read,
		Scopes: []string{"campaign_sdk"}, HTTPClient: &http.Client{Transport: transport.NewBase(rec.pool)}}), rec
}

// A secret that is replaced is taken up at the next token; a refusal in between is
// not remembered.
func TestAReplacedSecretIsTakenUpAtTheNextToken(t *testing.T) {
	t.Parallel()
	now, good := &secretNow{value: "old"}, &atomic.Value{}
	good.Store("old")
	source, rec := rotating(t, now, good)
	token, err := source.Token(t.Context())
	require.NoError(t, err)
	now.set("new", nil)
	same, err := source.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, token, same, "a token that lives is kept")
	require.Equal(t, 1, now.reads, "only a request for a token reads the secret")

	source.Invalidate(token)
	_, err = source.Token(t.Context())
	require.Equal(t, apierr.ReasonCredentials, failure(t, err).Reason, "the service does not know the new one yet")
	require.Equal(t, apierr.Retryable, failure(t, err).Class, "and may soon")
	good.Store("new")
	_, err = source.Token(t.Context())
	require.NoError(t, err)
	require.Len(t, rec.all(), 3)
}

func TestASecretThatIsBeingReplaced(t *testing.T) {
	t.Parallel()
	now, good := &secretNow{}, &atomic.Value{}
	good.Store("old")
	now.set("", errors.New("secret file: no such file"))
	source, _ := rotating(t, now, good)
	token, err := source.Token(t.Context())
	require.NoError(t, err, "the last one is used while the file is missing")
	good.Store("new")
	source.Invalidate(token)
	_, err = source.Token(t.Context())
	require.ErrorContains(t, err, "the one that is configured now cannot be used: secret file: no such file")
	now.set("new", nil)
	_, err = source.Token(t.Context())
	require.NoError(t, err)
}

// A secret that is replaced while the old one is on its way is tried at once.
func TestASecretReplacedDuringTheRequest(t *testing.T) {
	t.Parallel()
	now := &secretNow{value: "old"}
	var rec *recorder
	rec = record(t, func(w http.ResponseWriter, _ *http.Request) {
		if strings.Contains(rec.all()[len(rec.all())-1].Body, "client_secret=new") {
			answer(200, `{"access_token":"t","expires_in":3600}`)(w, nil)
			return
		}
		now.set("new", nil)
		answer(400, `{"error":"invalid_client"}`)(w, nil)
	})
	source := campaign.NewIMSTokens(campaign.IMSOptions{URL: rec.url, Secret: "old", Reread: now.read, HTTPClient: &http.Client{Transport: transport.NewBase(rec.pool)}})
	token, err := source.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "t", token)
	require.Len(t, rec.all(), 2)
}

// While IMS asks to wait, a token that still lives is used.
func TestALivingTokenOutlastsAThrottledRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, throttled := 0, false
		source := campaign.NewIMSTokens(campaign.IMSOptions{URL: "https://ims.example.test", HTTPClient: &http.Client{Transport: canned(func() *http.Response {
			asked++
			w := httptest.NewRecorder()
			if throttled {
				w.Header().Set("Retry-After", "60")
				w.WriteHeader(429)
			} else {
				fmt.Fprintf(w, `{"access_token":"t%d","expires_in":3600}`, asked)
			}
			return w.Result()
		})}})
		want := func(token string, requests int) {
			t.Helper()
			got, err := source.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, token, got)
			require.Equal(t, requests, asked)
		}
		want("t1", 1)
		throttled = true
		time.Sleep(54 * time.Minute)
		want("t1", 2)
		want("t1", 2)
		throttled = false
		time.Sleep(time.Minute)
		want("t3", 3)
	})
}
