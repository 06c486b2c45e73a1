package campaign

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

// A success counts only when it looks as the protocol says (docs/protocol/campaign.md
// §4.2): what stands between us and Campaign answers 200, too, with a page that says
// that it is being maintained, and nothing was written.

// holds says that a body is a JSON object with a text in each of these properties.
func holds(body []byte, properties ...string) bool {
	if !gjson.ValidBytes(body) {
		return false
	}
	doc := gjson.ParseBytes(body)
	for _, name := range properties {
		if v := doc.Get(name); v.Type != gjson.String || v.Str == "" {
			return false
		}
	}
	return doc.IsObject()
}

// textOf is a property of a JSON object; "" when it has none that is a text.
func textOf(body []byte, property string) string {
	if property == "" || strings.ContainsAny(property, ".*?|#@!{}[]") {
		return ""
	}
	return gjson.GetBytes(body, property).Str
}

// isNamedBy says that an href may be that of the record with a business key: its path ends
// in the name of the resource and in one more segment. That is a PKey, of which nothing can
// be told, as it is another text in each context (§4.1), or a business key, which is then to
// be ours. What stands before may have been rewritten on the way, and what follows, too.
func (r Resource) isNamedBy(href, key string) bool {
	link, err := url.Parse(href)
	if err != nil {
		return false
	}
	var segments []string
	for part := range strings.SplitSeq(link.EscapedPath(), "/") {
		text, err := url.PathUnescape(part)
		if err != nil {
			return false
		}
		if text != "" { // addresses of Campaign hold double slashes
			segments = append(segments, text)
		}
	}
	n := len(segments)
	return n >= 2 && segments[n-2] == r.Name && sameKey(key, segments[n-1])
}

// guidForm is the form of the business keys that come from Dynamics. No PKey has it.
var guidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

// sameKey is false when what an answer names is another record's business key for certain.
func sameKey(ours, named string) bool {
	return strings.EqualFold(ours, named) || !guidForm.MatchString(ours) || !guidForm.MatchString(named)
}

// badResponse is the failure of a read whose answer is not what was asked for.
func badResponse(op, message string) *apierr.Error {
	return &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonBadResponse, Service: service, Op: op, Message: message}
}

// unconfirmed is the failure of a write that was answered by a success which does
// not say that anything was written. Nobody knows whether it was.
func unconfirmed(op string, res *transport.Response, want string) *apierr.Error {
	e := badResponse(op, fmt.Sprintf("got status %d and %s; %s", res.Status, res.Kind(), want))
	e.Ambiguous, e.Status, e.RequestID = true, res.Status, requestID(res.Header)
	return e
}
