package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Target is the services that are asked. One without an address is not.
type Target struct {
	CampaignURL, IMSURL, JournalURL string
	ClientID, Secret, Scopes        string
	Organization                    string // IMS organization, for the journal

	DynamicsURL, Authority         string // Authority is that of the tenant: https://<host>/<tenant>
	DynamicsClient, DynamicsSecret string

	Files Files

	Client  *http.Client
	Writes  bool // questions that change records may be asked
	Sandbox bool // it is a sandbox
}

// Skipped is the answer to a question that was not asked.
const Skipped = "not asked"

// Around is called before each question, and what it returns after it.
type Around func(c Check) func(answer string)

// Ask asks every question, and returns the answers in their order.
func (t Target) Ask(ctx context.Context, around Around) ([]string, error) {
	if around == nil {
		around = func(Check) func(string) { return func(string) {} }
	}
	tokens, err := t.tokens(ctx)
	if err != nil {
		return nil, err
	}
	own := suite{target: t, tokens: tokens, key: "causeway-conformance-" + strconv.FormatInt(time.Now().UnixMilli(), 36), id: uuid.NewString(), none: uuid.NewString()}
	checks := All()
	out := make([]string, len(checks))
	for i, c := range checks {
		if c.Writes && !t.Writes || c.Sandbox && !t.Sandbox || t.address(c.Service) == "" {
			out[i] = Skipped
			continue
		}
		after := around(c)
		if out[i], err = own.one(ctx, c); err != nil {
			return nil, fmt.Errorf("%s %s: %w", c.Row, c.Name, err)
		}
		after(out[i])
	}
	return out, nil
}

func (t Target) address(service string) string {
	switch service {
	case "ims":
		return t.IMSURL
	case "journal":
		return t.JournalURL
	case "dataverse":
		return t.DynamicsURL
	case "entra":
		return t.Authority
	}
	return t.CampaignURL
}

// suite is one pass over the questions.
type suite struct {
	target        Target
	tokens        map[string]string
	key, id, none string
}

// tokens are those for each service.
func (t Target) tokens(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	if t.IMSURL != "" {
		adobe, err := t.token(ctx, t.IMSURL+"/ims/token/v3", url.Values{"client_id": {t.ClientID}, "client_secret": {t.Secret}, "scope": {t.Scopes}})
		if err != nil {
			return nil, err
		}
		out["campaign"], out["ims"], out["journal"] = adobe, adobe, adobe
	}
	if t.DynamicsURL != "" {
		microsoft, err := t.token(ctx, t.Authority+"/oauth2/v2.0/token", url.Values{"client_id": {t.DynamicsClient}, "client_secret": {t.DynamicsSecret}, "scope": {t.DynamicsURL + "/.default"}})
		if err != nil {
			return nil, err
		}
		out["dataverse"] = microsoft
	}
	return out, nil
}

func (t Target) token(ctx context.Context, at string, form url.Values) (string, error) {
	form.Set("grant_type", "client_credentials")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := t.Client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var body struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil || body.Token == "" {
		return "", errors.Join(fmt.Errorf("asking %s for a token: got status %d, want 200 with a token", at, res.StatusCode), err)
	}
	return body.Token, nil
}

// one asks one question.
func (s suite) one(ctx context.Context, c Check) (string, error) {
	t := s.target
	method, path := c.Method, c.Path
	if method == "" {
		method = http.MethodGet
	}
	at := t.address(c.Service)
	switch {
	case strings.HasPrefix(path, "//"): // of the host
		u, err := url.Parse(at)
		if err != nil {
			return "", err
		}
		at, path = u.Scheme+"://"+u.Host, path[1:]
	case c.Service == "campaign":
		path = "/campaign" + path
	case c.Service == "dataverse" && !strings.HasPrefix(path, "/"):
		path = api + path
	}
	fill := strings.NewReplacer("{key}", s.key, "{id}", s.id, "{none}", s.none, "{client}", url.QueryEscape(t.ClientID), "{app}", url.QueryEscape(t.DynamicsClient),
		"{secret}", url.QueryEscape(t.DynamicsSecret), "{adobesecret}", url.QueryEscape(t.Secret), "{resource}", url.QueryEscape(t.DynamicsURL))
	r, err := http.NewRequestWithContext(ctx, method, at+fill.Replace(path), strings.NewReader(fill.Replace(c.Body)))
	if err != nil {
		return "", err
	}
	s.dress(r, c)
	for _, h := range c.Headers {
		name, value, _ := strings.Cut(fill.Replace(h), ":")
		r.Header.Del(name)
		if value = strings.TrimSpace(value); value != "" {
			r.Header.Set(name, value)
		}
	}
	res, err := t.Client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", err
	}
	return c.summary(res.StatusCode, res.Header, body), nil
}

// dress gives a request the headers that its service wants.
func (s suite) dress(r *http.Request, c Check) {
	switch c.Service {
	case "entra":
		r.Header = http.Header{}
		if c.Body != "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return
	case "dataverse":
		r.Header = http.Header{"Authorization": {"Bearer " + s.tokens[c.Service]}, "Accept": {"application/json"}, "Odata-Version": {"4.0"}, "Odata-Maxversion": {"4.0"}}
	default:
		r.Header = http.Header{"Authorization": {"Bearer " + s.tokens[c.Service]}, "X-Api-Key": {s.target.ClientID}, "X-Ims-Org-Id": {s.target.Organization}, "Cache-Control": {"no-cache"}}
	}
	if c.Body != "" {
		r.Header.Set("Content-Type", "application/json;charset=utf-8")
	}
}
