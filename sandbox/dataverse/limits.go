package dataverse

import (
	"net/http"
	"sync"
	"time"
)

// Protection are the service protection limits of one user (§7.1).
type Protection struct {
	Requests      int           // per window; the service has 6,000
	ExecutionTime time.Duration // per window; the service has 20 min
	Concurrency   int           // the service has 52
}

// ServiceLimits are the documented ones.
var ServiceLimits = Protection{Requests: 6000, ExecutionTime: 20 * time.Minute, Concurrency: 52}

// window is the time over which the limits are counted.
const window = 300 * time.Second

// throttled answers with one of the three refusals when a scripted fault says so.
func (s *Server) throttled(w http.ResponseWriter, r *http.Request) bool {
	for name, refused := range map[string]*refusal{
		"throttle_requests": tooMany, "throttle_time": tooLong, "throttle_concurrency": tooWide,
	} {
		if rule, hit := s.o.Faults.Named("dataverse", name, r); hit {
			for k, v := range rule.Headers {
				w.Header().Set(k, v)
			}
			s.used.throttled.Add(1)
			s.fail(w, refused)
			return true
		}
	}
	return false
}

var (
	tooMany = &refusal{429, "0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds."}
	tooLong = &refusal{429, "0x80072321", "Combined execution time of incoming requests exceeded limit of 1,200,000 milliseconds over time window of 300 seconds. Decrease number of concurrent requests or reduce the duration of requests and try again later."}
	tooWide = &refusal{429, "0x80072326", "Number of concurrent requests exceeded the limit of 52."}
)

// limits counts one user's requests over the window.
type limits struct {
	max Protection

	mu    sync.Mutex
	seen  []used // ascending
	time  time.Duration
	width int

	why    *refusal  // nil: open
	closed time.Time // until then
	last   time.Time // of the refusals
}

type used struct {
	at   time.Time
	took time.Duration
}

func newLimits(p Protection) *limits { return &limits{max: p} }

// enter admits a request, or says what is exceeded and how many seconds to wait.
func (l *limits) enter(now time.Time) (leave func(now time.Time, took time.Duration), bad *refusal, wait int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	switch {
	case l.max.Concurrency > 0 && l.width >= l.max.Concurrency:
		return nil, tooWide, 1
	case l.why != nil && now.Before(l.closed):
		if now.Sub(l.last) >= time.Second { // requests that were under way do not lengthen the wait
			l.closed = l.closed.Add(time.Second)
		}
		return l.refuse(now)
	case l.max.Requests > 0 && len(l.seen) >= l.max.Requests:
		l.why, l.closed = tooMany, l.seen[len(l.seen)-l.max.Requests].at.Add(window)
		return l.refuse(now)
	case l.max.ExecutionTime > 0 && l.time >= l.max.ExecutionTime:
		l.why, l.closed = tooLong, l.seen[l.heaviest()].at.Add(window)
		return l.refuse(now)
	}
	l.why = nil
	l.width++
	return l.leave, nil, 0
}

// refuse says how many seconds the limit stays closed. More requests lengthen that
// time (§7.1).
func (l *limits) refuse(now time.Time) (func(time.Time, time.Duration), *refusal, int) {
	l.last = now
	return nil, l.why, max(1, int((l.closed.Sub(now)+time.Second-1)/time.Second))
}

func (l *limits) leave(now time.Time, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.width--
	l.seen = append(l.seen, used{now, took})
	l.time += took
}

func (l *limits) forget(now time.Time) {
	old := 0
	for old < len(l.seen) && now.Sub(l.seen[old].at) >= window {
		l.time -= l.seen[old].took
		old++
	}
	l.seen = l.seen[old:]
}

// heaviest finds the request that brings the time below the limit again when it leaves
// the window.
func (l *limits) heaviest() int {
	left := l.time
	for i := range l.seen {
		if left -= l.seen[i].took; left < l.max.ExecutionTime {
			return i
		}
	}
	return len(l.seen) - 1
}
