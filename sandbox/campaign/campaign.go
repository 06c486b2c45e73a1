// Package campaign stands in for the Adobe Campaign Standard REST API: strict
// about keys, types, texts and errors, as campaign.md describes it. Records live
// in memory; Save and Load keep them between runs.
package campaign

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"causeway.dev/sandbox/kit"
)

// Options of a Server.
type Options struct {
	Clock           *kit.Clock
	Faults          *kit.Faults
	Tokens          interface{ Valid(token string) bool }
	APIKey          string
	Tenant          string // first path segment: /<tenant>/campaign/…
	Latency         time.Duration
	RatePerSecond   float64 // 0 = unlimited; beyond it 429 with Retry-After
	Burst           int
	ErrorBody       string // text (default) or json_string
	OptOutNames     string // blackList (default) or denyList
	BigTable        int    // rows above which next needs _forcePagination; default 100000
	MaxLineCount    int    // default 1000
	CustomResources []Resource
}

// Server is a Campaign instance.
type Server struct {
	o       Options
	handler http.Handler
	tables  map[string]*table
	aead    cipher.AEAD
	limit   *rate.Limiter
	latency atomic.Int64
	request atomic.Int64 // numbers X-Request-Id

	meterMu sync.Mutex
	meter   map[meterKey]int64
}

type meterKey struct {
	hour int64
	kind string
}

// New returns a Server with an empty profile table.
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
	s := &Server{o: o, tables: map[string]*table{}, meter: map[meterKey]int64{}}
	for _, r := range append([]Resource{Profile(o.OptOutNames)}, o.CustomResources...) {
		s.tables[r.Name] = newTable(r)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	if err == nil {
		s.aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		panic(err) // unreachable: the key has the right length
	}
	if o.RatePerSecond > 0 {
		s.limit = rate.NewLimiter(rate.Limit(o.RatePerSecond), max(1, o.Burst))
	}
	s.latency.Store(int64(o.Latency))
	s.handler = o.Faults.Wrap("campaign", http.HandlerFunc(s.serve))
	return s
}

// SetLatency changes the answer time of every request.
func (s *Server) SetLatency(d time.Duration) { s.latency.Store(int64(d)) }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// serve does what the gateway does, in its order: key, token, product profile,
// throttle; then hands over to Campaign (§1.4).
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header()["X-Request-Id"] = []string{strconv.FormatInt(s.request.Add(1), 36)}
	if d := s.latency.Load(); d > 0 {
		timer := time.NewTimer(time.Duration(d))
		select {
		case <-timer.C:
		case <-r.Context().Done():
			timer.Stop()
			return
		}
	}
	key := r.Header.Get("X-Api-Key")
	auth := r.Header.Get("Authorization")
	token, bearer := strings.CutPrefix(auth, "Bearer ")
	_, expired := s.o.Faults.Named("campaign", "token_expired", r)
	rest, routed := strings.CutPrefix(r.URL.EscapedPath(), "/"+s.o.Tenant+"/campaign")
	switch {
	case key == "":
		gateway(w, 403, "403000", "Api Key is required")
	case key != s.o.APIKey:
		gateway(w, 403, "403003", "Api Key is invalid")
	case auth == "":
		gateway(w, 403, "403010", "Oauth token is missing.")
	case !bearer || expired || !s.o.Tokens.Valid(token):
		gateway(w, 401, "401013", "Oauth token is not valid")
	case !routed:
		gateway(w, 403, "403023", "Profile is not valid")
	case s.limit != nil && !s.limit.Allow():
		w.Header().Set("Retry-After", "1")
		gateway(w, 429, "429050", "Too many requests")
	default:
		s.route(w, r, rest)
	}
}

func gateway(w http.ResponseWriter, status int, code, message string) {
	kit.WriteJSON(w, status, map[string]string{"error_code": code, "message": message})
}

// pkey hides a record's id: another text at every read, useless elsewhere (§4.1).
func (s *Server) pkey(t *table, id int64) string {
	nonce := make([]byte, s.aead.NonceSize(), 64)
	_, _ = rand.Read(nonce)
	var plain [8]byte
	binary.BigEndian.PutUint64(plain[:], uint64(id)) //nolint:gosec // ids are positive
	return "@" + base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain[:], []byte(t.Name)))
}

func (s *Server) openPKey(t *table, pkey string) (string, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(pkey, "@"))
	n := s.aead.NonceSize()
	if err != nil || len(raw) < n {
		return "", false
	}
	plain, err := s.aead.Open(nil, raw[:n], raw[n:], []byte(t.Name))
	if err != nil || len(plain) != 8 {
		return "", false
	}
	return t.keyOf(int64(binary.BigEndian.Uint64(plain))) //nolint:gosec // written by pkey
}

// count adds an engine call of the current hour.
func (s *Server) count(kind string) {
	k := meterKey{s.o.Clock.Now().Unix() / 3600, kind}
	s.meterMu.Lock()
	s.meter[k]++
	s.meterMu.Unlock()
}

// Meter is the number of calls by kind: insert, update, delete, read, and
// metadata, which is no engine call.
func (s *Server) Meter() map[string]int64 {
	s.meterMu.Lock()
	defer s.meterMu.Unlock()
	out := map[string]int64{}
	for k, n := range s.meter {
		out[k.kind] += n
	}
	return out
}

// ResetMeter starts counting anew.
func (s *Server) ResetMeter() {
	s.meterMu.Lock()
	defer s.meterMu.Unlock()
	clear(s.meter)
}
