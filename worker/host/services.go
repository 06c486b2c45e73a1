package host

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/config"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/transport"
)

// tokenTimeout bounds a request for a token.
const tokenTimeout = 30 * time.Second

// Services are the two systems a flow connects.
type Services struct {
	Dataverse    *dataverse.Client
	Campaign     *campaign.Client
	CampaignGate *transport.Gate
}

// NewServices builds one client per system, each with one gate and one limiter
// for all work on its credential in this process.
func NewServices(cfg *config.Config, scope tally.Scope) (*Services, error) {
	dv, err := newDataverse(cfg, scope)
	if err != nil {
		return nil, err
	}
	s := &Services{Dataverse: dv, CampaignGate: transport.NewGate()}
	if s.Campaign, err = newCampaign(cfg, scope, s.CampaignGate); err != nil {
		return nil, err
	}
	return s, nil
}

func newDataverse(cfg *config.Config, scope tally.Scope) (*dataverse.Client, error) {
	d := cfg.Dynamics
	roots, err := extraRoots("dynamics.ca_file", d.CAFile)
	if err != nil {
		return nil, err
	}
	options := dataverse.MSALOptions{
		Authority: strings.TrimSuffix(d.Authority, "/") + "/" + d.Tenant, ClientID: d.ClientID,
		Scope: strings.TrimSuffix(d.URL, "/") + "/.default", InstanceDiscovery: d.InstanceDiscovery,
		HTTPClient: &http.Client{Timeout: tokenTimeout, Transport: transport.NewBase(roots)},
	}
	if d.ClientCertificate.IsSet() {
		pem, err := d.ClientCertificate.Resolve()
		if err != nil {
			return nil, fmt.Errorf("dynamics.client_certificate: %w", err)
		}
		options.CertificatePEM = []byte(pem)
	} else if options.Secret, err = d.ClientSecret.Resolve(); err != nil {
		return nil, fmt.Errorf("dynamics.client_secret: %w", err)
	}
	tokens, err := dataverse.NewMSALTokens(options)
	if err != nil {
		return nil, fmt.Errorf("dynamics credentials: %w", err)
	}
	return dataverse.New(dataverse.Options{
		OrgURL: d.URL, PageSize: d.PageSize,
		Transport: transport.New(transport.Options{
			Service: "dataverse", RootCAs: roots, Tokens: tokens, Gate: transport.NewGate(),
			Limiter: transport.NewLimiter(transport.LimiterOptions{Min: 1, Max: d.Concurrency, Adaptive: true}),
			Timeout: time.Duration(d.Timeout), Metrics: scope,
		}),
	})
}

func newCampaign(cfg *config.Config, scope tally.Scope, gate *transport.Gate) (*campaign.Client, error) {
	c := cfg.Campaign
	roots, err := extraRoots("campaign.ca_file", c.CAFile)
	if err != nil {
		return nil, err
	}
	secret, err := c.ClientSecret.Resolve()
	if err != nil {
		return nil, fmt.Errorf("campaign.client_secret: %w", err)
	}
	tokens := campaign.NewIMSTokens(campaign.IMSOptions{
		URL: c.IMSURL, ClientID: c.ClientID, Secret: secret, Scopes: c.Scopes,
		HTTPClient: &http.Client{Timeout: tokenTimeout, Transport: transport.NewBase(roots)},
	})
	return campaign.New(campaign.Options{
		BaseURL: c.URL, APIKey: c.ClientID,
		Transport: transport.New(transport.Options{
			Service: "campaign", RootCAs: roots, Tokens: tokens, Gate: gate,
			Limiter: transport.NewLimiter(transport.LimiterOptions{
				Min: min(4, c.Concurrency), Max: c.Concurrency, Adaptive: true, RatePerSecond: c.Rate, LearnRate: true,
			}),
			Timeout: time.Duration(c.Timeout), Metrics: scope,
		}),
	})
}

// extraRoots are the system's roots and those of a file; nil means the system's.
func extraRoots(path, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %s holds no PEM certificate", path, file)
	}
	return pool, nil
}

func openLedger(ctx context.Context, cfg *config.Config, logger *slog.Logger) (*ledger.Ledger, error) {
	l := cfg.Ledger
	options := ledger.Options{Driver: l.Driver, Path: l.Path, Synchronous: l.Synchronous, Logger: logger}
	var err error
	if l.DSN.IsSet() {
		if options.DSN, err = l.DSN.Resolve(); err != nil {
			return nil, fmt.Errorf("ledger.dsn: %w", err)
		}
	}
	if l.EncryptionKey.IsSet() {
		key, err := l.EncryptionKey.Resolve()
		if err != nil {
			return nil, fmt.Errorf("ledger.encryption_key: %w", err)
		}
		if options.EncryptionKey, err = ledger.ParseKey(key); err != nil {
			return nil, fmt.Errorf("ledger.encryption_key: %w", err)
		}
	}
	opened, err := ledger.Open(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	return opened, nil
}
