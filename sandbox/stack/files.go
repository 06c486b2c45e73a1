package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"causeway.dev/sandbox/kit"
)

const (
	dynamicsSecretFile      = "dynamics-secret"
	dynamicsCertificateFile = "dynamics-certificate.pem"
	campaignSecretFile      = "campaign-secret"
	clockFile               = "clock"
)

// prepare creates the folder with the certificate authority and the secrets that
// clients need.
func prepare(o Options) (*kit.CA, error) {
	unusable := func(err error) error {
		return fmt.Errorf("the sandbox folder %s cannot be written to (%w); choose another with --data", o.Dir, err)
	}
	if o.Dir == "" {
		return nil, errors.New("the sandbox folder is not given; choose one with --data")
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, unusable(err)
	}
	for name, secret := range map[string]string{dynamicsSecretFile: o.Credentials.DynamicsSecret, campaignSecretFile: o.Credentials.CampaignSecret} {
		if err := os.WriteFile(filepath.Join(o.Dir, name), []byte(secret), 0o600); err != nil {
			return nil, unusable(err)
		}
	}
	ca, err := kit.OpenCA(o.Dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil, unusable(err)
	}
	return ca, err
}

// load reads what was saved. If nothing was, it seeds contacts.
func (s *Stack) load(o Options) error {
	if text, err := os.ReadFile(filepath.Join(s.dir, clockFile)); err == nil {
		offset, err := time.ParseDuration(strings.TrimSpace(string(text)))
		if err != nil {
			return fmt.Errorf("reading %s: %w; delete it to start at the present time", filepath.Join(s.dir, clockFile), err)
		}
		s.Clock.Advance(offset)
	}
	loaded, err := s.Dynamics.Load(s.dir)
	if err == nil && !loaded {
		err = s.Dynamics.SeedContacts(o.Contacts, o.Seed)
	}
	if err == nil {
		_, err = s.Campaign.Load(s.dir)
	}
	if err == nil {
		_, err = s.Events.Load(s.dir)
	}
	if err == nil && s.Exports != nil {
		err = s.Exports.Load(s.dir)
	}
	if err == nil && !loaded && o.seed != nil {
		err = o.seed.rows(s)
	}
	if s.Dynamics.Count("contacts") > manyContacts {
		debug.FreeOSMemory() // what making or reading them took
	}
	return err
}

// lastSave says which state the snapshots on disk have.
type lastSave struct {
	mu       sync.Mutex
	done     bool
	dynamics int64
	clock    time.Duration
}

// save writes the snapshots whose state changed since the last time.
func (s *Stack) save() error {
	s.saved.mu.Lock()
	defer s.saved.mu.Unlock()
	version, clock := s.Dynamics.Version(), s.Clock.Offset()
	var errs []error
	if !s.saved.done || version != s.saved.dynamics {
		errs = append(errs, s.Dynamics.Save(s.dir))
	}
	errs = append(errs, s.Campaign.Save(s.dir), s.Events.Save(s.dir))
	if s.Exports != nil {
		errs = append(errs, s.Exports.Save(s.dir))
	}
	if !s.saved.done || clock != s.saved.clock {
		errs = append(errs, os.WriteFile(filepath.Join(s.dir, clockFile), []byte(clock.String()+"\n"), 0o644))
	}
	err := errors.Join(errs...)
	if err == nil {
		s.saved.done, s.saved.dynamics, s.saved.clock = true, version, clock
	}
	return err
}

func (s *Stack) saveEvery(d time.Duration) {
	defer s.saving.Done()
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = s.save() // Close tries again and reports
		case <-s.stop:
			return
		}
	}
}

// manyContacts are worth a collection of garbage at the start, which takes a moment.
const manyContacts = 100_000
