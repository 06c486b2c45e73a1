package journal

import (
	"net/url"
	"regexp"
	"strconv"
	"time"
)

// query holds the parameters of a request. At most one of since, latest and seek is
// set.
type query struct {
	since  string
	limit  int // 0 = not given
	latest bool
	seek   time.Duration // back from now
}

// parseQuery reads the parameters, or says what is wrong with them.
func parseQuery(raw string) (q query, bad string) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, "The query cannot be read."
	}
	ways := 0
	for name, list := range values {
		if len(list) != 1 {
			return q, "The parameter " + name + " is given more than once."
		}
		switch value := list[0]; name {
		case "since":
			q.since = value
			ways++
		case "limit":
			if q.limit, err = strconv.Atoi(value); err != nil || q.limit < 1 {
				return q, "The limit is not a positive number."
			}
		case "latest":
			if q.latest = value == "true"; !q.latest && value != "false" {
				return q, "The parameter latest is neither true nor false."
			}
			if q.latest {
				ways++
			}
		case "seek":
			back, ok := parseSeek(value)
			if !ok {
				return q, "The parameter seek is not a negative ISO 8601 duration."
			}
			q.seek = back
			ways++
		}
	}
	if ways > 1 {
		return q, "Only one of since, latest and seek may be given."
	}
	return q, ""
}

var isoDuration = regexp.MustCompile(`^-P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$`)

// parseSeek reads durations such as -PT2H and -P1DT30M.
func parseSeek(text string) (time.Duration, bool) {
	m := isoDuration.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	var d time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, err := strconv.Atoi("0" + m[i+1])
		if err != nil {
			return 0, false
		}
		d += time.Duration(n) * unit
	}
	return d, d > 0
}

// link is the address of what comes after a position. It repeats the limit.
func (q query) link(path, since string) string {
	sep := "?"
	if since != "" {
		path, sep = path+"?since="+since, "&"
	}
	if q.limit > 0 {
		path += sep + "limit=" + strconv.Itoa(q.limit)
	}
	return path
}
