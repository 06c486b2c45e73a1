package campaign

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

const (
	// defaultWait is used when a 429 does not say how long; see Client.unhinted.
	defaultWait = time.Second
	// quotaWait follows a used-up licensed volume; the hour must pass.
	quotaWait = 5 * time.Minute
)

// parseError classifies an answer that is not a success. Campaign's statuses
// say little and its texts much: a duplicate key, a bad value and a passing
// fault are all 500 (docs/protocol/campaign.md §5.1, §5.2). Messages are our own words, with
// codes, types and field names taken from the text; of a text we do not know,
// only what scrub leaves, without the values that were sent.
func parseError(op, method string, res *transport.Response, sent ...string) *apierr.Error {
	e := &apierr.Error{Service: service, Op: op, Status: res.Status, RequestID: requestID(res.Header)}
	code, text := bodyText(res.Body)
	e.Code = code
	switch {
	case fromGateway(e, code, text, res.Header):
	case fromStatus(e, res.Status, res.Header):
	case fromText(e, text, sent):
	case res.Status == http.StatusNotFound:
		// Anything in between answers so, too: only what Campaign says in so many
		// words is believed at once.
		set(e, apierr.Retryable, apierr.ReasonSchema, noResource)
	case res.Status >= 500:
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "the service failed with status "+strconv.Itoa(res.Status))
	case !refusesRecords(res.Status):
		set(e, apierr.Retryable, apierr.ReasonConfig, "got status "+strconv.Itoa(res.Status)+", want an answer of Campaign; if this lasts, check campaign.url and what is in between")
	default:
		set(e, apierr.Rejected, apierr.ReasonRefused, "refused with status "+strconv.Itoa(res.Status)+words(text, sent))
	}
	if e.Class == apierr.Retryable {
		e.Ambiguous = method == http.MethodPost && mayHaveReached(e.Status, code)
		if wait, ok := transport.RetryAfter(res.Header); ok && res.Status >= 500 {
			e.RetryAfter = wait // transport has closed the gate for as long
		}
	}
	return e
}

// refusesRecords says that a status may concern what was sent. Any other of the 4xx
// is of something in between, such as a proxy that wants a login, and no record's.
func refusesRecords(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusGone, http.StatusPreconditionFailed,
		http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

const noResource = "Campaign does not know the resource; check its name and that its API is published"

// mayHaveReached says that Campaign may have carried out a request that failed.
// One that is sent elsewhere, or whose sender or method is refused, was not.
func mayHaveReached(status int, code string) bool {
	return !beforeCampaign(code) && (status < 300 || status >= 400) &&
		status != http.StatusForbidden && status != http.StatusMethodNotAllowed
}

// beforeCampaign says that the gateway failed while checking the credential, so
// that Campaign never saw the request.
func beforeCampaign(code string) bool {
	return code == "503000" || code == "503010" || code == "503020"
}

func set(e *apierr.Error, class apierr.Class, reason, message string) {
	e.Class, e.Reason, e.Message = class, reason, message
}

// fromGateway handles the answers of Adobe's gateway and of its routing layer
// (§1.4). The code decides, not the status: 503020 comes with a 403.
func fromGateway(e *apierr.Error, code, text string, h http.Header) bool {
	switch {
	case code == "401013":
		set(e, apierr.Blocked, apierr.ReasonCredentials, "the token was refused twice; check client id, secret and scopes")
	case beforeCampaign(code):
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "the gateway could not check the credential")
	case code == "429050":
		throttled(e, h)
	case code == "429001", code == "429002":
		throttled(e, h)
		e.Reason, e.Message = apierr.ReasonQuota, "the licensed number of calls is used up"
		e.RetryAfter = max(e.RetryAfter, quotaWait)
	case code == "403000", code == "403003":
		set(e, apierr.Retryable, apierr.ReasonCredentials, "the API key is missing or wrong; check campaign.client_id")
	case code == "403010", code == "403020":
		set(e, apierr.Retryable, apierr.ReasonCredentials, "the token is missing or invalid; check client id, secret and scopes")
	case code == "403011":
		set(e, apierr.Blocked, apierr.ReasonPermission, "the token lacks a scope; check campaign.scopes")
	case code == "403023":
		set(e, apierr.Blocked, apierr.ReasonPermission, "the credential has no product profile for this instance; check campaign.url and the Administrators profile")
	case len(code) == 6 && strings.HasPrefix(code, "403"):
		set(e, apierr.Blocked, apierr.ReasonPermission, "the gateway refused access")
	case len(code) == 3 && strings.HasPrefix(text, "Oops."):
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "the gateway cannot reach the instance; if this lasts, check campaign.url")
		e.Code = code + "-routing" // callers count these: a wrong URL answers the same
	case e.Status == http.StatusBadRequest && strings.EqualFold(strings.Trim(text, " ."), "bad request"):
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "the gateway did not know the instance; if this lasts, check campaign.url")
		e.Code = "400-routing" // a wrong organization's first answer
	default:
		return false
	}
	return true
}

// fromStatus handles the statuses that decide whatever the text says.
func fromStatus(e *apierr.Error, status int, h http.Header) bool {
	switch {
	case status == http.StatusTooManyRequests:
		throttled(e, h)
	case status == http.StatusUnauthorized:
		set(e, apierr.Blocked, apierr.ReasonCredentials, "the token was refused twice; check client id, secret and scopes")
	case status == http.StatusForbidden: // without a code, it need not be Adobe's
		set(e, apierr.Retryable, apierr.ReasonPermission, "access was refused; check the product profile of the credential")
	case status >= 300 && status < 400, status == http.StatusMethodNotAllowed:
		set(e, apierr.Retryable, apierr.ReasonConfig, "got status "+strconv.Itoa(status)+", want an answer of Campaign; check campaign.url")
	case status == http.StatusRequestTimeout, status == http.StatusBadGateway,
		status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "the service failed with status "+strconv.Itoa(status))
	default:
		return false
	}
	return true
}

func throttled(e *apierr.Error, h http.Header) {
	set(e, apierr.Throttled, apierr.ReasonThrottled, "too many requests")
	wait, ok := transport.RetryAfter(h)
	if !ok {
		wait = defaultWait
	}
	e.RetryAfter = wait
}

// requestID is the gateway's id of the call, for support; "" when it is not the
// short word it should be.
func requestID(h http.Header) string {
	id := h.Get("X-Request-Id")
	if len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return id
}

func words(text string, sent []string) string {
	if text = scrub(apierr.Masked(text, sent)); text == "" {
		return ""
	}
	return ": " + text
}
