package simulation

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/optout"
	sandboxcampaign "causeway.dev/sandbox/campaign"
	sandboxdataverse "causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/entra"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/ims"
	"causeway.dev/sandbox/journal"
	"causeway.dev/sandbox/kit"
)

const (
	dynamicsHost = "org.dynamics.example"
	campaignHost = "mc.campaign.example"
	journalHost  = "events.campaign.example"
	organization = "ABC@AdobeOrg"
	tenant       = "sandbox"
	apiKey       = "key"
	secret       = "secret"
	contacts     = "contacts"

	lanes    = 2
	pageSize = 3 // records: loads and passes of several pages
	seeded   = 7 // contacts
)

// world is both systems, the ledger and Temporal's place.
type world struct {
	dir      string
	clock    *kit.Clock // of both systems
	dynamics *sandboxdataverse.Server
	campaign *sandboxcampaign.Server
	log      *eventlog.Log
	journal  *journal.Server
	tokens   [2]string // of Dynamics, of Campaign
	net      *network
	table    activities.Table

	closing chan struct{}
	running sync.WaitGroup // attempts and the flow

	mu       sync.Mutex
	waiting  []*op
	attempts []*attempt // at work, or suspended, or dead
	books    *ledger.Ledger
	file     string // of books
	files    int
	skew     time.Duration // of the ledger's clock
	trace    []string
	tracing  bool
	began    time.Time

	flow     *flow               // of contacts
	family   []*flow             // of linked tables, parents first; none until there is a record of them
	events   *flow               // nil until there is an event
	choices  *flow               // nil until somebody chooses
	chosen   map[string]*chosen  // by contact
	born     map[string][]string // by entity set: the linked records that there ever were
	gone     map[string]bool     // linked records that a Campaign user deleted
	pushed   map[string]int      // events by contact
	goneOnce map[string]bool     // contacts that were deleted at some time
	winner   map[string]string   // by the loser of a merge
	inherits map[string]bool     // winners of people who had opted out
	erased   map[string]bool     // contacts whose profile a Campaign user deleted
	notes    map[string]note     // what Campaign users wrote
	deleted  []string            // contacts
	writes   atomic.Int64        // that the systems have carried out
	made     int                 // edits, so that each has a value of its own
	backups  []string            // copies of the ledger
	restored bool                // the ledger was, at some time
}

// note is what a Campaign user wrote in a field that is not mapped.
type note struct {
	text    string
	inserts uint32 // how often the profile had been created
}

// template is an empty ledger, so that each world begins with a copy.
var template = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "simulation-template-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "ledger.db")
	l, err := ledger.Open(context.Background(), ledger.Options{Driver: "sqlite", Path: path, Synchronous: "normal", Keys: ledgertest.Keys})
	if err != nil {
		return "", err
	}
	return path, l.Close()
})

// newWorld is called inside a bubble; template and activityContext are made outside.
func newWorld(dir string) (*world, error) {
	w := &world{dir: dir, clock: &kit.Clock{}, closing: make(chan struct{}), erased: map[string]bool{}, winner: map[string]string{}, inherits: map[string]bool{}, notes: map[string]note{}, pushed: map[string]int{}, chosen: map[string]*chosen{}, goneOnce: map[string]bool{}, born: map[string][]string{}, gone: map[string]bool{}, began: time.Now()}
	faults := &kit.Faults{}
	e := entra.New(entra.Options{Clock: w.clock, Faults: faults, Tenant: tenant, ClientID: apiKey, ClientSecret: secret, ExpiresIn: 1000 * time.Hour})
	i := ims.New(ims.Options{Clock: w.clock, Faults: faults, ClientID: apiKey, Secrets: []string{secret}, ExpiresIn: 1000 * time.Hour, Organization: tenant})
	w.dynamics = sandboxdataverse.New(sandboxdataverse.Options{Clock: w.clock, Faults: faults, CustomTables: familyTables(), Tokens: e, Authority: "https://" + dynamicsHost + "/" + tenant})
	w.campaign = sandboxcampaign.New(sandboxcampaign.Options{Clock: w.clock, Faults: faults, Resources: familyResources(), Tokens: i, APIKey: apiKey, Tenant: tenant})
	if err := w.dynamics.SeedContacts(seeded, 3); err != nil {
		return nil, err
	}
	w.tokens[0] = token(e, "https://"+dynamicsHost+"/"+tenant+"/oauth2/v2.0/token", "https://"+dynamicsHost+"/.default")
	w.tokens[1] = token(i, "https://"+campaignHost+"/ims/token/v3", "campaign_sdk")
	w.net = &network{w: w, listeners: map[string]*listener{}}
	w.net.serve(dynamicsHost, "dynamics", w.dynamics)
	w.log = eventlog.New(w.clock)
	w.journal = journal.New(journal.Options{Clock: w.clock, Faults: faults, Tokens: i, Log: w.log, APIKey: apiKey, Organization: organization,
		Consumer: "1", Credential: "2", Registration: "3", Source: "urn:acs:" + tenant, Retention: 1000 * time.Hour})
	w.net.serve(campaignHost, "campaign", w.campaign)
	w.net.serve(journalHost, "journal", w.journal)
	w.table = activities.Table{
		Name: contacts, Dynamics: mapping.SourceTable{Table: "contact"}, Campaign: mapping.TargetTable{Resource: "profile", Key: "externalId"},
		ApplyDeletes: true, ClearOptOuts: true, Erased: mapping.RestoreErased, OptOuts: []optout.PairSetting{phone},
		Filter: mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}},
		Fields: []mapping.Field{
			{From: "firstname", To: "firstName"}, {From: "emailaddress1", To: "email"},
			{From: "address1_city", To: "location.city"}, {From: "donotbulkemail", To: "blackListEmail"},
		},
	}
	empty, err := template()
	if err != nil {
		return nil, err
	}
	w.flow = w.tableFlow("run", w.table)
	return w, w.open(empty)
}

// open begins with a copy of a ledger.
func (w *world) open(from string) error {
	w.files++
	w.file = filepath.Join(w.dir, fmt.Sprintf("ledger-%d.db", w.files))
	if err := copyFile(from, w.file); err != nil {
		return err
	}
	l, err := ledger.Open(context.Background(), ledger.Options{Driver: "sqlite", Path: w.file, Synchronous: "normal", Keys: ledgertest.Keys, Now: w.now})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.books = l
	return nil
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.skew)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

// backUp keeps a copy of the ledger.
func (w *world) backUp() error {
	path := filepath.Join(w.dir, fmt.Sprintf("backup-%d.db", len(w.backups)+1))
	db, err := sql.Open("sqlite", "file:"+w.file)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec("VACUUM INTO ?", path); err != nil {
		return err
	}
	w.backups = append(w.backups, path)
	return nil
}

// restore ends all workers and begins with an older ledger.
func (w *world) restore(from string) error {
	w.restored = true
	for _, a := range w.alive() {
		a.kill()
	}
	w.dropDead()
	if err := w.books.Close(); err != nil {
		return err
	}
	return w.open(from)
}

// flows are those that have begun.
func (w *world) flows() []*flow {
	return slices.DeleteFunc(append(w.tables(), w.events, w.choices), func(f *flow) bool { return f == nil })
}

// tables are the flows of ingress, parents first.
func (w *world) tables() []*flow { return append([]*flow{w.flow}, w.family...) }

// oneTable picks a flow of ingress.
func (w *world) oneTable(rng *rand.Rand) *flow {
	if len(w.family) == 0 {
		return w.flow
	}
	return w.tables()[rng.IntN(len(w.family)+1)]
}

// enter and leave keep who is at work.
func (w *world) enter(a *attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts = append(w.attempts, a)
}

// leave forgets an attempt; one that is suspended or was given up may come back.
func (w *world) leave(a *attempt) {
	a.mu.Lock()
	overdue := a.overdue
	a.mu.Unlock()
	if overdue {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts = slices.DeleteFunc(w.attempts, func(b *attempt) bool { return a == b })
}

// alive lists the attempts that are not dead, in the order of their names.
func (w *world) alive() []*attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := slices.DeleteFunc(slices.Clone(w.attempts), (*attempt).isDead)
	slices.SortFunc(out, func(a, b *attempt) int { return strings.Compare(a.name, b.name) })
	return out
}

// sleep waits; false when the simulation ends.
func (w *world) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.closing:
		return false
	}
}

// sleepUnless waits; it fails when the simulation ends or an operator interrupts.
func (w *world) sleepUnless(d time.Duration, stop <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-stop:
		return errInterrupted
	case <-w.closing:
		return errClosing
	}
}

// close ends everything: who waits is sent away, and nobody can write any more.
func (w *world) close() {
	_ = w.books.Close()
	close(w.closing)
	w.mu.Lock()
	for _, a := range w.attempts {
		a.cancel()
	}
	w.mu.Unlock()
	w.running.Wait()
	w.net.close()
}

func (w *world) note(format string, args ...any) {
	if !w.tracing {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, fmt.Sprintf("%8.1fs  ", time.Since(w.began).Seconds())+fmt.Sprintf(format, args...))
}

// told notes what a service has carried out.
func (w *world) told(service, method, label string, status int) {
	w.note("  %s: %s -> %d", service, label, status)
	if method != http.MethodGet && status < 300 {
		w.writes.Add(1)
	}
	if service == "campaign" && method == http.MethodDelete && status < 300 {
		w.deletedProfile(label[strings.LastIndex(label, "/")+1:])
	}
}
