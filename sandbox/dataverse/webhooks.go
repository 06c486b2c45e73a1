package dataverse

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"causeway.dev/sandbox/kit"
)

// Webhook is a service endpoint of contract 8 with asynchronous steps in stage PostOperation,
// as the Plug-in Registration tool makes them. The service takes ports 80 and 443 only; the
// sandbox takes any, because tests have no such port.
//
// Source: Microsoft, "Use webhooks to create external handlers for server events" and
// "Register a webhook".
type Webhook struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// AuthType is HttpHeader, WebhookKey or HttpQueryString, and AuthValue what goes with it: the
	// value of code for WebhookKey, else one value by its key.
	AuthType  string            `json:"authtype"`
	AuthKey   string            `json:"authvalue,omitempty"`
	AuthPairs map[string]string `json:"authpairs,omitempty"`
	Table     string            `json:"table"`              // logical name
	Messages  []string          `json:"messages,omitempty"` // Create, Update, Delete; none = all three
	DelayMS   int               `json:"delay_ms,omitempty"` // until the asynchronous service comes to it
	CA        string            `json:"ca,omitempty"`       // PEM, to trust besides the system's

	Posted    int    `json:"posted"`    // calls that were made, repeated ones too
	Succeeded int    `json:"succeeded"` // system jobs
	Failed    int    `json:"failed"`
	LastError string `json:"last_error,omitempty"` // of a system job
}

const (
	// webhookTimeout, webhookSize: the call fails after the one, and loses most of its content
	// beyond the other.
	webhookTimeout = 60 * time.Second
	webhookSize    = 256 << 10
	organizationIs = "sandbox"
)

// webhooks are those registered, with the calls that are to be made, in order.
type webhooks struct {
	mu  sync.Mutex
	all []*registered
}

type registered struct {
	Webhook
	client *http.Client
	jobs   chan job
}

// happened is what a transaction did to a row.
type happened struct {
	message, table, key string
	attributes          []any
}

// job is a system job: one call.
type job struct {
	happened
	by string
	at time.Time
}

// RegisterWebhook makes an endpoint with its steps.
func (s *Server) RegisterWebhook(w Webhook) error {
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("url: got %q, want an address that begins with https://", w.URL)
	case w.Name == "":
		return fmt.Errorf("name: got nothing")
	case s.names[w.Table] == nil:
		return fmt.Errorf("table: there is no table %q", w.Table)
	case w.AuthType == "WebhookKey" && w.AuthKey == "", (w.AuthType == "HttpHeader" || w.AuthType == "HttpQueryString") && len(w.AuthPairs) == 0:
		return fmt.Errorf("%s: got no value", w.AuthType)
	case w.AuthType != "WebhookKey" && w.AuthType != "HttpHeader" && w.AuthType != "HttpQueryString":
		return fmt.Errorf("authtype: got %q, want HttpHeader, WebhookKey or HttpQueryString", w.AuthType)
	}
	if len(w.Messages) == 0 {
		w.Messages = []string{"Create", "Update", "Delete"}
	}
	for _, m := range w.Messages {
		if m != "Create" && m != "Update" && m != "Delete" {
			return fmt.Errorf("messages: got %q, want Create, Update or Delete", m)
		}
	}
	w.Posted, w.Succeeded, w.Failed, w.LastError = 0, 0, 0, ""
	base := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if w.CA != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(w.CA)) {
			return fmt.Errorf("ca: want a PEM certificate")
		}
		base.TLSClientConfig.RootCAs = pool
	}
	h := &registered{Webhook: w, jobs: make(chan job, 100_000), client: &http.Client{Transport: base, Timeout: webhookTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	if slices.ContainsFunc(s.hooks.all, func(o *registered) bool { return o.Name == w.Name }) {
		return fmt.Errorf("name: there is a webhook %q", w.Name)
	}
	s.hooks.all = append(s.hooks.all, h)
	s.hooked.Store(true)
	go s.work(h)
	return nil
}

// RemoveWebhook removes an endpoint; false when there was none.
func (s *Server) RemoveWebhook(name string) bool {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	i := slices.IndexFunc(s.hooks.all, func(o *registered) bool { return o.Name == name })
	if i < 0 {
		return false
	}
	close(s.hooks.all[i].jobs)
	s.hooks.all = slices.Delete(s.hooks.all, i, i+1)
	s.hooked.Store(len(s.hooks.all) > 0)
	return true
}

// Webhooks lists the endpoints with what became of their system jobs.
func (s *Server) Webhooks() []Webhook {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	out := []Webhook{}
	for _, h := range s.hooks.all {
		w := h.Webhook
		w.AuthKey, w.AuthPairs = "", nil // the service does not show them either
		out = append(out, w)
	}
	return out
}

// tell makes the system jobs of a transaction that was kept.
func (s *Server) tell(x *tx) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	for _, did := range x.did {
		for _, h := range s.hooks.all {
			if h.Table == did.table && slices.Contains(h.Messages, did.message) {
				select {
				case h.jobs <- job{did, x.by, x.now}:
				default:
					h.Failed, h.LastError = h.Failed+1, "the queue of system jobs is full"
				}
			}
		}
	}
}

// note keeps what was done to a row, where somebody wants to know.
func (x *tx) note(message string, t *table, key string, set []assignment) {
	if !x.s.hooked.Load() {
		return
	}
	h := happened{message: message, table: t.LogicalName, key: key}
	for _, a := range set {
		h.attributes = append(h.attributes, map[string]any{"key": t.Columns[a.column].property(), "value": json.RawMessage(orNull(a.value))})
	}
	x.did = append(x.did, h)
}

func orNull(literal []byte) []byte {
	if literal == nil {
		return []byte("null")
	}
	return literal
}

// work carries the system jobs of an endpoint out, one after the other.
func (s *Server) work(h *registered) {
	for j := range h.jobs {
		time.Sleep(time.Duration(h.DelayMS) * time.Millisecond)
		status, err := s.post(h, j)
		if status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout {
			status, err = s.post(h, j) // only these, and once
		}
		s.hooks.mu.Lock()
		switch {
		case err != nil:
			h.Failed, h.LastError = h.Failed+1, "The webhook call failed: "+err.Error()
		case status < 200 || status > 299:
			h.Failed, h.LastError = h.Failed+1, fmt.Sprintf("The webhook call failed: the endpoint returned %d", status)
		default:
			h.Succeeded++
		}
		s.hooks.mu.Unlock()
	}
}

func (s *Server) post(h *registered, j job) (int, error) {
	s.hooks.mu.Lock()
	h.Posted++
	s.hooks.mu.Unlock()
	body, exceeded := j.body()
	ctx, cancel := context.WithTimeout(context.Background(), webhookTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	q := req.URL.Query()
	switch h.AuthType {
	case "WebhookKey":
		q.Set("code", h.AuthKey)
	case "HttpQueryString":
		for k, v := range h.AuthPairs {
			q.Set(k, v)
		}
	case "HttpHeader":
		for k, v := range h.AuthPairs {
			req.Header.Set(k, v)
		}
	}
	req.URL.RawQuery = q.Encode()
	for k, v := range map[string]string{
		"Content-Type": "application/json", "x-request-id": uuid.NewString(), "x-ms-correlation-request-id": uuid.NewString(),
		"x-ms-dynamics-organization": organizationIs, "x-ms-dynamics-entity-name": j.table, "x-ms-dynamics-request-name": j.message,
	} {
		req.Header.Set(k, v)
	}
	if exceeded {
		req.Header.Set("x-ms-dynamics-msg-size-exceeded", "true")
	}
	res, err := h.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, nil
}

// body is the RemoteExecutionContext. Beyond 256 KB it loses what was changed.
func (j job) body() (body []byte, exceeded bool) {
	const contracts = "http://schemas.microsoft.com/xrm/2011/Contracts"
	target := map[string]any{"__type": "Entity:" + contracts, "Attributes": j.attributes, "EntityState": nil, "FormattedValues": []any{}, "Id": j.key,
		"KeyAttributes": []any{}, "LogicalName": j.table, "RelatedEntities": []any{}, "RowVersion": nil}
	if j.message == "Delete" {
		target = map[string]any{"__type": "EntityReference:" + contracts, "Id": j.key, "KeyAttributes": []any{}, "LogicalName": j.table, "Name": nil, "RowVersion": nil}
	}
	all := map[string]any{
		"BusinessUnitId": businessUnit, "CorrelationId": uuid.NewString(), "Depth": 1, "InitiatingUserId": j.by,
		"InputParameters": []any{map[string]any{"key": "Target", "value": target}}, "IsExecutingOffline": false, "IsInTransaction": false, "IsOfflinePlayback": false,
		"IsolationMode": 1, "MessageName": j.message, "Mode": 1, "OperationCreatedOn": fmt.Sprintf("/Date(%d+0000)/", j.at.UnixMilli()), "OperationId": uuid.NewString(),
		"OrganizationId": organization, "OrganizationName": organizationIs, "OutputParameters": []any{}, "ParentContext": nil, "PostEntityImages": []any{}, "PreEntityImages": []any{},
		"PrimaryEntityId": j.key, "PrimaryEntityName": j.table, "RequestId": nil, "SecondaryEntityName": "none", "SharedVariables": []any{}, "Stage": 40, "UserId": j.by,
	}
	body, err := json.Marshal(all)
	if err == nil && len(body) <= webhookSize {
		return body, false
	}
	for _, large := range []string{"ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages"} {
		delete(all, large)
	}
	body, _ = json.Marshal(all) //nolint:errchkjson // texts and numbers
	return body, true
}

// adminWebhooks serves /webhooks: GET list, POST a Webhook, DELETE ?name=.
func (s *Server) adminWebhooks(mux *http.ServeMux) {
	mux.HandleFunc("GET /webhooks", func(w http.ResponseWriter, _ *http.Request) { kit.WriteJSON(w, 200, s.Webhooks()) })
	mux.HandleFunc("POST /webhooks", func(w http.ResponseWriter, r *http.Request) {
		var hook Webhook
		dec := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
		dec.DisallowUnknownFields()
		err := dec.Decode(&hook)
		if err == nil {
			err = s.RegisterWebhook(hook)
		}
		if err != nil {
			kit.WriteJSON(w, 400, map[string]string{"error": err.Error()})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /webhooks", func(w http.ResponseWriter, r *http.Request) {
		if !s.RemoveWebhook(r.URL.Query().Get("name")) {
			kit.WriteJSON(w, 404, map[string]string{"error": "no such webhook"})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}
