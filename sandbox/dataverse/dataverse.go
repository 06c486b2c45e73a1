// Package dataverse stands in for the Dataverse Web API v9.2. It is strict about
// names, types, options and links, as docs/protocol/dynamics.md describes them. Rows
// live in memory; Save and Load keep them between runs. Package stack runs it for the
// sandbox program, the devstack and tests; the product never imports it.
package dataverse

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"causeway.dev/sandbox/kit"
)

// applicationUser is the integration. salesUser is a person at work in Dynamics, as
// whom the admin port writes.
const (
	applicationUser = "0a11ce00-0000-4000-8000-000000000001"
	salesUser       = "0a11ce00-0000-4000-8000-000000000002"
	defaultTeam     = "0a11ce00-0000-4000-8000-0000000000b1"
	organization    = "0a11ce00-0000-4000-8000-00000000000a"
	businessUnit    = "0a11ce00-0000-4000-8000-00000000000b"
)

// Options of a Server.
type Options struct {
	Clock         *kit.Clock
	Faults        *kit.Faults
	Tokens        interface{ Valid(token string) bool }
	Authority     string        // named in the challenge of a 401
	Latency       time.Duration // of every answer
	Retention     time.Duration // life of a delta token; default 7 days
	ExpiredStatus int           // status of an expired token's answer; default 400
	CustomTables  []Table
	NoSolution    bool       // without Adobe's activity tables and processes
	Protection    Protection // limits of the service; zero = none

	OperationTime        time.Duration // what each operation takes, and is counted as; 0 = it takes none, and the time it really took is counted
	BindStatus           int           // of binding a row that does not exist; default 404
	ActivityMovesContact bool          // a new activity changes the row version of the contact it regards
}

// Server is one organisation.
type Server struct {
	o       Options
	handler http.Handler
	sets    map[string]*table // by entity set
	names   map[string]*table // by logical name
	order   []string          // logical names, sorted; tables are locked in this order
	limits  *limits           // nil: none
	version atomic.Int64
	latency atomic.Int64
	calls   atomic.Int64
	used    usage
	teams   sync.Map // keys of the teams: owners that are no users
	units   sync.Map // business unit of a user or a team, and the unit above a unit, by key

	forgotten atomic.Int64 // calls before the last ResetUsage

	roleMu sync.Mutex
	role   map[string]string      // depths that differ from Global, by the name of the privilege
	told   atomic.Pointer[string] // version; nil: that of version9

	hooks  webhooks
	hooked atomic.Bool // there are webhooks

	narrowed atomic.Bool  // the role may show less than everything
	hidden   atomic.Int64 // status of one row that it does not show
}

// New returns a Server with empty tables.
func New(o Options) *Server {
	if o.Retention == 0 {
		o.Retention = 7 * 24 * time.Hour
	}
	if o.ExpiredStatus == 0 {
		o.ExpiredStatus = http.StatusBadRequest
	}
	if o.BindStatus == 0 {
		o.BindStatus = http.StatusNotFound
	}
	s := &Server{o: o, sets: map[string]*table{}, names: map[string]*table{}}
	s.declare()
	if o.Protection != (Protection{}) {
		s.limits = newLimits(o.Protection)
	}
	s.version.Store(900_000)
	s.hidden.Store(http.StatusForbidden)
	s.install()
	s.latency.Store(int64(o.Latency))
	s.handler = o.Faults.Wrap("dataverse", http.HandlerFunc(s.serve))
	return s
}

// declare makes the tables.
func (s *Server) declare() {
	tables := append([]Table{Contact(), Account(), Task(), people(), teams(), units(), workflows(), pointers()}, s.o.CustomTables...)
	if !s.o.NoSolution {
		tables = append(tables, Solution()...)
	}
	for _, def := range tables {
		t := newTable(def)
		s.sets[def.EntitySet], s.names[def.LogicalName] = t, t
	}
	s.order = slices.Sorted(maps.Keys(s.names))
	var activities []*table
	for _, name := range s.order {
		if s.names[name].Activity {
			activities = append(activities, s.names[name])
		}
	}
	view := s.names["activitypointer"]
	view.view(activities)
	view.closed = viewOnly(view.Table)
	s.connect()
	for _, name := range []string{"systemuser", "workflow", "team", "businessunit"} {
		s.names[name].closed = forbidden(s.names[name].Table)
	}
}

// Headers that are the same in every answer. Nobody changes these lists.
var (
	odataVersion = []string{"4.0"}
	dopHint      = []string{"16"}
	jsonType     = []string{"application/json; odata.metadata=minimal"}
)

// SetLatency changes the answer time of every request.
func (s *Server) SetLatency(d time.Duration) { s.latency.Store(int64(d)) }

// Requests is how many requests were answered.
func (s *Server) Requests() int64 { return s.calls.Load() }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.calls.Add(1)
	h := w.Header()
	h["Odata-Version"] = odataVersion
	h["Req_id"] = []string{uuid.NewString()}
	h["Date"] = []string{s.o.Clock.Now().Format(http.TimeFormat)}
	h["X-Ms-Dop-Hint"] = dopHint
	s.used.enter()
	defer s.used.leave()
	if d := s.latency.Load(); d > 0 && !pause(r.Context(), time.Duration(d)) {
		return
	}
	token, bearer := bearerOf(r)
	_, expired := s.o.Faults.Named("dataverse", "token_expired", r)
	if !bearer || expired || !s.o.Tokens.Valid(token) {
		h.Set("WWW-Authenticate", "Bearer authorization_uri="+s.o.Authority+"/oauth2/authorize, resource_id=https://"+r.Host+"/")
		h.Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "HTTP Error 401 - Unauthorized: Access is denied")
		return
	}
	if s.throttled(w, r) {
		return
	}
	leave := func(time.Time, time.Duration) {}
	if s.limits != nil {
		var bad *refusal
		var wait int
		if leave, bad, wait = s.limits.enter(s.o.Clock.Now()); bad != nil {
			s.used.throttled.Add(1)
			h.Set("Retry-After", strconv.Itoa(wait))
			s.fail(w, bad)
			return
		}
	}
	began := time.Now()
	m := &metered{ResponseWriter: w}
	defer func() { leave(s.o.Clock.Now(), s.cost(m, time.Since(began))) }()
	if !strings.HasSuffix(r.URL.Path, "/$batch") {
		s.spend(r.Context(), m, 1)
	}
	s.route(m, r)
}

func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	rest, bad := apiPath(r.URL.EscapedPath())
	var path string
	if bad == nil {
		var err error
		if path, err = url.PathUnescape(rest); err != nil {
			bad = &refusal{400, "0x80060888", "The path cannot be parsed."}
		}
	}
	if bad == nil {
		_, bad = s.caller(r)
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	get := r.Method == http.MethodGet
	switch {
	case get && path == "organizations":
		s.write(w, map[string]any{"value": []any{map[string]any{"expirechangetrackingindays": int(s.o.Retention.Hours() / 24)}}})
	case get && userPrivileges.MatchString(path):
		s.retrieveUserPrivileges(w, r, userPrivileges.FindStringSubmatch(path)[1])
	case isMetadata(path):
		s.metadata(w, r, path)
	case get && path == "$metadata":
		s.csdl(w, r)
	case get && path == "":
		s.service(w, r)
	case path == "$batch":
		s.batch(w, r)
	case get && s.function(w, r, path), !get && s.action(w, r, path):
	default:
		s.resource(w, r, path)
	}
}

// service lists the entity sets.
func (s *Server) service(w http.ResponseWriter, r *http.Request) {
	sets := []any{}
	for _, set := range slices.Sorted(maps.Keys(s.sets)) {
		sets = append(sets, map[string]string{"name": set, "kind": "EntitySet", "url": set})
	}
	s.write(w, map[string]any{"@odata.context": base(r) + "/$metadata", "value": sets})
}

// resource serves an entity set, its count, its actions, or a row.
func (s *Server) resource(w http.ResponseWriter, r *http.Request, path string) {
	set, rest := path, ""
	if i := strings.IndexAny(path, "(/"); i >= 0 {
		set, rest = path[:i], path[i:]
	}
	t, ok := s.sets[set]
	if !ok {
		s.fail(w, &refusal{404, "0x8006088a", "Resource not found for the segment '" + set + "'."})
		return
	}
	switch {
	case t.closed != nil && r.Method != http.MethodGet:
		s.fail(w, t.closed)
	case rest == "" && r.Method == http.MethodGet:
		s.collection(w, r, t)
	case rest == "" && r.Method == http.MethodPost:
		s.create(w, r, t)
	case rest == "/$count" && r.Method == http.MethodGet:
		s.count(w, r, t)
	case strings.HasPrefix(rest, "/"+actions):
		s.bulk(w, r, t, strings.TrimPrefix(rest, "/"+actions))
	case strings.HasPrefix(rest, "(") && strings.Contains(rest, ")/"):
		inner, path, _ := strings.Cut(rest[1:], ")/")
		s.below(w, r, t, inner, path)
	case strings.HasPrefix(rest, "(") && strings.HasSuffix(rest, ")"):
		s.row(w, r, t, rest[1:len(rest)-1])
	default:
		s.fail(w, &refusal{405, "0x8006088a", "The method is not allowed here."})
	}
}

func (s *Server) count(w http.ResponseWriter, r *http.Request, t *table) {
	q := r.URL.Query()
	for name := range q {
		if name != "$filter" && name != "$deltatoken" && name != "tag" {
			s.fail(w, &refusal{400, "0x80060888", "The query parameter " + name + " is not supported"})
			return
		}
	}
	if token := q.Get("$deltatoken"); token != "" {
		s.countChanges(w, r, t, token)
		return
	}
	see, bad := s.sees(t)
	var filter predicate
	if bad == nil {
		filter, bad = t.parseFilter(q.Get("$filter"))
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	t.rlock()
	n := s.countRows(&reading{t: t, filter: both(see, filter)})
	t.runlock()
	s.plainCount(w, n)
}

// plainCount writes a number as text. The service counts to 5000.
func (s *Server) plainCount(w http.ResponseWriter, n int64) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, strconv.FormatInt(min(n, 5000), 10))
}

// fail answers with the service's error object (§9).
func (s *Server) fail(w http.ResponseWriter, bad *refusal) {
	body, err := json.Marshal(map[string]any{"error": map[string]string{"code": bad.code, "message": bad.message}})
	if err != nil {
		body = []byte(`{"error":{"code":"0x80040216","message":""}}`)
	}
	s.json(w, bad.status, body)
}

func (s *Server) write(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.fail(w, &refusal{500, "0x80040216", err.Error()})
		return
	}
	s.json(w, http.StatusOK, body)
}

func (s *Server) json(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// Version is the newest row version. It grows with every write.
func (s *Server) Version() int64 { return s.version.Load() }
