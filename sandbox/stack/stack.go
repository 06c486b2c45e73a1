// Package stack runs all sandbox services in one process: Dataverse with Entra
// ID on one TLS port, Campaign with IMS on another, and an admin port for tests
// and for people. The sandbox program, the devstack and tests use it.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/entra"
	"causeway.dev/sandbox/ims"
	"causeway.dev/sandbox/kit"
)

// Options of a stack. Ports of 0 are chosen freely.
type Options struct {
	Dir                                   string // CA, secrets and snapshots
	Host                                  string // default 127.0.0.1
	DynamicsPort, CampaignPort, AdminPort int
	Contacts                              int // seeded when there is no snapshot
	Seed                                  uint64
	Latency, DynamicsLatency              time.Duration
	CampaignRate                          float64       // requests/s; 0 = unlimited
	SnapshotEvery                         time.Duration // 0 = only when closed
	TokenLife                             time.Duration // of both services; 0 = their defaults
}

// Stack is running. The fields are what a configuration needs.
type Stack struct {
	Dynamics *dataverse.Server
	Campaign *campaign.Server
	Faults   *kit.Faults
	Clock    *kit.Clock

	DynamicsURL, Authority, Tenant, DynamicsClientID, DynamicsSecretFile string
	CampaignURL, IMSURL, CampaignClientID, CampaignSecretFile            string
	CAPath, AdminURL                                                     string

	dir     string
	servers []*http.Server
	stop    chan struct{}
	saving  sync.WaitGroup
}

const (
	tenant          = "5a4db0c5-0000-4000-8000-0000000000aa"
	dynamicsClient  = "5a4db0c5-0000-4000-8000-0000000000bb"
	campaignClient  = "sandbox-api-key"
	campaignTenant  = "sandbox"
	dynamicsSecret  = "sandbox-dynamics-secret"
	campaignSecret  = "sandbox-campaign-secret"
	shutdownTimeout = 5 * time.Second
)

// Start brings all services up. Errors say which port or folder is in the way.
func Start(_ context.Context, o Options) (*Stack, error) {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("the sandbox folder: %w; choose a folder you may write to", err)
	}
	ca, err := kit.OpenCA(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Stack{
		Faults: &kit.Faults{}, Clock: &kit.Clock{}, dir: o.Dir, stop: make(chan struct{}), CAPath: ca.Path,
		Tenant: tenant, DynamicsClientID: dynamicsClient, CampaignClientID: campaignClient,
		DynamicsSecretFile: filepath.Join(o.Dir, "dynamics-secret"), CampaignSecretFile: filepath.Join(o.Dir, "campaign-secret"),
	}
	for path, secret := range map[string]string{s.DynamicsSecretFile: dynamicsSecret, s.CampaignSecretFile: campaignSecret} {
		if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
			return nil, fmt.Errorf("the sandbox folder: %w; choose a folder you may write to", err)
		}
	}
	if err := s.start(o, ca); err != nil {
		return nil, errors.Join(err, s.shutdown(context.Background()))
	}
	if o.SnapshotEvery > 0 {
		s.saving.Add(1)
		go s.saveEvery(o.SnapshotEvery)
	}
	return s, nil
}

func (s *Stack) start(o Options, ca *kit.CA) error {
	dynamics, err := listen(o.Host, o.DynamicsPort, "--dynamics-port")
	if err != nil {
		return err
	}
	s.DynamicsURL, s.Authority = "https://"+dynamics.Addr().String(), "https://"+dynamics.Addr().String()
	tokens := entra.New(entra.Options{Clock: s.Clock, Faults: s.Faults, Tenant: tenant, ClientID: dynamicsClient, ClientSecret: dynamicsSecret, ExpiresIn: o.TokenLife})
	s.Dynamics = dataverse.New(dataverse.Options{
		Clock: s.Clock, Faults: s.Faults, Tokens: tokens, Authority: s.Authority + "/" + tenant, Latency: o.DynamicsLatency,
	})
	adobe := ims.New(ims.Options{Clock: s.Clock, Faults: s.Faults, ClientID: campaignClient, Secrets: []string{campaignSecret}, ExpiresIn: o.TokenLife})
	s.Campaign = campaign.New(campaign.Options{
		Clock: s.Clock, Faults: s.Faults, Tokens: adobe, APIKey: campaignClient, Tenant: campaignTenant, Latency: o.Latency,
		RatePerSecond: o.CampaignRate, Burst: int(o.CampaignRate / 10),
	})
	loaded, err := s.Dynamics.Load(o.Dir)
	if err == nil && !loaded {
		err = s.Dynamics.SeedContacts(o.Contacts, o.Seed)
	}
	if err == nil {
		_, err = s.Campaign.Load(o.Dir)
	}
	if err != nil {
		return errors.Join(err, dynamics.Close())
	}
	if err := s.serveTLS(dynamics, ca, o.Host, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/"+tenant+"/") {
			tokens.ServeHTTP(w, r)
			return
		}
		s.Dynamics.ServeHTTP(w, r)
	})); err != nil {
		return err
	}
	adobeListener, err := listen(o.Host, o.CampaignPort, "--campaign-port")
	if err != nil {
		return err
	}
	s.IMSURL = "https://" + adobeListener.Addr().String()
	s.CampaignURL = s.IMSURL + "/" + campaignTenant
	if err := s.serveTLS(adobeListener, ca, o.Host, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ims/") {
			adobe.ServeHTTP(w, r)
			return
		}
		s.Campaign.ServeHTTP(w, r)
	})); err != nil {
		return err
	}
	admin, err := listen("127.0.0.1", o.AdminPort, "--admin-port")
	if err != nil {
		return err
	}
	s.AdminURL = "http://" + admin.Addr().String()
	s.serve(admin, s.admin())
	return nil
}

func listen(host string, port int, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
	if err != nil {
		return nil, fmt.Errorf("port %d cannot be used (%w); free it or choose another with %s", port, err, flag)
	}
	return l, nil
}

func (s *Stack) serveTLS(l net.Listener, ca *kit.CA, host string, h http.Handler) error {
	config, err := ca.TLSConfig("localhost", "127.0.0.1", host)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	server := s.server(h)
	server.TLSConfig = config
	go func() { _ = server.ServeTLS(l, "", "") }()
	return nil
}

func (s *Stack) serve(l net.Listener, h http.Handler) {
	server := s.server(h)
	go func() { _ = server.Serve(l) }()
}

func (s *Stack) server(h http.Handler) *http.Server {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	s.servers = append(s.servers, server)
	return server
}

func (s *Stack) admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/dynamics/", http.StripPrefix("/dynamics", s.Dynamics.AdminHandler()))
	mux.Handle("/campaign/", http.StripPrefix("/campaign", s.Campaign.AdminHandler()))
	mux.Handle("/faults", s.Faults.AdminHandler())
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("POST /clock", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.URL.Query().Get("advance"))
		if err != nil {
			kit.WriteJSON(w, 400, map[string]string{"error": "want ?advance=48h"})
			return
		}
		s.Clock.Advance(d)
		kit.WriteJSON(w, 200, map[string]string{"now": s.Clock.Now().Format(time.RFC3339)})
	})
	return mux
}

func (s *Stack) saveEvery(d time.Duration) {
	defer s.saving.Done()
	tick := time.NewTicker(d)
	defer tick.Stop()
	var last string
	for {
		select {
		case <-tick.C:
			now := fmt.Sprint(s.Dynamics.Version(), s.Campaign.Meter())
			if now != last && s.save() == nil {
				last = now
			}
		case <-s.stop:
			return
		}
	}
}

func (s *Stack) save() error { return errors.Join(s.Dynamics.Save(s.dir), s.Campaign.Save(s.dir)) }

// Close stops the services and saves what they hold.
func (s *Stack) Close(ctx context.Context) error {
	close(s.stop)
	s.saving.Wait()
	return errors.Join(s.shutdown(ctx), s.save())
}

func (s *Stack) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	var errs []error
	for _, server := range s.servers {
		if err := server.Shutdown(ctx); err != nil {
			errs = append(errs, server.Close())
		}
	}
	return errors.Join(errs...)
}
