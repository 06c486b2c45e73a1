package simulation

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"causeway.dev/activities/egress"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/transport"
)

// token asks for a token that outlives the simulation.
func token(from http.Handler, link, scope string) string {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {apiKey}, "client_secret": {secret}, "scope": {scope}}
	r := httptest.NewRequest(http.MethodPost, link, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	from.ServeHTTP(rec, r)
	var got struct {
		Token string `json:"access_token"`
	}
	if json.Unmarshal(rec.Body.Bytes(), &got) != nil || got.Token == "" {
		panic("no token: " + rec.Body.String())
	}
	return got.Token
}

// fixed is a token that does not change.
type fixed string

func (t fixed) Token(context.Context) (string, error) { return string(t), nil }
func (fixed) Invalidate(string)                       {}

// sender is the transport of a client of an attempt.
func (w *world) sender(a *attempt, service, token string) transport.Options {
	return transport.Options{Service: service, Base: w.net.transport(a), Tokens: fixed(token), Gate: transport.NewGate(), Timeout: 24 * time.Hour}
}

func (w *world) dynamicsOf(a *attempt) (*dataverse.Client, *transport.Gate) {
	o := w.sender(a, "dataverse", w.tokens[0])
	c, err := dataverse.New(dataverse.Options{OrgURL: "https://" + dynamicsHost, PageSize: pageSize, Transport: transport.New(o)})
	must(err)
	return c, o.Gate
}

// ingressOf makes a worker for an attempt.
func (w *world) ingressOf(a *attempt) *ingress.Activities {
	source, _ := w.dynamicsOf(a)
	o := w.sender(a, "campaign", w.tokens[1])
	target, err := campaign.New(campaign.Options{BaseURL: "https://" + campaignHost + "/" + tenant, APIKey: apiKey, Transport: transport.New(o)})
	must(err)
	return ingress.New(ingress.Options{Source: source, Target: target, TargetGate: o.Gate, Ledger: w.ledger(), Concurrency: 4, Lanes: lanes, Clock: a.clock,
		CatchUpSlack: 5 * time.Minute, DeleteRatio: 1, DeleteMin: 1000, KeepBefores: 14 * 24 * time.Hour})
}

// egressOf makes a worker for an attempt at the events.
func (w *world) egressOf(a *attempt) *egress.Activities {
	target, gate := w.dynamicsOf(a)
	from, err := campaign.NewJournal(campaign.JournalOptions{URL: "https://" + journalHost + w.journal.Path(), APIKey: apiKey, OrgID: organization,
		Transport: transport.New(w.sender(a, "journal", w.tokens[1]))})
	must(err)
	return egress.New(egress.Options{Journal: from, Dynamics: target, DynamicsGate: gate, Ledger: w.ledger(), PageSize: pageSize, BatchSize: 50,
		Concurrency: 1, Lanes: lanes, KeepEvents: 30 * 24 * time.Hour})
}

func (w *world) ledger() *ledger.Ledger {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.books
}
