// Package journal stands in for the Adobe I/O Events Journaling API
// (docs/protocol/campaign.md §6.1). It serves an event log in pages, from opaque
// positions, as long as events are retained. Package stack serves it beside Campaign.
package journal

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/kit"
)

// service is the name in scripted faults. Besides the named faults of the gateway
// (token_expired, throttle) there is expired_position, which answers 410.
const service = "journal"

// pageCap is the largest body, in bytes. One event is always served, however large.
const pageCap = 1_500_000

// Options of a Server.
type Options struct {
	Clock   *kit.Clock
	Faults  *kit.Faults
	Tokens  interface{ Valid(token string) bool }
	Log     *eventlog.Log
	Latency time.Duration // of every answer

	APIKey                             string
	Organization                       string // x-ims-org-id: ABC@AdobeOrg
	Consumer, Credential, Registration string // in the path
	Source                             string // of the events: urn:acs:<tenant>

	Retention  time.Duration // default 7 days
	PageSize   int           // events of a page without a limit; default 100
	RetryAfter time.Duration // of a 204; default 10 s
}

// Server is the journal of one registration.
type Server struct {
	o       Options
	gate    campaign.Gate
	handler http.Handler
	path    string

	requests, pages, events, gone atomic.Int64
}

// New returns a Server.
func New(o Options) *Server {
	if o.Retention == 0 {
		o.Retention = 7 * 24 * time.Hour
	}
	if o.PageSize == 0 {
		o.PageSize = 100
	}
	if o.RetryAfter == 0 {
		o.RetryAfter = 10 * time.Second
	}
	s := &Server{o: o, gate: campaign.Gate{Service: service, Faults: o.Faults, Tokens: o.Tokens, APIKey: o.APIKey}}
	s.path = "/events/organizations/" + o.Consumer + "/integrations/" + o.Credential + "/" + o.Registration
	s.handler = o.Faults.Wrap(service, http.HandlerFunc(s.serve))
	return s
}

// Path is where the journal is served.
func (s *Server) Path() string { return s.path }

// Stats counts what was asked and answered.
type Stats struct {
	Requests int64 `json:"requests"`
	Pages    int64 `json:"pages"`  // with events
	Events   int64 `json:"events"` // delivered, with repetitions
	Gone     int64 `json:"gone"`   // positions that had expired
}

// Stats returns the counts since the start.
func (s *Server) Stats() Stats {
	return Stats{s.requests.Load(), s.pages.Load(), s.events.Load(), s.gone.Load()}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header()["Date"] = []string{s.o.Clock.Now().Format(http.TimeFormat)}
	w.Header()["X-Request-Id"] = []string{"journal-" + strconv.FormatInt(s.requests.Add(1), 36)}
	if s.o.Latency > 0 {
		timer := time.NewTimer(s.o.Latency)
		select {
		case <-timer.C:
		case <-r.Context().Done():
			timer.Stop()
			return
		}
	}
	if !s.gate.Admit(w, r) {
		return
	}
	tail, ours := strings.CutPrefix(r.URL.EscapedPath(), s.path)
	switch {
	case r.Header.Get("X-Ims-Org-Id") != s.o.Organization:
		s.gate.Foreign(w)
	case !ours || tail != "" && tail != "/validate":
		refuse(w, http.StatusNotFound, "There is no such registration.")
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		refuse(w, http.StatusMethodNotAllowed, "Use GET.")
	case s.gate.Throttle(w, r):
	default:
		s.read(w, r, tail == "/validate")
	}
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// read answers one request for events.
func (s *Server) read(w http.ResponseWriter, r *http.Request, validate bool) {
	q, bad := parseQuery(r.URL.RawQuery)
	if bad != "" {
		refuse(w, http.StatusBadRequest, bad)
		return
	}
	end := s.o.Log.Len() // Len publishes what is due, so it is called first
	oldest := s.o.Log.FirstSince(s.o.Clock.Now().Add(-s.o.Retention))
	from := oldest
	switch {
	case q.since != "":
		n, ok := s.number(q.since)
		if !ok {
			refuse(w, http.StatusBadRequest, "The position cannot be read.")
			return
		}
		if _, asked := s.o.Faults.Named(service, "expired_position", r); asked || n < oldest || n >= end {
			s.gone.Add(1)
			refuse(w, http.StatusGone, "Events at position "+q.since+" have expired.")
			return
		}
		from = n + 1
	case q.latest:
		from = end
	case q.seek > 0:
		from = max(oldest, s.o.Log.FirstSince(s.o.Clock.Now().Add(-q.seek)))
	}
	if from >= end || validate {
		s.empty(w, q, from, oldest, end)
		return
	}
	s.page(w, q, from, end)
}

// empty answers that there is nothing newer. An empty journal does not say when to ask
// again.
func (s *Server) empty(w http.ResponseWriter, q query, from, oldest, end int) {
	next, since := s.path, ""
	if from > oldest {
		since = s.position(from - 1)
		next = q.link(s.path, since)
	} else if q.limit > 0 {
		next = q.link(s.path, "")
	}
	if end > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(s.o.RetryAfter.Seconds())))
	}
	w.Header().Add("Link", "<"+next+`>; rel="next"`)
	if since != "" {
		w.Header().Add("Link", "<"+s.path+"/validate?since="+since+`>; rel="validate"`)
	}
	w.WriteHeader(http.StatusNoContent)
}

// page answers with events, up to the limit of the request and the size of a page.
func (s *Server) page(w http.ResponseWriter, q query, from, end int) {
	limit := q.limit
	if limit == 0 {
		limit = s.o.PageSize
	}
	body := append(make([]byte, 0, 64<<10), `{"events":[`...)
	n, last := 0, ""
	for at := from; at < end && n < limit; at++ {
		event, err := s.o.Log.Appearance(at, s.o.Source, s.o.APIKey)
		if err != nil {
			refuse(w, http.StatusInternalServerError, err.Error())
			return
		}
		position := s.position(at)
		if n > 0 && len(body)+len(event)+3*len(position) > pageCap {
			break
		}
		if n > 0 {
			body = append(body, ',')
		}
		body = append(append(append(body, `{"position":"`...), position...), `","event":`...)
		body = append(append(body, event...), '}')
		n, last = n+1, position
	}
	body = append(append(body, `],"_page":{"last":"`...), last...)
	body = append(strconv.AppendInt(append(body, `","count":`...), int64(n), 10), `}}`...)
	s.links(w.Header(), q.link(s.path, last))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	s.events.Add(int64(n))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body)
}

// links names the next page and the other links. It puts them into one header or into
// several, because the service does both.
func (s *Server) links(h http.Header, next string) {
	all := []string{
		"<" + s.path + `>; rel="events"`, "<" + s.path + `?since={position}&limit={count}>; rel="page"`,
		"<" + next + `>; rel="next"`,
		"<" + s.path + `?latest=true>; rel="latest"`, "<" + s.path + `?seek={duration}&limit={count}>; rel="seek"`,
	}
	switch s.pages.Add(1) % 3 {
	case 0:
		h.Add("Link", strings.Join(all, ", "))
	case 1:
		h.Add("Link", all[2])
	default:
		for _, one := range all {
			h.Add("Link", one)
		}
	}
}
