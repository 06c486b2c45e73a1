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
)

// Target is the services that are asked.
type Target struct {
	CampaignURL, IMSURL, JournalURL string // JournalURL "" = the journal is not asked
	ClientID, Secret, Scopes        string
	Organization                    string // IMS organization, for the journal
	Client                          *http.Client
	Writes                          bool // questions that change records may be asked
}

// Skipped is the answer to a question that was not asked.
const Skipped = "not asked"

// Ask asks every question, and returns the answers in their order.
func (t Target) Ask(ctx context.Context) ([]string, error) {
	token, err := t.token(ctx)
	if err != nil {
		return nil, err
	}
	key := "causeway-conformance-" + strconv.FormatInt(time.Now().UnixMilli(), 36)
	out := make([]string, len(Checks))
	for i, c := range Checks {
		if c.Writes && !t.Writes || c.Service == "journal" && t.JournalURL == "" {
			out[i] = Skipped
			continue
		}
		if out[i], err = t.one(ctx, c, token, key); err != nil {
			return nil, fmt.Errorf("%s %s: %w", c.Row, c.Name, err)
		}
	}
	return out, nil
}

func (t Target) token(ctx context.Context) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {t.ClientID}, "client_secret": {t.Secret}, "scope": {t.Scopes}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.IMSURL+"/ims/token/v3", strings.NewReader(form.Encode()))
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
		return "", errors.Join(fmt.Errorf("asking for a token: got status %d, want 200 with a token", res.StatusCode), err)
	}
	return body.Token, nil
}

// one asks one question. The answer is its status, and the first phrase it holds.
func (t Target) one(ctx context.Context, c Check, token, key string) (string, error) {
	method, at := c.Method, t.CampaignURL+"/campaign"
	if method == "" {
		method = http.MethodGet
	}
	switch c.Service {
	case "ims":
		at = t.IMSURL
	case "journal":
		at = t.JournalURL
	}
	fill := strings.NewReplacer("{key}", key, "{client}", url.QueryEscape(t.ClientID))
	r, err := http.NewRequestWithContext(ctx, method, at+fill.Replace(c.Path), strings.NewReader(fill.Replace(c.Body)))
	if err != nil {
		return "", err
	}
	r.Header = http.Header{"Authorization": {"Bearer " + token}, "X-Api-Key": {t.ClientID}, "X-Ims-Org-Id": {t.Organization}, "Cache-Control": {"no-cache"}}
	if c.Body != "" {
		r.Header.Set("Content-Type", "application/json;charset=utf-8")
	}
	for _, h := range c.Headers {
		name, value, _ := strings.Cut(h, ":")
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
	got := strconv.Itoa(res.StatusCode)
	if res.StatusCode < 300 && c.Service != "ims" {
		return got, nil // records may hold anything
	}
	for _, phrase := range phrases {
		if strings.Contains(string(body), phrase) {
			return got + " " + phrase, nil
		}
	}
	return got, nil
}
