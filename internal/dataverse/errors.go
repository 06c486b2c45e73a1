package dataverse

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

// defaultWait is used when a 429 does not say how long.
const defaultWait = 10 * time.Second

// rule is what a platform code means (dynamics.md §9).
type rule struct {
	class   apierr.Class
	reason  string
	message string
}

var rules = map[string]rule{
	"0x80040217": {apierr.Rejected, apierr.ReasonNotFound, "the row does not exist"},
	"0x80060891": {apierr.Rejected, apierr.ReasonNotFound, "no row has this key"},
	"0x8006088a": {apierr.Blocked, apierr.ReasonSchema, "the entity set is unknown; check its name and case"},
	"0x80040237": {apierr.Rejected, apierr.ReasonExists, "the row exists already"},
	"0x80060892": {apierr.Rejected, apierr.ReasonExists, "another row has this key"},
	"0x80040333": {apierr.Rejected, apierr.ReasonExists, "a duplicate detection rule refused the row"},
	"0x80060882": {apierr.Rejected, apierr.ReasonConflict, "the row changed since it was read"},
	"0x80060888": {apierr.Blocked, apierr.ReasonSchema, "the query was refused: a column or option is unknown"},
	"0x80041103": {apierr.Blocked, apierr.ReasonSchema, "the table has no such column"},
	"0x80044331": {apierr.Rejected, apierr.ReasonTooLong, "a text is too long"},
	"0x8004432f": {apierr.Rejected, apierr.ReasonInvalidValue, "a number is out of range"},
	"0x80044330": {apierr.Rejected, apierr.ReasonInvalidValue, "a number is out of range"},
	"0x8004431a": {apierr.Rejected, apierr.ReasonInvalidValue, "a choice has no such value"},
	"0x80048408": {apierr.Rejected, apierr.ReasonInvalidValue, "state and status do not fit together"},
	"0x80048d19": {apierr.Rejected, apierr.ReasonSchema, "the row names a column the table does not have"},
	"0x80040203": {apierr.Rejected, apierr.ReasonRefused, "an argument was refused"},
	"0x80040265": {apierr.Rejected, apierr.ReasonRefused, "a plug-in of the organisation refused the row"},
	"0x80040220": {apierr.Blocked, apierr.ReasonPermission, "the application user lacks a privilege; give it a role that can read the whole organisation's rows"},
	"0x80040256": {apierr.Blocked, apierr.ReasonPermission, "the application user lacks a privilege"},
	"0x8004f507": {apierr.Blocked, apierr.ReasonPermission, "a column is secured; give the application user access to it"},
	"0x80072560": {apierr.Blocked, apierr.ReasonCredentials, "the application is not a user of the organisation; create an application user for its client id"},
	"0x80072325": {apierr.Blocked, apierr.ReasonQuota, "the organisation's storage is full"},
	"0x8004a104": {apierr.Blocked, apierr.ReasonPermission, "the organisation is disabled"},
	"0x80044352": {apierr.Blocked, apierr.ReasonLinkExpired, "the delta link has expired; a new baseline is needed"},
	"0x80072491": {apierr.Blocked, apierr.ReasonNotTracked, "change tracking is not enabled for the table; enable it in its properties"},
	"0x80072492": {apierr.Blocked, apierr.ReasonNotTracked, "the table cannot be tracked"},
	"0x80072321": {apierr.Throttled, apierr.ReasonThrottled, "too much execution time in five minutes"},
	"0x80072322": {apierr.Throttled, apierr.ReasonThrottled, "too many requests in five minutes"},
	"0x80072326": {apierr.Throttled, apierr.ReasonThrottled, "too many requests at a time"},
	"0x8005f103": {apierr.Throttled, apierr.ReasonThrottled, "too many requests"},
	"0x80044150": {apierr.Retryable, apierr.ReasonServiceFault, "a database fault"},
	"0x80044151": {apierr.Retryable, apierr.ReasonServiceFault, "a database time-out"},
	"0x80040216": {apierr.Retryable, apierr.ReasonServiceFault, "an unexpected fault"},
	"0x80040224": {apierr.Retryable, apierr.ReasonServiceFault, "a plug-in failed"},
	"0x80044171": {apierr.Retryable, apierr.ReasonServiceFault, "a plug-in timed out"},
	"0x80044173": {apierr.Retryable, apierr.ReasonServiceFault, "a plug-in timed out"},
}

// parseError classifies an answer that is not a success. Bodies are often not
// JSON; the code, where there is one, decides before the status.
func parseError(op string, res *transport.Response) *apierr.Error {
	e := &apierr.Error{Service: service, Op: op, Status: res.Status, RequestID: requestID(res.Header)}
	text := ""
	if gjson.ValidBytes(res.Body) {
		e.Code = normalCode(gjson.GetBytes(res.Body, "error.code"))
		text = gjson.GetBytes(res.Body, "error.message").String()
	}
	r, known := rules[e.Code]
	switch {
	case known:
	case res.Status == http.StatusGone, strings.Contains(text, "Version stamp associated with the client has expired"):
		r = rules["0x80044352"]
	case strings.Contains(text, "isn't enabled for change tracking"):
		r = rules["0x80072491"]
	case res.Status == http.StatusTooManyRequests:
		r = rules["0x80072322"]
	case res.Status == http.StatusUnauthorized:
		r = rule{apierr.Blocked, apierr.ReasonCredentials, "the token was refused twice; check tenant, client id and URL"}
	case res.Status == http.StatusForbidden:
		r = rules["0x80040220"]
	case res.Status == http.StatusNotFound:
		r = rules["0x80040217"]
	case res.Status == http.StatusPreconditionFailed:
		r = rules["0x80040237"]
	case res.Status >= 500 || res.Status == http.StatusRequestTimeout:
		r = rule{apierr.Retryable, apierr.ReasonServiceFault, "the service failed with status " + strconv.Itoa(res.Status)}
	default:
		r = rule{apierr.Blocked, apierr.ReasonConfig, "refused with status " + strconv.Itoa(res.Status) + ": " + scrub(text)}
	}
	e.Class, e.Reason, e.Message = r.class, r.reason, r.message
	if name := columnOf.FindStringSubmatch(text); name != nil && e.Reason == apierr.ReasonSchema {
		e.Field = name[1]
		e.Message += " (" + name[1] + ")"
	}
	if e.Class == apierr.Throttled {
		e.RetryAfter = defaultWait
		if s, err := strconv.Atoi(strings.TrimSpace(res.Header.Get("Retry-After"))); err == nil && s >= 0 {
			e.RetryAfter = time.Duration(s) * time.Second
		}
	}
	return e
}

// columnOf finds the column an error names: a name, never a value.
var columnOf = regexp.MustCompile(`(?:property named|undeclared property|attribute(?: with name)?) '?([a-z_][a-z0-9_]*)'?`)

// normalCode brings a code to 0x and eight lower-case digits: it may come as
// hex of any case or as a signed decimal; "" and 0x0 say nothing.
func normalCode(v gjson.Result) string {
	s := strings.ToLower(strings.TrimSpace(v.String()))
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n != 0 {
		return fmt.Sprintf("0x%08x", uint32(n)) //nolint:gosec // the code is 32 bits, signed
	}
	if s == "0x0" {
		return ""
	}
	return s
}

func requestID(h http.Header) string {
	for _, name := range []string{"REQ_ID", "Req_id", "X-Ms-Service-Request-Id", "X-Ms-Request-Id"} {
		if v := h[name]; len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

var quoted = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+@\S+`)

// scrub drops what may be row data and keeps 300 bytes.
func scrub(text string) string {
	text = quoted.ReplaceAllString(text, "…")
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}
