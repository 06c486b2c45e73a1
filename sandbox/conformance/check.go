// Package conformance asks the services the questions that docs/protocol/campaign-rows.md
// and docs/protocol/dataverse-rows.md answer, row by row. Its tests ask the sandboxes and,
// with credentials in the environment, the real services too, and compare. Requests that
// are to be refused are here as well, for all services in one place.
package conformance

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Check is one question, and the answer of the row.
type Check struct {
	Row     string // in one of the pages
	Name    string
	Writes  bool   // it changes records if the service does not refuse it; a real service is asked only when that is allowed
	Sandbox bool   // a real service is never asked: it needs what only a sandbox has, or would do what was asked for
	Service string // campaign, ims, journal, dataverse or entra
	Method  string // default GET
	Path    string // after the service's address; {key}, {id} and {none} are the suite's own profile, its own contact, and nobody
	Body    string
	Headers []string // "Name: value"; without a value the header is left out
	Want    string   // status, and the code or the first of phrases that the answer holds
	Form    string   // of the body of a refusal; default that of the service
	Says    string   // text that the answer holds; "" = any
}

// The forms of refusals.
const (
	odata   = "OData error"   // {"error":{"code","message"}}, typed and versioned
	oauth   = "OAuth error"   // {"error","error_description"}
	entra   = "Entra error"   // the same with error_codes, and ids for support
	gateway = "gateway error" // {"error_code","message"}
	router  = "router error"  // {"code","message"} with a number
	plain   = "text"
	page    = "page"  // HTML
	parts   = "parts" // of a batch, the last of which tells
	empty   = "empty"
)

var forms = map[string]string{"dataverse": odata, "entra": entra, "ims": oauth, "journal": plain, "campaign": plain}

// Refused says that the question is a request that must be refused.
func (c Check) Refused() bool { return c.Want >= "400" }

// Answer is what the service is to answer, as Ask writes it.
func (c Check) Answer() string {
	if !c.Refused() {
		return c.Want
	}
	form := c.Form
	if form == "" {
		form = forms[c.Service]
		if _, code, _ := strings.Cut(c.Want, " "); len(code) == 6 && code[0] == '4' {
			form = gateway
		}
	}
	return c.Want + " (" + form + ")"
}

// phrases are the stable parts of answers that have no code.
var phrases = []string{
	"401013", "403000", "403003", "403010", "403023", "is not a valid constant", "Unable to find document", "already exists", "Error rc=-2003",
	"BAS-010040", "attribute unknown", "is not valid for the", "property that is read-only", "value too long", "Cannot update key", "does not imitate",
	"invalid_client", "invalid_scope", "unsupported_grant_type", "bad_signature", `"valid":true`, "invalid_request", "invalid_token", "not_found",
	"XTK-170006", "XTK-170024", "not-null",
}

// summary is what an answer says: status, code, and form when it is a refusal.
func (c Check) summary(status int, h http.Header, body []byte) string {
	got := strconv.Itoa(status)
	if status < 400 && c.Service != "ims" {
		return got // records may hold anything
	}
	if code := codeOf(c.Service, body); code != "" {
		got += " " + code
	}
	if status >= 400 {
		got += " (" + formOf(h, body) + ")"
	}
	if c.Says != "" && !strings.Contains(string(body), c.Says) {
		got += " without '" + c.Says + "'"
	}
	return got
}

func codeOf(service string, body []byte) string {
	switch service {
	case "dataverse":
		return gjson.GetBytes(body, "error.code").String()
	case "entra":
		if number := gjson.GetBytes(body, "error_codes.0"); number.Exists() {
			return gjson.GetBytes(body, "error").String() + " " + number.String()
		}
	}
	i := slices.IndexFunc(phrases, func(phrase string) bool { return strings.Contains(string(body), phrase) })
	if i < 0 {
		return ""
	}
	return phrases[i]
}

// formOf names the form of a refusal. A JSON object has exactly the members of its form.
func formOf(h http.Header, body []byte) string {
	kind := h.Get("Content-Type")
	var doc map[string]any
	if !strings.Contains(kind, "json") || json.Unmarshal(body, &doc) != nil {
		switch {
		case len(body) == 0:
			return empty
		case strings.HasPrefix(kind, "text/html"):
			return page
		case strings.HasPrefix(kind, "multipart/mixed"):
			return parts
		case strings.HasPrefix(kind, "text/plain"):
			return plain
		}
		return "unknown form"
	}
	has := func(m map[string]any, names ...string) bool {
		for _, name := range names {
			if _, ok := m[name].(string); !ok {
				return false
			}
		}
		return len(m) == len(names)
	}
	inner, _ := doc["error"].(map[string]any)
	_, numbered := doc["error_codes"].([]any)
	_, number := doc["code"].(float64)
	switch {
	case inner != nil && has(inner, "code", "message") && len(doc) == 1 && h.Get("OData-Version") == "4.0" && strings.Contains(kind, "odata.metadata=minimal"):
		return odata
	case numbered && doc["trace_id"] != nil && doc["correlation_id"] != nil && doc["timestamp"] != nil && strings.HasPrefix(gjson.GetBytes(body, "error_description").Str, "AADSTS"):
		return entra
	case has(doc, "error", "error_description"):
		return oauth
	case has(doc, "error_code", "message"):
		return gateway
	case number && doc["message"] != nil && len(doc) == 2:
		return router
	}
	return "unknown form"
}
