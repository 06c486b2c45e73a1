package dataverse

import (
	"cmp"
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

// rule is what a platform code means (docs/protocol/dynamics.md §9).
type rule struct {
	class   apierr.Class
	reason  string
	message string
}

var rules = map[string]rule{
	"0x80040217": {apierr.Rejected, apierr.ReasonNotFound, "the row does not exist"},
	"0x80060891": {apierr.Rejected, apierr.ReasonNotFound, "no row has this key"},
	"0x80060890": {apierr.Blocked, apierr.ReasonSchema, "the table has no such alternate key"},
	"0x8006089d": {apierr.Rejected, apierr.ReasonRefused, "several rows have this key"},
	"0x80040227": {apierr.Rejected, apierr.ReasonRefused, "other rows depend on the row"},
	"0x80060883": {apierr.Blocked, apierr.ReasonConfig, "the table needs a row version with the write"},
	"0x8006088d": {apierr.Blocked, apierr.ReasonConfig, "the table does not check row versions"},
	"0x8004112a": {apierr.Blocked, apierr.ReasonLinkExpired, "the next link is no longer valid; a new baseline is needed"},
	"0x8004430a": {apierr.Blocked, apierr.ReasonLinkExpired, "the next link is no longer valid; a new baseline is needed"},
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
	"0x8004a104": {apierr.Retryable, apierr.ReasonServiceFault, "the organisation is disabled; if this lasts, look at it in the Power Platform admin center"},
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
// JSON; the code, where there is one, decides before the status. Messages are our
// own words, except for what scrub leaves of a text we do not know, without the
// values that were sent.
func parseError(op, method string, res *transport.Response, sent ...string) *apierr.Error {
	e := &apierr.Error{Service: service, Op: op, Status: res.Status, RequestID: requestID(res.Header)}
	code, text := bodyText(res.Body)
	e.Code = code
	write := method != http.MethodGet
	r, known := rules[code]
	switch {
	case known:
		if code == "0x80048d19" {
			r = payloadRule(r, text)
		}
	case res.Status == http.StatusGone, strings.Contains(text, "Version stamp associated with the client has expired"):
		r = rules["0x80044352"]
	case strings.Contains(text, "isn't enabled for change tracking"):
		r = rules["0x80072491"]
	case res.Status == http.StatusBadRequest && columnIn(text) != "": // the parser of queries gives no code
		r = rules["0x80041103"]
		if write {
			r = rules["0x80048d19"]
		}
	case !speaks(res, write):
		r = oddRule(res.Status)
	default:
		r = statusRule(res.Status, write, text, sent)
	}
	e.Class, e.Reason, e.Message = r.class, r.reason, r.message
	if name := columnIn(text); name != "" && e.Reason == apierr.ReasonSchema {
		e.Field = name
		e.Message += " (" + name + ")"
	}
	if e.Class == apierr.Throttled {
		var hinted bool
		if e.RetryAfter, hinted = transport.RetryAfter(res.Header); !hinted {
			e.RetryAfter = defaultWait
		}
	}
	if e.Class == apierr.Retryable {
		e.Ambiguous = write
		switch wait, hinted := transport.RetryAfter(res.Header); {
		case hinted && res.Status >= 500:
			e.RetryAfter = wait
		case code == disabled:
			e.RetryAfter = disabledWait
		}
	}
	return e
}

// An organisation is disabled while an administrator works on it: nobody is let in,
// and everybody is again when it is over.
const (
	disabled     = "0x8004a104"
	disabledWait = 10 * time.Second
)

// speaks says that a refusal is Dataverse's own, as far as that is to be seen. What
// is in between answers with pages, too: a 404 of it does not say that a row is gone,
// nor a 412 that it is there.
func speaks(res *transport.Response, write bool) bool {
	doc := gjson.ParseBytes(res.Body)
	json := gjson.ValidBytes(res.Body) && doc.IsObject()
	switch status := res.Status; {
	case status < 400 || status == http.StatusMethodNotAllowed:
		return false
	case status == http.StatusNotFound, status == http.StatusPreconditionFailed:
		return json && (doc.Get("error").IsObject() || doc.Get("ErrorCode").Exists() || doc.Get("Message").Exists())
	case status == http.StatusForbidden, status == http.StatusBadRequest && !write:
		return json
	case status == http.StatusNotImplemented:
		return !res.Page()
	}
	return true
}

// judgement says what a refusal means for the call that met it.
type judgement func(*apierr.Error) *apierr.Error

func asItIs(fail *apierr.Error) *apierr.Error { return fail }

// ofAHandedOutLink is what a refusal of a link means that the service made itself:
// no row and no words of ours can be the cause, so it may pass, as what a plug-in
// answers or what somebody else answers in the service's form. What the protocol
// says of such links, and of tables, columns and privileges, keeps its meaning.
func ofAHandedOutLink(fail *apierr.Error) *apierr.Error {
	if fail.Class == apierr.Rejected || fail.Class == apierr.Blocked && fail.Reason == apierr.ReasonConfig {
		fail.Class, fail.Reason = apierr.Retryable, apierr.ReasonConfig
	}
	return fail
}

// oddRule is what a refusal means that nobody explains: it may pass.
func oddRule(status int) rule {
	r := rule{apierr.Retryable, apierr.ReasonConfig, "got status " + strconv.Itoa(status) + ", want an answer of Dataverse; if this lasts, check dynamics.url and what is in between"}
	if status == http.StatusForbidden {
		r.reason = apierr.ReasonPermission
	}
	return r
}

// statusRule is what a status means when no known code came with it. An unknown
// refusal of a write concerns its record; of a read, the way we ask.
func statusRule(status int, write bool, text string, sent []string) rule {
	switch {
	case status == http.StatusTooManyRequests:
		return rules["0x8005f103"]
	case status == http.StatusUnauthorized:
		return rule{apierr.Blocked, apierr.ReasonCredentials, "the token was refused twice; check tenant, client id and URL"}
	case status == http.StatusForbidden:
		return rules["0x80040220"]
	case status == http.StatusNotFound:
		return rules["0x80040217"]
	case status == http.StatusPreconditionFailed && strings.Contains(text, "RowVersion"):
		return rules["0x80060882"]
	case status == http.StatusPreconditionFailed:
		return rules["0x80040237"]
	case status == http.StatusNotImplemented:
		return rule{apierr.Blocked, apierr.ReasonConfig, "the service cannot do this for the table"}
	case status >= 500 || status == http.StatusRequestTimeout:
		return rule{apierr.Retryable, apierr.ReasonServiceFault, "the service failed with status " + strconv.Itoa(status)}
	}
	r := rule{apierr.Blocked, apierr.ReasonConfig, "refused with status " + strconv.Itoa(status)}
	if write && (status == http.StatusBadRequest || status == http.StatusConflict ||
		status == http.StatusRequestEntityTooLarge || status == http.StatusUnprocessableEntity) {
		r.class, r.reason = apierr.Rejected, apierr.ReasonRefused
	}
	if words := scrub(apierr.Masked(text, sent)); words != "" {
		r.message += ": " + words
	}
	return r
}

func valuesOf(bodies [][]byte) []string {
	var out []string
	for _, body := range bodies {
		out = append(out, transport.Values(body)...)
	}
	return out
}

// payloadRule tells apart what the service's one code for payloads stands for.
func payloadRule(r rule, text string) rule {
	switch {
	case strings.Contains(text, "Stream was not readable"):
		return rule{apierr.Blocked, apierr.ReasonConfig, "the service could not read the batch"}
	case strings.Contains(text, "undeclared property"):
		return r
	case strings.Contains(text, "Cannot convert"):
		return rule{apierr.Rejected, apierr.ReasonInvalidValue, "a value has the wrong type"}
	}
	return r
}

// bodyText reads the forms an error body has; anything else says nothing.
func bodyText(body []byte) (code, text string) {
	if !gjson.ValidBytes(body) {
		return "", ""
	}
	doc := gjson.ParseBytes(body)
	if inner := doc.Get("error"); inner.IsObject() {
		return normalCode(inner.Get("code")), inner.Get("message").String()
	}
	return normalCode(doc.Get("ErrorCode")), cmp.Or(doc.Get("ExceptionMessage").String(), doc.Get("Message").String())
}

// namesColumn are the sentences that name a column: a name, never a value.
var namesColumn = []*regexp.Regexp{
	regexp.MustCompile(`(?:^|: )Could not find a property named '([A-Za-z_]\w{0,127})' on type`),
	regexp.MustCompile(`(?:^|: )An undeclared property '([A-Za-z_]\w{0,127})' which only has property annotations`),
	regexp.MustCompile(`entity doesn't contain attribute with Name = '([A-Za-z_]\w{0,127})'`),
}

func columnIn(text string) string {
	for _, re := range namesColumn {
		if m := re.FindStringSubmatch(text); m != nil {
			return m[1]
		}
	}
	return ""
}

var platformCode = regexp.MustCompile(`^0x8[0-9a-f]{7}$`) // failures have the highest bit

// normalCode brings a code to 0x and eight lower-case digits: it may come as
// hex of any case or as a signed decimal; "", 0x0 and what is no code say nothing.
func normalCode(v gjson.Result) string {
	s := strings.ToLower(strings.TrimSpace(v.String()))
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n != 0 {
		s = fmt.Sprintf("0x%08x", uint32(n)) //nolint:gosec // the code is 32 bits, signed
	}
	if !platformCode.MatchString(s) {
		return ""
	}
	return s
}

// requestID is the service's id of the call, for support; "" when it is not the
// short word it should be.
func requestID(h http.Header) string {
	for _, name := range []string{"REQ_ID", "Req_id", "X-Ms-Service-Request-Id", "X-Ms-Request-Id"} {
		if v := h[name]; len(v) > 0 && len(v[0]) <= 64 && !strings.ContainsFunc(v[0], func(r rune) bool { return r <= ' ' || r > '~' }) {
			return v[0]
		}
	}
	return ""
}

var (
	// valueStart is where a text may begin to quote a record: values hold
	// quotation marks themselves, so nothing after the first is trusted.
	valueStart = regexp.MustCompile("['\"`´‘’‚‛“”„«»‹›(\\[{=<:]|(?i:\\bvalue\\b|\\bkey\\b)")
	unsafeWord = regexp.MustCompile(`\S*[@\d]\S*`)
)

const longestText = 200

// scrub keeps of an unknown text the words before the first quotation, without
// addresses and words with digits.
func scrub(text string) string {
	if at := valueStart.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	text = apierr.Unnamed(unsafeWord.ReplaceAllString(text, "…"))
	text = strings.Join(strings.Fields(apierr.Plain(text)), " ")
	if len(text) > longestText {
		text = strings.ToValidUTF8(text[:longestText], "") + "…"
	}
	return strings.TrimSpace(text)
}
