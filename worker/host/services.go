package host

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
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
	Dataverse     *dataverse.Client
	DataverseGate *transport.Gate
	Campaign      *campaign.Client
	CampaignGate  *transport.Gate
	Journal       *campaign.Journal // nil when none is configured
	SFTP          *campaign.SFTP    // nil when none is configured
	Watch         *transport.Watch  // over all of them

	DataverseLimiter *transport.Limiter
	CampaignLimiter  *transport.Limiter
	Gates            map[string]*transport.Gate // of all of them, by service
}

// NewServices builds one client per system, each with one gate and one limiter
// for all work on its credential in this process. Shares divide both between workers. It fails when a secret cannot be
// read; later the clients read secrets again, before each request for a token.
func NewServices(cfg *config.Config, scope tally.Scope, logger *slog.Logger) (*Services, error) {
	s := &Services{DataverseGate: transport.NewGate(), CampaignGate: transport.NewGate(),
		DataverseLimiter: transport.NewLimiter(transport.LimiterOptions{Min: 1, Max: cfg.Dynamics.Concurrency, Adaptive: true}),
		CampaignLimiter: transport.NewLimiter(transport.LimiterOptions{
			Min: min(4, cfg.Campaign.Concurrency), Max: cfg.Campaign.Concurrency, Adaptive: true, RatePerSecond: cfg.Campaign.Rate, LearnRate: true,
		}),
		Watch: transport.NewWatch(scope, logger, "dataverse", "entra", "campaign", "ims", "journal", "sftp")}
	s.Gates = map[string]*transport.Gate{"dataverse": s.DataverseGate, "campaign": s.CampaignGate, "journal": transport.NewGate(), "entra": transport.NewGate(), "ims": transport.NewGate()}
	var err error
	if s.Dataverse, err = newDataverse(cfg, scope, s); err != nil {
		return nil, err
	}
	roots, err := extraRoots("campaign.ca_file", cfg.Campaign.CAFile)
	if err != nil {
		return nil, err
	}
	tokens, err := newIMSTokens(cfg, s.Watch, roots, s.Gates["ims"])
	if err != nil {
		return nil, err
	}
	if s.Campaign, err = newCampaign(cfg, scope, s, roots, tokens); err != nil {
		return nil, err
	}
	if s.Journal, err = newJournal(cfg, scope, s, roots, tokens); err != nil {
		return nil, err
	}
	s.SFTP, err = newSFTP(cfg, s.Watch)
	return s, err
}

// newSFTP is the client of the file server; nil when none is configured.
func newSFTP(cfg *config.Config, watch *transport.Watch) (*campaign.SFTP, error) {
	c := cfg.Campaign.SFTP
	if !c.Configured() {
		return nil, nil
	}
	read := func() (string, error) {
		key, err := c.Key.Resolve()
		return key + "\n", err // a PEM text ends with a line break
	}
	key, err := read()
	if err != nil {
		return nil, fmt.Errorf("campaign.sftp.key: %w", err)
	}
	return campaign.NewSFTP(campaign.SFTPOptions{
		Addr: net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), User: c.User, Key: []byte(key), Reread: read, KnownHosts: c.KnownHosts, Fingerprint: c.Fingerprint, Watch: watch,
	})
}

// newMSALTokens is a source of tokens of the app registration, with its credential as it is
// now.
func newMSALTokens(cfg *config.Config, watch *transport.Watch, roots *x509.CertPool, gate *transport.Gate) (_ *dataverse.MSALTokens, err error) {
	d := cfg.Dynamics
	options := dataverse.MSALOptions{
		Authority: strings.TrimSuffix(d.Authority, "/") + "/" + d.Tenant, ClientID: d.ClientID,
		Scope: strings.TrimSuffix(d.URL, "/") + "/.default", InstanceDiscovery: d.InstanceDiscovery,
		HTTPClient: &http.Client{Timeout: tokenTimeout, Transport: transport.Witnessed(transport.NewBase(roots))}, Watch: watch, Gate: gate,
	}
	if d.ClientCertificate.IsSet() {
		pem, err := d.ClientCertificate.Resolve()
		if err != nil {
			return nil, fmt.Errorf("dynamics.client_certificate: %w", err)
		}
		options.CertificatePEM, options.Reread = []byte(pem), d.ClientCertificate.Resolve
	} else {
		if options.Secret, err = d.ClientSecret.Resolve(); err != nil {
			return nil, fmt.Errorf("dynamics.client_secret: %w", err)
		}
		options.Reread = d.ClientSecret.Resolve
	}
	tokens, err := dataverse.NewMSALTokens(options)
	if err != nil {
		return nil, fmt.Errorf("dynamics credentials: %w", err)
	}
	return tokens, nil
}

func newDataverse(cfg *config.Config, scope tally.Scope, s *Services) (*dataverse.Client, error) {
	d := cfg.Dynamics
	roots, err := extraRoots("dynamics.ca_file", d.CAFile)
	if err != nil {
		return nil, err
	}
	tokens, err := newMSALTokens(cfg, s.Watch, roots, s.Gates["entra"])
	if err != nil {
		return nil, err
	}
	return dataverse.New(dataverse.Options{
		OrgURL: d.URL, PageSize: d.PageSize,
		Transport: transport.New(transport.Options{
			Service: "dataverse", RootCAs: roots, Tokens: tokens, Gate: s.DataverseGate, Limiter: s.DataverseLimiter,
			Timeout: time.Duration(d.Timeout), Metrics: scope, Watch: s.Watch,
		}),
	})
}

// newIMSTokens is the one source of tokens of the credential that Campaign and
// the journal share.
func newIMSTokens(cfg *config.Config, watch *transport.Watch, roots *x509.CertPool, gate *transport.Gate) (*campaign.IMSTokens, error) {
	c := cfg.Campaign
	secret, err := c.ClientSecret.Resolve()
	if err != nil {
		return nil, fmt.Errorf("campaign.client_secret: %w", err)
	}
	return campaign.NewIMSTokens(campaign.IMSOptions{
		URL: c.IMSURL, ClientID: c.ClientID, Secret: secret, Reread: c.ClientSecret.Resolve, Scopes: c.Scopes,
		HTTPClient: &http.Client{Timeout: tokenTimeout, Transport: transport.Witnessed(transport.NewBase(roots))}, Watch: watch, Gate: gate,
	}), nil
}

// newJournal is the client of the events journal; nil when none is configured.
func newJournal(cfg *config.Config, scope tally.Scope, s *Services, roots *x509.CertPool, tokens transport.TokenSource) (*campaign.Journal, error) {
	c := cfg.Campaign
	if c.Journal.URL == "" {
		return nil, nil
	}
	return campaign.NewJournal(campaign.JournalOptions{
		URL: c.Journal.URL, APIKey: c.ClientID, OrgID: c.OrganizationID,
		Transport: transport.New(transport.Options{
			Service: "journal", RootCAs: roots, Tokens: tokens, Gate: s.Gates["journal"], Timeout: time.Duration(c.Timeout),
			MaxBody: campaign.JournalMaxBody, Metrics: scope, Watch: s.Watch,
		}),
	})
}

func newCampaign(cfg *config.Config, scope tally.Scope, s *Services, roots *x509.CertPool, tokens transport.TokenSource) (*campaign.Client, error) {
	c := cfg.Campaign
	return campaign.New(campaign.Options{
		BaseURL: c.URL, APIKey: c.ClientID,
		Transport: transport.New(transport.Options{
			Service: "campaign", RootCAs: roots, Tokens: tokens, Gate: s.CampaignGate, Limiter: s.CampaignLimiter,
			Timeout: time.Duration(c.Timeout), Metrics: scope, Watch: s.Watch,
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

// openLedger opens the ledger as the one worker of a SQLite file, or as one of several
// on PostgreSQL. waits is told for whom it has to wait first.
func openLedger(ctx context.Context, cfg *config.Config, logger *slog.Logger, waits func(holder string)) (*ledger.Ledger, error) {
	return openLedgerAt(ctx, cfg, 0, logger, waits)
}

// Migrate brings the ledger to a schema, at most, and says which it has then; 0 is the newest.
func Migrate(ctx context.Context, cfg *config.Config, to int64, logger *slog.Logger) (int64, error) {
	l, err := openLedgerAt(ctx, cfg, to, logger, nil)
	if err != nil {
		return 0, err
	}
	h, err := l.Health(ctx)
	if err != nil {
		return 0, errors.Join(err, l.Close())
	}
	return h.Schema, l.Close()
}

func openLedgerAt(ctx context.Context, cfg *config.Config, schema int64, logger *slog.Logger, waits func(holder string)) (*ledger.Ledger, error) {
	l := cfg.Ledger
	options := ledger.Options{Driver: l.Driver, Path: l.Path, Erasures: l.Erasures, Synchronous: l.Synchronous, StatementTimeout: l.StatementTimeout, Connections: l.Connections, RequestsEnd: time.Duration(cfg.Campaign.Timeout) + time.Minute, Logger: logger, Worker: true, Waits: waits, Build: buildOf(cfg), SchemaTo: schema}
	var err error
	if l.DSN.IsSet() {
		if options.DSN, err = l.DSN.Resolve(); err != nil {
			return nil, fmt.Errorf("ledger.dsn: %w", err)
		}
	}
	if l.Password.IsSet() {
		if options.Password, err = l.Password.Resolve(); err != nil {
			return nil, fmt.Errorf("ledger.password: %w", err)
		}
	}
	if l.EncryptionKey.IsSet() {
		key, err := l.EncryptionKey.Resolve()
		if err != nil {
			return nil, fmt.Errorf("ledger.encryption_key: %w", err)
		}
		if options.Keys, err = ledger.ParseKeys(key); err != nil {
			return nil, fmt.Errorf("ledger.encryption_key: %w", err)
		}
	}
	opened, err := ledger.Open(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	return opened, nil
}
