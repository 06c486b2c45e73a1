package campaign

import (
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
const defaultWait = 5 * time.Second

// quotaWait follows a used-up licensed volume; the hour must pass.
const quotaWait = 5 * time.Minute

// parseError classifies an answer that is not a success. Campaign says with
// statuses little, with texts much: a duplicate key, a bad value and a passing
// fault are all 500 (§5.1, §5.2). The message keeps the stable parts of the
// text; what Campaign quotes of a record is dropped.
func parseError(op, method string, res *transport.Response) *apierr.Error {
	e := &apierr.Error{Service: service, Op: op, Status: res.Status, RequestID: res.Header.Get("X-Request-Id")}
	code, text := bodyText(res.Body)
	e.Code = code
	switch {
	case gateway(e, code, text, res.Header):
	case res.Status == http.StatusTooManyRequests:
		throttled(e, res.Header)
	case res.Status == http.StatusUnauthorized:
		set(e, apierr.Blocked, apierr.ReasonCredentials, "the token was refused twice; check client id, secret and scopes")
	case res.Status == http.StatusForbidden:
		set(e, apierr.Blocked, apierr.ReasonPermission, "access was refused; check the product profile of the credential")
	case fromText(e, text):
	case res.Status == http.StatusNotFound:
		set(e, apierr.Rejected, apierr.ReasonSchema, "Campaign does not know the resource; check its name and that the API is published")
	case res.Status >= 500 || res.Status == http.StatusRequestTimeout:
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "the service failed with status "+strconv.Itoa(res.Status))
		e.Ambiguous = method == http.MethodPost
	default:
		set(e, apierr.Rejected, apierr.ReasonRefused, "refused with status "+strconv.Itoa(res.Status)+": "+scrub(text))
	}
	return e
}

func set(e *apierr.Error, class apierr.Class, reason, message string) {
	e.Class, e.Reason, e.Message = class, reason, message
}

// bodyText reads an error body that may be text, a JSON string, one of two JSON
// objects, or HTML.
func bodyText(body []byte) (code, text string) {
	s := strings.TrimSpace(string(body))
	if doc := gjson.Parse(s); gjson.Valid(s) {
		switch {
		case doc.IsObject():
			code = doc.Get("error_code").String()
			if code == "" {
				code = doc.Get("code").String()
			}
			return code, doc.Get("message").String()
		case doc.Type == gjson.String:
			return "", doc.String()
		}
	}
	if strings.HasPrefix(s, "<") {
		return "", "" // a page of some proxy
	}
	return "", s
}

// gateway handles the answers of Adobe's gateway (§1.4); the code decides, not
// the status.
func gateway(e *apierr.Error, code, text string, h http.Header) bool {
	switch {
	case code == "401013":
		set(e, apierr.Blocked, apierr.ReasonCredentials, "the token was refused twice; check client id, secret and scopes")
	case code == "503000", code == "503010", code == "503020":
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "the gateway could not check the credential")
	case code == "429050":
		throttled(e, h)
	case code == "429001", code == "429002":
		throttled(e, h)
		e.Reason, e.Message = apierr.ReasonQuota, "the licensed number of calls is used up"
		e.RetryAfter = max(e.RetryAfter, quotaWait)
	case code == "403000", code == "403003":
		set(e, apierr.Blocked, apierr.ReasonCredentials, "the API key is missing or wrong; check campaign.client_id")
	case code == "403011":
		set(e, apierr.Blocked, apierr.ReasonPermission, "the token lacks a scope; check campaign.scopes")
	case code == "403023":
		set(e, apierr.Blocked, apierr.ReasonPermission, "the credential has no product profile for this instance; check campaign.url and the Administrators profile")
	case strings.HasPrefix(code, "403"):
		set(e, apierr.Blocked, apierr.ReasonPermission, "the gateway refused access")
	case (code == "500" || code == "502" || code == "504") && strings.HasPrefix(text, "Oops."):
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "the gateway cannot reach the instance; if this lasts, check campaign.url")
		e.Code = code + "-routing"
		e.Ambiguous = code == "504"
	default:
		return false
	}
	return true
}

func throttled(e *apierr.Error, h http.Header) {
	set(e, apierr.Throttled, apierr.ReasonThrottled, "too many requests")
	e.RetryAfter = defaultWait
	if s, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After"))); err == nil && s >= 0 {
		e.RetryAfter = time.Duration(s) * time.Second
	}
}

var (
	codePattern    = regexp.MustCompile(`\b(?:RST|XTK|BAS|PGS)-\d{6}\b`)
	fieldOfEnum    = regexp.MustCompile(`enumeration of the '@?([\w.:-]+)' field`)
	fieldOfProp    = regexp.MustCompile(`'([\w.:@-]+)' property`)
	passingPGS     = regexp.MustCompile(`(?i)deadlock|timed? ?out|connection|could not serialize|terminating`)
	lengthOf       = regexp.MustCompile(`character varying\((\d+)\)`)
	toType         = regexp.MustCompile(`\(type [\w ]+\) to ([\w ()]+?) type`)
	quotedOrMailed = regexp.MustCompile(`'[^']*'|"[^"]*"|\([^()]*\)=\([^()]*\)|\S+@\S+`)
)

// fromText classifies Campaign's own texts (§5.1).
func fromText(e *apierr.Error, text string) bool {
	codes := codePattern.FindAllString(text, -1)
	if len(codes) > 0 {
		e.Code = codes[len(codes)-1]
	}
	switch {
	case strings.Contains(text, "with the same key"), strings.Contains(text, "duplicate key value violates"):
		set(e, apierr.Rejected, apierr.ReasonExists, "a record with the same key already exists")
	case strings.Contains(text, "Unable to find document"):
		set(e, apierr.Rejected, apierr.ReasonNotFound, "there is no record with this key")
	case strings.Contains(text, "is not valid for the") && strings.Contains(text, "enumeration"):
		e.Field = firstMatch(fieldOfEnum, text)
		set(e, apierr.Rejected, apierr.ReasonInvalidValue, "the value is not one of the enumeration of field "+e.Field)
	case strings.Contains(text, "property that is read-only"):
		e.Field = firstMatch(fieldOfProp, text)
		set(e, apierr.Rejected, apierr.ReasonSchema, "field "+e.Field+" is read-only in Campaign")
	case strings.Contains(text, "property is not valid for the"):
		e.Field = firstMatch(fieldOfProp, text)
		set(e, apierr.Rejected, apierr.ReasonSchema, "Campaign does not know field "+e.Field)
	case strings.Contains(text, "value too long"):
		set(e, apierr.Rejected, apierr.ReasonTooLong, "a text is longer than the "+firstMatch(lengthOf, text)+" characters its field takes")
	case strings.Contains(text, "Cannot convert"):
		set(e, apierr.Rejected, apierr.ReasonInvalidValue, "a value cannot be converted to "+firstMatch(toType, text))
	case strings.Contains(text, "PGS-") && passingPGS.MatchString(text):
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "Campaign's database was not available")
		e.Ambiguous = true
	case strings.Contains(text, "RST-360011") && bare(text):
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "Campaign failed without saying why")
		e.Ambiguous = true
	case e.Status < 500 || len(codes) == 0 && text == "":
		return false
	case len(codes) == 0 && !strings.Contains(text, "'"):
		return false // some proxy's words
	default:
		set(e, apierr.Rejected, apierr.ReasonRefused, scrub(text))
	}
	return true
}

// bare says that nothing follows RST-360011's stock sentence.
func bare(text string) bool {
	rest := strings.Replace(text, "RST-360011", "", 1)
	rest = strings.Replace(rest, "An error has occurred - please contact your administrator.", "", 1)
	return strings.TrimSpace(rest) == ""
}

func firstMatch(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return "(not named)"
}

// scrub drops everything that may be a value of a record and keeps 300 bytes.
func scrub(text string) string {
	text = quotedOrMailed.ReplaceAllString(text, "…")
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}
