package campaign

import (
	"fmt"

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
