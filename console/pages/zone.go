package pages

import (
	"net/http"
	"net/url"
	"regexp"
	"time"
	_ "time/tzdata" // a container may have none
)

// zoneCookie names the time zone of the reader; console.js sets it.
const zoneCookie = "causeway_zone"

var zoneName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}$`)

// zone is the reader's time zone: UTC until the browser has said which.
func zone(r *http.Request) *time.Location {
	c, err := r.Cookie(zoneCookie)
	if err != nil {
		return time.UTC
	}
	name, err := url.QueryUnescape(c.Value)
	if err != nil || !zoneName.MatchString(name) || name == "Local" {
		return time.UTC
	}
	if at, err := time.LoadLocation(name); err == nil {
		return at
	}
	return time.UTC
}

// here is the time in the reader's zone. Templates write times in the zone of this one.
func (p *Pages) here(r *http.Request) time.Time { return p.now().In(zone(r)) }
