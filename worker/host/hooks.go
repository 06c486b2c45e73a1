package host

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/config"
	"causeway.dev/internal/hooks"
	"causeway.dev/internal/ledger"
)

// newPushes are the pushes of this worker; nil when it takes none.
func newPushes(cfg *config.Config, l *ledger.Ledger, scope tally.Scope, logger *slog.Logger) *run.Pushes {
	if cfg.Hooks.Listen == "" {
		return nil
	}
	return run.NewPushes(run.PushOptions{Ledger: l, Every: cfg.Hooks.Every, Poll: cfg.Hooks.Poll, Late: cfg.Hooks.Late, Metrics: scope, Logger: logger})
}

// newHooks is where this worker takes calls; nil when it takes none.
func newHooks(cfg *config.Config, pushes *run.Pushes, scope tally.Scope, logger *slog.Logger) (*hooks.Listener, error) {
	h := cfg.Hooks
	if pushes == nil {
		return nil, nil
	}
	o := hooks.Options{
		Listen: h.Listen, Secrets: h.Secrets, Header: h.Header, Query: h.Query, Tables: hookTables(cfg), Came: pushes.Came,
		MaxBody: int64(h.BodyKiB) << 10, Timeout: h.Timeout, Connections: h.Connections, Metrics: scope, Logger: logger,
	}
	if h.Certificate.IsSet() {
		o.Certificate = func() (tls.Certificate, error) { return hookCertificate(h.Certificate) }
	}
	if h.ClientCAFile != "" {
		pem, err := os.ReadFile(h.ClientCAFile)
		if err != nil {
			return nil, fmt.Errorf("hooks.client_ca_file: %w", err)
		}
		if o.ClientCAs = x509.NewCertPool(); !o.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("hooks.client_ca_file: %s holds no PEM certificate", h.ClientCAFile)
		}
	}
	return hooks.New(o)
}

func hookCertificate(s config.Secret) (tls.Certificate, error) {
	text, err := s.Resolve()
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("hooks.certificate: %w", err)
	}
	pair, err := tls.X509KeyPair([]byte(text), []byte(text))
	if err != nil {
		return tls.Certificate{}, errors.New("hooks.certificate: want a PEM text with a certificate and its unencrypted private key")
	}
	return pair, nil
}

// hookTables are the flows that read a table of Dynamics, by the names that an address may
// give it: that of Dynamics, and that of the mapping.
func hookTables(cfg *config.Config) map[string][]string {
	out := map[string][]string{}
	add := func(name, flow string) {
		if name = strings.ToLower(name); !slices.Contains(out[name], flow) {
			out[name] = append(out[name], flow)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Ingress.Tables)) {
		add(cfg.Ingress.Tables[name].Dynamics.Table, name)
		add(name, name)
	}
	if cfg.OptOut.Mode.WritesDynamics() {
		add("contact", activities.FlowOptOut)
	}
	return out
}

// pushStates are how the flows are told, for status; nil when nobody is to tell them.
func pushStates(cfg *config.Config, l *ledger.Ledger) func(context.Context) ([]activities.PushState, error) {
	if cfg.Hooks.Listen == "" {
		return nil
	}
	flows := map[string]bool{}
	for _, names := range hookTables(cfg) {
		for _, name := range names {
			flows[name] = true
		}
	}
	return func(ctx context.Context) (out []activities.PushState, err error) {
		for _, flow := range slices.Sorted(maps.Keys(flows)) {
			last, err := l.LastPush(ctx, flow)
			if err != nil {
				return nil, err
			}
			trust, err := run.PushTrustOf(ctx, l, flow)
			if err != nil {
				return nil, err
			}
			out = append(out, activities.PushState{Flow: flow, Last: last, Useful: trust.Useful, Missed: trust.Missed, Told: trust.Earned()})
		}
		return out, nil
	}
}

// missedCalls has every flow look once, also those that another worker carries: nobody may
// have taken calls until now, and Dynamics does not repeat one that was not taken.
func missedCalls(cfg *config.Config, pushes *run.Pushes) {
	for _, flows := range hookTables(cfg) {
		for _, flow := range flows {
			pushes.Came(flow)
		}
	}
}

// callHooks calls the address of hooks.listen as somebody who does not know the secret, who
// is to be refused.
func callHooks(ctx context.Context, cfg *config.Config) (address string, err error) {
	h := cfg.Hooks
	host, port, err := net.SplitHostPort(h.Listen)
	if err != nil {
		return h.Listen, err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	address = net.JoinHostPort(host, port)
	if h.ClientCAFile != "" { // it would want a certificate
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return address, err
		}
		return address, c.Close()
	}
	scheme := "http"
	if h.Certificate.IsSet() {
		scheme = "https"
	}
	// Whose certificate it is does not matter here, and the name in it is that of the outside.
	base := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}} //nolint:gosec // nothing secret is said
	defer base.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, scheme+"://"+address+hooks.Path, nil)
	if err != nil {
		return address, err
	}
	res, err := (&http.Client{Transport: base, Timeout: h.Timeout}).Do(req)
	if err != nil {
		return address, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		return address, fmt.Errorf("a call without the secret is answered with %s, not 401", res.Status)
	}
	return address, nil
}
