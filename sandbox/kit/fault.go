package kit

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Action is what a fault does to a request it is drawn for.
type Action string

const (
	// Respond answers with Status, Headers and Body without reaching the service.
	Respond Action = "respond"
	// Delay waits Latency, then serves the request normally.
	Delay Action = "delay"
	// ResetBefore closes the connection before the service sees the request.
	ResetBefore Action = "reset_before"
	// ResetAfter lets the service commit, then closes the connection unanswered.
	ResetAfter Action = "reset_after"
	// Truncate serves the request but cuts the body in half.
	Truncate Action = "truncate"
	// Replace serves the request, so that it is carried out, and answers with
	// Status, Headers and Body in place of what the service says.
	Replace Action = "replace"
	// Named asks the service itself to behave in a way it documents under Name,
	// such as "expired_delta_link" or "token_expired".
	Named Action = "named"
)

// Rule scripts one fault. Of the requests that match Method and Path it skips
// After, then hits up to Times of them (0 = no end), each with Probability
// (0 = always) drawn from a generator seeded by Seed.
type Rule struct {
	ID          string            `json:"id,omitempty"` // given by the service when empty
	Service     string            `json:"service"`      // "dataverse", "entra", "campaign", "ims", "journal", "sftp"
	Method      string            `json:"method,omitempty"`
	Path        string            `json:"path,omitempty"` // regular expression on the raw path
	After       int               `json:"after,omitempty"`
	Times       int               `json:"times,omitempty"`
	Probability float64           `json:"probability,omitempty"`
	Seed        uint64            `json:"seed,omitempty"`
	Action      Action            `json:"action"`
	Name        string            `json:"name,omitempty"`
	Status      int               `json:"status,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        string            `json:"body,omitempty"`
	LatencyMS   int               `json:"latency_ms,omitempty"`
	Hits        int               `json:"hits"` // read only: how often it was drawn
}

type armed struct {
	Rule
	path *regexp.Regexp
	rng  *rand.Rand
	seen int
	hit  chan struct{} // closed at the first hit
}

// Faults holds the scripted faults of every sandbox service in a process.
type Faults struct {
	any   atomic.Bool // fast path: most requests meet no rule at all
	mu    sync.Mutex
	next  int
	rules []*armed
}

// Add arms a rule and returns its id.
func (f *Faults) Add(r Rule) (string, error) {
	switch r.Action {
	case Respond, Delay, ResetBefore, ResetAfter, Truncate, Replace, Named:
	default:
		return "", fmt.Errorf("fault action: got %q, want respond, delay, reset_before, reset_after, truncate, replace or named", r.Action)
	}
	if (r.Action == Respond || r.Action == Replace) && (r.Status < 100 || r.Status > 599) {
		return "", fmt.Errorf("fault status: got %d, want 100 to 599", r.Status)
	}
	path, err := regexp.Compile(r.Path)
	if err != nil {
		return "", fmt.Errorf("fault path: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	if r.ID == "" {
		r.ID = fmt.Sprintf("fault-%d", f.next)
	}
	r.Hits = 0
	f.rules = append(f.rules, &armed{Rule: r, path: path, rng: rand.New(rand.NewPCG(r.Seed, 0x9e3779b97f4a7c15)), hit: make(chan struct{})})
	f.any.Store(true)
	return r.ID, nil
}

// Clear disarms one rule, or all of them when id is "".
func (f *Faults) Clear(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := f.rules[:0]
	for _, a := range f.rules {
		if id != "" && a.ID != id {
			kept = append(kept, a)
		}
	}
	f.rules = kept
	f.any.Store(len(kept) > 0)
}

// Hit is closed once an armed rule has hit a request; nil for a rule that is not armed.
func (f *Faults) Hit(id string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.rules {
		if a.ID == id {
			return a.hit
		}
	}
	return nil
}

// List returns the armed rules with their hit counts.
func (f *Faults) List() []Rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Rule, len(f.rules))
	for i, a := range f.rules {
		out[i] = a.Rule
	}
	return out
}

// draw returns the first rule that hits this request; match selects between
// rules a service must act on itself and rules the Wrap handler carries out.
func (f *Faults) draw(service, method, path string, match func(*Rule) bool) (Rule, bool) {
	if !f.any.Load() {
		return Rule{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.rules {
		if a.Service != service || (a.Method != "" && a.Method != method) || !match(&a.Rule) || !a.path.MatchString(path) {
			continue
		}
		a.seen++
		if a.seen <= a.After || (a.Times > 0 && a.Hits >= a.Times) {
			continue
		}
		if a.Probability > 0 && a.rng.Float64() >= a.Probability {
			continue
		}
		if a.Hits++; a.Hits == 1 {
			close(a.hit)
		}
		return a.Rule, true
	}
	return Rule{}, false
}

// Named reports whether a named fault hits this request; services call it at
// the point where they would behave differently.
func (f *Faults) Named(service, name string, r *http.Request) (Rule, bool) {
	return f.draw(service, r.Method, r.URL.EscapedPath(), func(x *Rule) bool { return x.Action == Named && x.Name == name })
}

// Draw is for services that do not speak HTTP: it returns the fault that hits an
// operation on a path, for the service itself to carry out.
func (f *Faults) Draw(service, operation, path string) (Rule, bool) {
	return f.draw(service, operation, path, func(x *Rule) bool { return x.Action != Named })
}

// Wrap puts the unnamed faults of one service in front of (and behind) next.
func (f *Faults) Wrap(service string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rule, hit := f.draw(service, r.Method, r.URL.EscapedPath(), func(x *Rule) bool { return x.Action != Named })
		if !hit {
			next.ServeHTTP(w, r)
			return
		}
		if rule.LatencyMS > 0 {
			select {
			case <-time.After(time.Duration(rule.LatencyMS) * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		switch rule.Action {
		case Delay, Named:
			next.ServeHTTP(w, r)
		case Respond:
			_, _ = io.Copy(io.Discard, r.Body)
			rule.answer(w)
		case Replace:
			next.ServeHTTP(&swallow{header: http.Header{}}, r)
			rule.answer(w)
		case ResetBefore:
			hangUp(w)
		case ResetAfter:
			next.ServeHTTP(&swallow{header: http.Header{}}, r)
			hangUp(w)
		case Truncate:
			s := &swallow{header: http.Header{}, keep: true}
			next.ServeHTTP(s, r)
			for k, v := range s.header {
				w.Header()[k] = v
			}
			w.Header().Set("Content-Length", fmt.Sprint(s.body.Len()))
			w.WriteHeader(s.status)
			_, _ = io.WriteString(w, s.body.String()[:s.body.Len()/2])
			hangUp(w)
		}
	})
}

// answer is the scripted one.
func (r *Rule) answer(w http.ResponseWriter) {
	for k, v := range r.Headers {
		w.Header().Set(k, v)
	}
	w.WriteHeader(r.Status)
	_, _ = io.WriteString(w, r.Body)
}

// hangUp closes the client's connection without completing an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 has no hijack: this resets the stream
	}
	_ = conn.Close()
}

// swallow takes an answer nobody will see.
type swallow struct {
	header http.Header
	keep   bool
	status int
	body   strings.Builder
}

func (s *swallow) Header() http.Header { return s.header }
func (s *swallow) WriteHeader(code int) {
	if s.status == 0 {
		s.status = code
	}
}
func (s *swallow) Write(p []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	if s.keep {
		return s.body.Write(p)
	}
	return len(p), nil
}

// AdminHandler serves GET (list), POST (add, body Rule) and DELETE (?id=, or all).
func (f *Faults) AdminHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet:
			WriteJSON(w, http.StatusOK, f.List())
		case http.MethodPost:
			var rule Rule
			dec := json.NewDecoder(r.Body)
			dec.DisallowUnknownFields()
			if err := dec.Decode(&rule); err != nil {
				WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
				return
			}
			id, err := f.Add(rule)
			if err != nil {
				WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
				return
			}
			WriteJSON(w, http.StatusCreated, map[string]string{"id": id})
		case http.MethodDelete:
			f.Clear(r.URL.Query().Get("id"))
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	})
}

// WriteJSON answers an admin request.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
