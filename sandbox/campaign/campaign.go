// Package campaign stands in for the Adobe Campaign Standard REST API. It is strict
// about keys, types, texts and errors, as docs/protocol/campaign.md describes them.
// Records live in memory; Save and Load keep them between runs. Package stack runs it
// for the sandbox program, the devstack and tests; the product never imports it.
package campaign

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"causeway.dev/sandbox/kit"
)

// Options of a Server.
type Options struct {
	Clock   *kit.Clock
	Faults  *kit.Faults
	Tokens  interface{ Valid(token string) bool }
	APIKey  string
	Tenant  string        // first path segment: /<tenant>/campaign/…
	Latency time.Duration // of every answer

	RatePerSecond float64 // 0 = unlimited; beyond it 429050 with Retry-After
	Burst         int     // requests; default 1

	EngineBudgetPerHour int  // engine calls; default 50000
	EnforceEngineBudget bool // beyond the budget 429001 until the hour ends

	ErrorBody                string // one of ErrorBodies; default text
	OptOutNames              string // blackList (default) or denyList
	NoOptOutStamps           bool   // the API does not publish when an opt-out attribute changed
	BigTable                 int    // rows above which next needs _forcePagination; default 100000
	MaxLineCount             int    // larger _lineCount values are lowered silently; default 1000
	NextKeepsForcePagination bool   // next.href repeats _forcePagination=true

	Resources []Resource // besides profile
	Workflows Workflows  // nil = the instance has none
	Sent      Sent       // the delivery log; nil = nothing was ever sent
}

// Server is a Campaign instance.
type Server struct {
	o       Options
	gate    Gate
	handler http.Handler
	tables  map[string]*table
	names   []string // of the tables, in order of declaration
	history *table   // describes the marketing history; it has no rows
	seal    sealer
	limit   atomic.Pointer[rate.Limiter] // nil = none
	denied  atomic.Int64                 // requests beyond it
	latency atomic.Int64
	request atomic.Int64 // numbers X-Request-Id
	words   names
	meter   meter
	saved   atomic.Int64 // version of the last snapshot
}

// New returns a Server with empty tables.
func New(o Options) *Server {
	if o.BigTable == 0 {
		o.BigTable = 100_000
	}
	if o.MaxLineCount == 0 {
		o.MaxLineCount = 1000
	}
	if o.OptOutNames == "" {
		o.OptOutNames = "blackList"
	}
	if o.EngineBudgetPerHour == 0 {
		o.EngineBudgetPerHour = 50_000
	}
	s := &Server{o: o, gate: Gate{"campaign", o.Faults, o.Tokens, o.APIKey}, tables: map[string]*table{}, seal: newSealer(), meter: meter{hours: map[int64]*Calls{}}}
	profile := Profile(o.OptOutNames)
	for i, f := range profile.Fields {
		profile.Fields[i].Hidden = o.NoOptOutStamps && strings.HasPrefix(f.Name, o.OptOutNames) && strings.HasSuffix(f.Name, "LastModified")
	}
	declared := append([]Resource{profile}, o.Resources...)
	for _, r := range builtIn() {
		if !slices.ContainsFunc(o.Resources, func(own Resource) bool { return own.Name == r.Name }) {
			declared = append(declared, r)
		}
	}
	for _, r := range declared {
		s.tables[r.Name] = newTable(r)
		s.names = append(s.names, r.Name)
	}
	s.history = newTable(history())
	s.connect()
	s.plant()
	s.SetRate(o.RatePerSecond, o.Burst)
	s.latency.Store(int64(o.Latency))
	s.saved.Store(-1)
	s.handler = o.Faults.Wrap("campaign", http.HandlerFunc(s.serve))
	return s
}

// SetLatency changes the answer time of every request.
func (s *Server) SetLatency(d time.Duration) { s.latency.Store(int64(d)) }

// SetRate changes how many requests are taken per second, and at once; 0 = any number.
func (s *Server) SetRate(perSecond float64, burst int) {
	if perSecond <= 0 {
		s.limit.Store(nil)
		return
	}
	s.limit.Store(rate.NewLimiter(rate.Limit(perSecond), max(1, burst)))
}

// Throttled is how many requests were refused because they were too many.
func (s *Server) Throttled() int64 { return s.denied.Load() }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// serve waits as long as the instance takes to answer, then hands the request to the
// gateway.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header()["Date"] = []string{s.o.Clock.Now().Format(http.TimeFormat)}
	w.Header()["X-Request-Id"] = []string{"sandbox-" + strconv.FormatInt(s.request.Add(1), 36)}
	if d := s.latency.Load(); d > 0 {
		timer := time.NewTimer(time.Duration(d))
		select {
		case <-timer.C:
		case <-r.Context().Done():
			timer.Stop()
			return
		}
	}
	s.gateway(w, r)
}
