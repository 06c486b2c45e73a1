package dataverse

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tracks says whether changes of the table are tracked now.
func (s *Server) tracks(r *http.Request, t *table) bool {
	_, off := s.o.Faults.Named("dataverse", "tracking_disabled", r)
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.tracked && !off
}

const tokenTime = "01/02/2006 15:04:05"

// deltaToken holds the newest version and the time at which the token was issued.
func (s *Server) deltaToken() string {
	return s.tokenAt(s.version.Load())
}

func (s *Server) tokenAt(version int64) string {
	text := strconv.FormatInt(version, 10) + "!" + s.o.Clock.Now().Format(tokenTime)
	return strings.ReplaceAll(strings.ToLower(url.QueryEscape(text)), "+", "%20")
}

// since reads a delta token: the version after which changes are wanted.
func (s *Server) since(r *http.Request, t *table, token string) (int64, *refusal) {
	version, issued, ok := strings.Cut(token, "!")
	n, err := strconv.ParseInt(version, 10, 64)
	at, timeErr := time.Parse(tokenTime, issued)
	rule, expired := s.o.Faults.Named("dataverse", "expired_delta_link", r)
	switch {
	case !ok || err != nil || timeErr != nil:
		return 0, &refusal{400, "0x80060888", "The delta token is malformed."}
	case expired, s.o.Clock.Now().Sub(at) > s.o.Retention:
		status := s.o.ExpiredStatus
		if rule.Status != 0 {
			status = rule.Status
		}
		return 0, &refusal{status, "0x80044352", "Version stamp associated with the client has expired. Please perform a full sync."}
	case !s.tracks(r, t):
		return 0, untracked(t)
	}
	return n, s.whole(t)
}

func untracked(t *table) *refusal {
	return &refusal{400, "0x80072491", "Entity " + t.LogicalName + " isn't enabled for change tracking."}
}

// changes calls f with each change after a version, until f returns false. The row is nil
// when it was deleted. The caller holds the lock of t.
func (t *table) changes(from int64, f func(l logged, current *row) bool) {
	start, _ := slices.BinarySearchFunc(t.log, from+1, func(l logged, v int64) int { return int(min(1, max(-1, l.version-v))) })
	for _, l := range t.log[start:] {
		current, exists := t.rows[l.key]
		stale := exists && current.version != l.version || !exists && !l.deleted
		if !stale && !f(l, current) {
			return
		}
	}
}

// countChanges serves $count behind a delta token.
func (s *Server) countChanges(w http.ResponseWriter, r *http.Request, t *table, token string) {
	from, bad := s.since(r, t, token)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	n := int64(0)
	t.rlock()
	t.changes(from, func(logged, *row) bool { n++; return true })
	t.runlock()
	s.plainCount(w, n)
}

// delta serves the changes after a token: rows by version, then deletions (§4.3).
func (s *Server) delta(w http.ResponseWriter, r *http.Request, rd *reading, token string) {
	t := rd.t
	from := rd.at.Delta
	if token != "" {
		var bad *refusal
		if from, bad = s.since(r, t, token); bad != nil {
			s.fail(w, bad)
			return
		}
	} else if !s.tracks(r, t) {
		s.fail(w, untracked(t))
		return
	}
	defer s.rlock(rd)()
	upTo := s.version.Load()
	var rows []*row
	var deleted []string
	reached, more := upTo, false
	t.changes(from, func(l logged, current *row) bool {
		if len(rows)+len(deleted) == rd.size {
			more = true
			return false
		}
		reached = l.version
		if current != nil {
			rows = append(rows, current)
		} else {
			deleted = append(deleted, l.key)
		}
		return true
	})
	if _, empty := s.o.Faults.Named("dataverse", "empty_page_with_next", r); empty && len(rows)+len(deleted) > 0 {
		rows, deleted, reached, more = nil, nil, max(from, 1), true
	}
	if _, unknown := s.o.Faults.Named("dataverse", "unknown_deletes", r); unknown {
		deleted = append(deleted, newKey(), newKey()) // rows that were created and deleted since the token are reported like this
	}
	b := s.open(r, t, rd, "/$delta")
	if more {
		next := cookie{Page: rd.at.Page + 1, Track: true, Delta: reached}
		b = fmt.Appendf(b, `,"@odata.nextLink":%s`, quote(rd.link("$skiptoken="+next.encode())))
	} else {
		b = fmt.Appendf(b, `,"@odata.deltaLink":%s`, quote(rd.link("$deltatoken="+s.tokenAt(upTo))))
	}
	s.rows(w, r, b, rd, rows, deleted)
}
