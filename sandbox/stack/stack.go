// Package stack runs all sandbox services in one process: Dataverse with Entra ID on
// one TLS port, Campaign with IMS and the I/O Events journal on another, Campaign's
// SFTP server, and an admin port for tests and for people. The sandbox program, the
// devstack and tests use it. Sections that are cited without a page are those of
// docs/protocol/campaign.md.
//
// Records and the clock are kept in the folder. They are saved when the stack closes
// and every SnapshotEvery. A process that is killed loses what came since, on both
// sides. A client then remembers more than the sandboxes do, and must compare
// everything again by a backfill, as after a restored backup.
package stack

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/entra"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/exports"
	"causeway.dev/sandbox/imports"
	"causeway.dev/sandbox/ims"
	"causeway.dev/sandbox/journal"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/sftpd"
)

// Options of a stack. A port of 0 means a free one.
type Options struct {
	Dir                                   string // CA, secrets and snapshots
	Host                                  string // address the services listen on; default 127.0.0.1
	AdminHost                             string // of the admin port, which asks for no credentials; default 127.0.0.1
	Name                                  string // host name clients use, in URLs and the certificate; default Host, or localhost for all addresses
	DynamicsPort, CampaignPort, AdminPort int
	SFTPPort                              int
	NoSFTP                                bool    // some instances have no SFTP server
	SFTPKeyType                           string  // ed25519 (default) or rsa
	SFTPCapacity                          int64   // bytes; 0 = any number
	ImportRate                            float64 // rows per second that an import workflow writes; 0 = it takes no time
	SFTPSessions                          int     // that may be open at once; 0 = sftpd's default
	ErrorBody                             string  // form of Campaign's errors, one of campaign.ErrorBodies; default text
	Contacts                              int     // seeded when there is no snapshot
	Seed                                  uint64
	Latency, DynamicsLatency              time.Duration // of Campaign; of Dynamics

	CampaignRate        float64       // requests/s; 0 = unlimited
	CampaignBurst       int           // requests; default a tenth of CampaignRate
	EngineBudgetPerHour int           // Campaign's engine calls; 0 = not enforced
	TokensPerMinute     int           // tokens that IMS issues; 0 = unlimited
	SnapshotEvery       time.Duration // 0 = only when closed
	TokenLife           time.Duration // of both services; 0 = their defaults
	JournalRetention    time.Duration // of events; 0 = 7 days
	OptOutNames         string        // of Campaign's opt-out attributes: blackList (default) or denyList
	NoOptOutStamps      bool          // the REST API does not publish when an opt-out attribute changed

	NoSolution    bool                 // Dynamics without Adobe's activity tables and processes
	Protection    dataverse.Protection // limits of Dynamics; zero = none, dataverse.ServiceLimits = the documented ones
	OperationTime time.Duration        // what Dynamics needs for each single row that is read or written

	Credentials Credentials // empty fields get the sandbox's own values
	Resources   []campaign.Resource
	Tables      []dataverse.Table // besides contact
	SeedFile    string            // declares more of both, and rows; "" = none

	seed *seedFile
}

// Credentials that clients of the stack need.
type Credentials struct {
	Tenant, DynamicsClientID, DynamicsSecret         string
	CampaignTenant, CampaignClientID, CampaignSecret string
	CampaignOrganization                             string // IMS organization: ABC@AdobeOrg
}

func (c Credentials) orDefaults() Credentials {
	for field, fallback := range map[*string]string{
		&c.Tenant: "5a4db0c5-0000-4000-8000-0000000000aa", &c.DynamicsClientID: "5a4db0c5-0000-4000-8000-0000000000bb",
		&c.DynamicsSecret: "sandbox-dynamics-secret", &c.CampaignTenant: "sandbox",
		&c.CampaignClientID: "sandbox-api-key", &c.CampaignSecret: "sandbox-campaign-secret", &c.CampaignOrganization: "SANDBOX@AdobeOrg",
	} {
		if *field == "" {
			*field = fallback
		}
	}
	return c
}

// Stack is a stack that runs. Its fields are what a configuration of a client needs.
type Stack struct {
	Dynamics *dataverse.Server
	Campaign *campaign.Server
	Entra    *entra.Server
	IMS      *ims.Server
	Events   *eventlog.Log   // delivery and tracking logs
	Journal  *journal.Server // publishes them
	SFTP     *sftpd.Server   // nil with NoSFTP
	Exports  *exports.Engine // Campaign's workflows; nil with NoSFTP
	Imports  *imports.Engine // Campaign's import workflows, none at first; nil with NoSFTP
	Faults   *kit.Faults
	Clock    *kit.Clock

	DynamicsURL, Authority, Tenant, DynamicsClientID, DynamicsSecretFile string
	SignInIssuer, SignInClientID                                         string // at which people sign in, and to which application
	CampaignURL, IMSURL, CampaignClientID, CampaignSecretFile            string
	CampaignOrganization, JournalURL                                     string
	SFTPAddress, SFTPUser, SFTPKeyFile, SFTPKnownHostsFile               string // "" with NoSFTP; the address is host:port
	SFTPFingerprint                                                      string // SHA256:…, of the host key at the start
	SFTPDir                                                              string // the home of the SFTP user, on disk
	CAPath, AdminURL                                                     string
	DynamicsCertificateFile                                              string // may be used instead of the secret: key and certificate, PEM

	optOutNames string
	dir         string
	servers     []*http.Server
	stop        chan struct{}
	once        sync.Once
	saving      sync.WaitGroup
	saved       lastSave
}

// Start starts all services. An error says which port or folder is the problem.
func Start(_ context.Context, o Options) (*Stack, error) {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.AdminHost == "" {
		o.AdminHost = "127.0.0.1"
	}
	if o.Name == "" {
		o.Name = o.Host
		if ip := net.ParseIP(o.Host); ip != nil && ip.IsUnspecified() {
			o.Name = "localhost"
		}
	}
	o.Credentials = o.Credentials.orDefaults()
	if o.SeedFile != "" {
		var err error
		if o.seed, err = readSeedFile(o.SeedFile, &o); err != nil {
			return nil, err
		}
	}
	ca, err := prepare(o)
	if err != nil {
		return nil, err
	}
	s := &Stack{
		Faults: &kit.Faults{}, Clock: &kit.Clock{}, dir: o.Dir, stop: make(chan struct{}), CAPath: ca.Path,
		Tenant: o.Credentials.Tenant, DynamicsClientID: o.Credentials.DynamicsClientID, CampaignClientID: o.Credentials.CampaignClientID,
		DynamicsSecretFile: filepath.Join(o.Dir, dynamicsSecretFile), DynamicsCertificateFile: filepath.Join(o.Dir, dynamicsCertificateFile),
		CampaignSecretFile: filepath.Join(o.Dir, campaignSecretFile), CampaignOrganization: o.Credentials.CampaignOrganization,
	}
	if err := s.start(o, ca); err != nil {
		return nil, errors.Join(err, s.closeSFTP(), s.shutdown(context.Background()))
	}
	if s.Exports != nil {
		s.saving.Add(1)
		go s.runDue()
	}
	if o.SnapshotEvery > 0 {
		s.saving.Add(1)
		go s.saveEvery(o.SnapshotEvery)
	}
	return s, nil
}

func (s *Stack) start(o Options, ca *kit.CA) error {
	ports, err := listenAll(o)
	if err != nil {
		return err
	}
	config, err := ca.TLSConfig("localhost", "127.0.0.1", "::1", o.Host, o.Name)
	if err != nil {
		return errors.Join(err, ports.close())
	}
	s.DynamicsURL = "https://" + address(o.Name, ports.dynamics)
	s.Authority = s.DynamicsURL
	s.SignInIssuer, s.SignInClientID = s.Authority+"/"+s.Tenant+"/v2.0", entra.SignInClientID
	s.IMSURL = "https://" + address(o.Name, ports.campaign)
	s.CampaignURL = s.IMSURL + "/" + o.Credentials.CampaignTenant
	s.AdminURL = "http://" + ports.admin.Addr().String()
	certificate, err := kit.ClientCertificate(s.DynamicsCertificateFile)
	if err != nil {
		return errors.Join(err, ports.close())
	}
	s.build(o, certificate)
	if err := s.load(o); err != nil {
		return errors.Join(err, ports.close())
	}
	if err := s.startSFTP(o, ports.sftp); err != nil {
		return errors.Join(err, ports.close())
	}
	s.serve(ports.dynamics, config, byPath("/api/", s.Dynamics, s.Entra))
	s.serve(ports.campaign, config, byPath("/ims/", s.IMS, byPath("/events/", s.Journal, s.Campaign)))
	s.serve(ports.admin, nil, s.admin())
	return nil
}

func (s *Stack) build(o Options, certificate *x509.Certificate) {
	c := o.Credentials
	s.Entra = entra.New(entra.Options{
		Clock: s.Clock, Faults: s.Faults, Tenant: c.Tenant, ClientID: c.DynamicsClientID, ClientSecret: c.DynamicsSecret, Certificate: certificate, ExpiresIn: o.TokenLife,
	})
	s.Dynamics = dataverse.New(dataverse.Options{
		Clock: s.Clock, Faults: s.Faults, Tokens: s.Entra, Authority: s.Authority + "/" + c.Tenant, Latency: o.DynamicsLatency,
		CustomTables: o.Tables, NoSolution: o.NoSolution, Protection: o.Protection, OperationTime: o.OperationTime,
	})
	s.IMS = ims.New(ims.Options{
		Clock: s.Clock, Faults: s.Faults, ClientID: c.CampaignClientID, Secrets: []string{c.CampaignSecret},
		ExpiresIn: o.TokenLife, TokensPerMinute: o.TokensPerMinute, Organization: c.CampaignTenant,
	})
	s.Events = eventlog.New(s.Clock)
	s.Journal = journal.New(journal.Options{
		Clock: s.Clock, Faults: s.Faults, Tokens: s.IMS, Log: s.Events, Latency: o.Latency, APIKey: c.CampaignClientID, Organization: c.CampaignOrganization,
		Consumer: "23294", Credential: "54108", Registration: "9f3c1de0-5a4d-4b0c-8000-0000000000dd", Source: "urn:acs:" + c.CampaignTenant,
		Retention: o.JournalRetention,
	})
	s.JournalURL = s.IMSURL + s.Journal.Path()
	if o.OptOutNames == "" {
		o.OptOutNames = "blackList"
	}
	s.optOutNames = o.OptOutNames
	var workflows campaign.Workflows
	if !o.NoSFTP {
		s.Exports = exports.New(exports.Options{
			Clock: s.Clock, Log: s.Events, Profiles: table{s}, Prefix: o.OptOutNames, Temp: o.Dir, Dir: filepath.Join(o.Dir, sftpFolder, filepath.FromSlash(exportsFolder)),
			Room: func(n int64) error { return s.SFTP.Room(n) },
		})
		s.Imports = imports.New(imports.Options{
			Clock: s.Clock, Dir: filepath.Join(o.Dir, sftpFolder), RowsPerSecond: o.ImportRate,
			Into: func(resource string, columns []string) (*campaign.Importer, error) {
				return s.Campaign.Importer(resource, columns)
			},
			Room: func(n int64) error { return s.SFTP.Room(n) },
		})
		workflows = bothEngines{s.Exports, s.Imports}
	}
	if o.CampaignBurst == 0 {
		o.CampaignBurst = int(o.CampaignRate / 10)
	}
	s.Campaign = campaign.New(campaign.Options{
		Clock: s.Clock, Faults: s.Faults, Tokens: s.IMS, APIKey: c.CampaignClientID, Tenant: c.CampaignTenant, Latency: o.Latency,
		RatePerSecond: o.CampaignRate, Burst: o.CampaignBurst,
		EngineBudgetPerHour: o.EngineBudgetPerHour, EnforceEngineBudget: o.EngineBudgetPerHour > 0, Resources: o.Resources,
		OptOutNames: o.OptOutNames, NoOptOutStamps: o.NoOptOutStamps, Workflows: workflows, Sent: sent{s.Events}, ErrorBody: o.ErrorBody,
	})
}

// Close stops the services and saves their state. It may be called again.
func (s *Stack) Close(ctx context.Context) error {
	var err error
	s.once.Do(func() {
		close(s.stop)
		s.saving.Wait()
		err = errors.Join(s.shutdown(ctx), s.closeSFTP(), s.save())
	})
	return err
}
