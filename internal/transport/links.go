package transport

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"causeway.dev/internal/apierr"
)

// SameOrigin parses a link the service handed out and refuses one that leads to
// another scheme, host or port, or carries a user: the token would go there.
func SameOrigin(base *url.URL, link string) (*url.URL, error) {
	u, err := url.Parse(link)
	if err == nil && u.User == nil && u.Scheme == base.Scheme &&
		strings.EqualFold(u.Hostname(), base.Hostname()) && port(u) == port(base) {
		return u, nil
	}
	return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonForeignLink, Service: "transport", Op: "follow link",
		Message: "the service handed out a link to another host, want " + base.Host}
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
}

// longestWait bounds what is believed of a Retry-After.
const longestWait = 7 * 24 * time.Hour

// RetryAfter reads the header of that name, in seconds or as a date; false when
// it is missing or cannot be read.
func RetryAfter(h http.Header) (time.Duration, bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		if !(seconds >= 0) {
			return 0, false
		}
		return time.Duration(min(seconds, longestWait.Seconds()) * float64(time.Second)), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	now := time.Now()
	if sent, err := http.ParseTime(h.Get("Date")); err == nil {
		now = sent // the service's own clock, wherever ours stands
	}
	return min(max(0, at.Sub(now)), longestWait), true
}
