package dataverse

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

func refusal(status int, body string, headers ...string) *transport.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &transport.Response{Status: status, Header: h, Body: []byte(body)}
}

// hearsay is what no error may repeat.
const hearsay = "Ann O'Brien ann@example.test +447946 0958-77"

func coded(code string) string {
	body, err := json.Marshal(map[string]any{"error": map[string]string{"code": code, "message": "No: '" + hearsay + "' is " + hearsay}})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func TestEveryCodeIsClassified(t *testing.T) {
	t.Parallel()
	type want struct {
		class  apierr.Class
		reason string
	}
	wants := map[string]want{
		"0x80040217": {apierr.Rejected, apierr.ReasonNotFound},
		"0x80060891": {apierr.Rejected, apierr.ReasonNotFound},
		"0x80060890": {apierr.Blocked, apierr.ReasonSchema},
		"0x8006089d": {apierr.Rejected, apierr.ReasonRefused},
		"0x80040227": {apierr.Rejected, apierr.ReasonRefused},
		"0x80060883": {apierr.Blocked, apierr.ReasonConfig},
		"0x8006088d": {apierr.Blocked, apierr.ReasonConfig},
		"0x8004112a": {apierr.Blocked, apierr.ReasonLinkExpired},
		"0x8004430a": {apierr.Blocked, apierr.ReasonLinkExpired},
		"0x8006088a": {apierr.Blocked, apierr.ReasonSchema},
		"0x80040237": {apierr.Rejected, apierr.ReasonExists},
		"0x80060892": {apierr.Rejected, apierr.ReasonExists},
		"0x80040333": {apierr.Rejected, apierr.ReasonExists},
		"0x80060882": {apierr.Rejected, apierr.ReasonConflict},
		"0x80060888": {apierr.Blocked, apierr.ReasonSchema},
		"0x80041103": {apierr.Blocked, apierr.ReasonSchema},
		"0x80044331": {apierr.Rejected, apierr.ReasonTooLong},
		"0x8004432f": {apierr.Rejected, apierr.ReasonInvalidValue},
		"0x80044330": {apierr.Rejected, apierr.ReasonInvalidValue},
		"0x8004431a": {apierr.Rejected, apierr.ReasonInvalidValue},
		"0x80048408": {apierr.Rejected, apierr.ReasonInvalidValue},
		"0x80048d19": {apierr.Rejected, apierr.ReasonSchema},
		"0x80040203": {apierr.Rejected, apierr.ReasonRefused},
		"0x80040265": {apierr.Rejected, apierr.ReasonRefused},
		"0x80040220": {apierr.Blocked, apierr.ReasonPermission},
		"0x80040256": {apierr.Blocked, apierr.ReasonPermission},
		"0x8004f507": {apierr.Blocked, apierr.ReasonPermission},
		"0x80072560": {apierr.Blocked, apierr.ReasonCredentials},
		"0x80072325": {apierr.Blocked, apierr.ReasonQuota},
		"0x8004a104": {apierr.Retryable, apierr.ReasonServiceFault},
		"0x80044352": {apierr.Blocked, apierr.ReasonLinkExpired},
		"0x80072491": {apierr.Blocked, apierr.ReasonNotTracked},
		"0x80072492": {apierr.Blocked, apierr.ReasonNotTracked},
		"0x80072321": {apierr.Throttled, apierr.ReasonThrottled},
		"0x80072322": {apierr.Throttled, apierr.ReasonThrottled},
		"0x80072326": {apierr.Throttled, apierr.ReasonThrottled},
		"0x8005f103": {apierr.Throttled, apierr.ReasonThrottled},
		"0x80044150": {apierr.Retryable, apierr.ReasonServiceFault},
		"0x80044151": {apierr.Retryable, apierr.ReasonServiceFault},
		"0x80040216": {apierr.Retryable, apierr.ReasonServiceFault},
		"0x80040224": {apierr.Retryable, apierr.ReasonServiceFault},
		"0x80044171": {apierr.Retryable, apierr.ReasonServiceFault},
		"0x80044173": {apierr.Retryable, apierr.ReasonServiceFault},
	}
	for code := range rules {
		require.Contains(t, wants, code, "a code without an expectation here")
	}
	for code, w := range wants {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			for _, status := range []int{400, 404, 412, 429, 500} { // the code decides
				for _, spelt := range []string{code, strings.ToUpper(code[2:]), strings.ToUpper(code), " " + code} {
					if spelt == strings.ToUpper(code[2:]) {
						continue
					}
					e := parseError("create contact", http.MethodPost, refusal(status, coded(spelt), "Retry-After", "35", "REQ_ID", "r-1"))
					require.Equal(t, w.class, e.Class, "status %d", status)
					require.Equal(t, w.reason, e.Reason)
					require.Equal(t, code, e.Code)
					require.Equal(t, "r-1", e.RequestID)
					require.Equal(t, status, e.Status)
					require.Equal(t, w.class == apierr.Retryable, e.Ambiguous)
					require.NotEmpty(t, e.Message)
					switch {
					case w.class == apierr.Throttled, w.class == apierr.Retryable && status >= 500:
						require.Equal(t, 35*time.Second, e.RetryAfter)
					case code == "0x8004a104":
						require.Equal(t, 10*time.Second, e.RetryAfter)
					default:
						require.Zero(t, e.RetryAfter)
					}
					holdsNoValue(t, e)
				}
				require.False(t, parseError("read contacts", http.MethodGet, refusal(status, coded(code))).Ambiguous)
			}
		})
	}
}

func holdsNoValue(t *testing.T, e *apierr.Error) {
	t.Helper()
	kept := strings.Join([]string{e.Error(), e.Field, e.Code, e.RequestID}, "\n")
	for part := range strings.FieldsSeq(hearsay) {
		require.NotContains(t, kept, part)
	}
}

func TestStatusesDecideWhereNoCodeDoes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method string
		status int
		body   string
		class  apierr.Class
		reason string
	}{
		"401 is not JSON":                  {"GET", 401, "HTTP Error 401 - Unauthorized: Access is denied", apierr.Blocked, apierr.ReasonCredentials},
		"403 of a gateway":                 {"GET", 403, "<html>" + hearsay, apierr.Retryable, apierr.ReasonPermission},
		"403 with a reason":                {"GET", 403, `{"error":{"code":"","message":"x"}}`, apierr.Blocked, apierr.ReasonPermission},
		"404 of a gateway":                 {"GET", 404, "<html>" + hearsay, apierr.Retryable, apierr.ReasonConfig},
		"404 of a gateway with JSON":       {"DELETE", 404, `{"status":"` + hearsay + `"}`, apierr.Retryable, apierr.ReasonConfig},
		"404 without a body":               {"PATCH", 404, "", apierr.Retryable, apierr.ReasonConfig},
		"412 of a gateway":                 {"PATCH", 412, "<html>", apierr.Retryable, apierr.ReasonConfig},
		"400 of a gateway":                 {"GET", 400, "<html>", apierr.Retryable, apierr.ReasonConfig},
		"501 of a gateway":                 {"POST", 501, "<html>", apierr.Retryable, apierr.ReasonConfig},
		"307":                              {"PATCH", 307, "", apierr.Retryable, apierr.ReasonConfig},
		"a deleted column":                 {"GET", 400, `{"error":{"code":"0x0","message":"Could not find a property named 'middlename' on type 'Microsoft.Dynamics.CRM.contact'."}}`, apierr.Blocked, apierr.ReasonSchema},
		"a deleted column in a write":      {"PATCH", 400, `{"error":{"code":"0x0","message":"Could not find a property named 'middlename' on type 'Microsoft.Dynamics.CRM.contact'."}}`, apierr.Rejected, apierr.ReasonSchema},
		"404 without a code":               {"GET", 404, `{"error":{"code":"","message":"x"}}`, apierr.Rejected, apierr.ReasonNotFound},
		"410 on a delta link":              {"GET", 410, "", apierr.Blocked, apierr.ReasonLinkExpired},
		"an expired link by its words":     {"GET", 412, `{"error":{"code":"0x0","message":"Version stamp associated with the client has expired. Please perform a full sync."}}`, apierr.Blocked, apierr.ReasonLinkExpired},
		"an untracked table by its words":  {"GET", 400, `{"error":{"code":"0x80049999","message":"Entity acme_thing isn't enabled for change tracking."}}`, apierr.Blocked, apierr.ReasonNotTracked},
		"412 of a version":                 {"PATCH", 412, `{"error":{"code":"","message":"The version of the existing record doesn't match the RowVersion property provided."}}`, apierr.Rejected, apierr.ReasonConflict},
		"412 of a create":                  {"PATCH", 412, `{"error":{"code":"","message":"A record with matching key values already exists."}}`, apierr.Rejected, apierr.ReasonExists},
		"408":                              {"GET", 408, "", apierr.Retryable, apierr.ReasonServiceFault},
		"429 of a gateway":                 {"GET", 429, "slow down", apierr.Throttled, apierr.ReasonThrottled},
		"500 as HTML":                      {"GET", 500, "<html>" + hearsay, apierr.Retryable, apierr.ReasonServiceFault},
		"501":                              {"POST", 501, `{"error":{"code":"0x80049998","message":"DeleteMultiple has not yet been implemented."}}`, apierr.Blocked, apierr.ReasonConfig},
		"502":                              {"POST", 502, "", apierr.Retryable, apierr.ReasonServiceFault},
		"503":                              {"POST", 503, `{"error":`, apierr.Retryable, apierr.ReasonServiceFault},
		"an unknown refusal of a read":     {"GET", 400, coded("0x80041234"), apierr.Blocked, apierr.ReasonConfig},
		"an unknown refusal of a record":   {"PATCH", 400, coded("0x80041234"), apierr.Rejected, apierr.ReasonRefused},
		"a record that is too large":       {"POST", 413, "<html>", apierr.Rejected, apierr.ReasonRefused},
		"a redirect":                       {"POST", 302, "", apierr.Retryable, apierr.ReasonConfig},
		"the wrong method":                 {"PATCH", 405, "", apierr.Retryable, apierr.ReasonConfig},
		"a value of the wrong type":        {"PATCH", 400, `{"error":{"code":"0x80048d19","message":"Error identified in Payload: Cannot convert a primitive value '` + "Ann" + `' to the expected type 'Edm.Int32'."}}`, apierr.Rejected, apierr.ReasonInvalidValue},
		"a batch with bare line feeds":     {"POST", 400, `{"error":{"code":"0x80048d19","message":"Stream was not readable."}}`, apierr.Blocked, apierr.ReasonConfig},
		"the older error object":           {"POST", 500, `{"Message":"x","ExceptionMessage":"` + "Ann" + `","ErrorCode":-2147088254}`, apierr.Rejected, apierr.ReasonConflict},
		"what is no code is no code":       {"POST", 400, coded(hearsay), apierr.Rejected, apierr.ReasonRefused},
		"a code that is a string of sorts": {"POST", 400, `{"error":"` + hearsay + `"}`, apierr.Rejected, apierr.ReasonRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := parseError("op", tt.method, refusal(tt.status, tt.body, "REQ_ID", hearsay))
			require.Equal(t, tt.class, e.Class, e)
			require.Equal(t, tt.reason, e.Reason)
			require.Equal(t, tt.class == apierr.Throttled, e.RetryAfter > 0)
			require.Equal(t, tt.class == apierr.Retryable && tt.method != "GET", e.Ambiguous)
			require.NotEmpty(t, e.Message)
			require.NotContains(t, e.Error(), "Ann")
			require.Empty(t, e.RequestID)
			holdsNoValue(t, e)
		})
	}
}

func TestCodesComeInManyForms(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		`"0x80072322"`: "0x80072322", `"0X8004F507"`: "0x8004f507", `"-2147015902"`: "0x80072322", `-2147015902`: "0x80072322",
		`2147951394`: "0x80072322", `""`: "", `"0x0"`: "", `0`: "", `null`: "", `"0x8007232"`: "", `"ann@example.test"`: "", `{}`: "",
	} {
		e := parseError("op", http.MethodGet, refusal(400, `{"error":{"code":`+code+`,"message":""}}`))
		require.Equal(t, want, e.Code, code)
	}
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{"35": 35 * time.Second, "": defaultWait, "soon": defaultWait, "-5": defaultWait,
		"Mon, 02 Mar 2026 09:01:00 GMT": time.Minute, "99999999999999999999": 7 * 24 * time.Hour} {
		e := parseError("op", http.MethodGet, refusal(429, "", "Retry-After", value, "Date", "Mon, 02 Mar 2026 09:00:00 GMT"))
		require.Equal(t, want, e.RetryAfter, value)
	}
}

func TestAnErrorNamesTheColumnAtFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Could not find a property named 'acme_x' on type 'Microsoft.Dynamics.CRM.contact'.":                                                              "acme_x",
		"Error identified in Payload: An undeclared property 'parentcustomerid' which only has property annotations in the payload but no property value": "parentcustomerid",
		"'Contact' entity doesn't contain attribute with Name = 'acme_y' and NameMapping = 'Logical'.":                                                    "acme_y",
		"Syntax error at position 4 in 'x eq Could not find a property named 'ann' on type'":                                                              "",
		"The attribute ann is odd": "",
	} {
		body, err := json.Marshal(map[string]any{"error": map[string]string{"code": "0x80060888", "message": text}})
		require.NoError(t, err)
		require.Equal(t, want, parseError("op", http.MethodGet, refusal(400, string(body))).Field, text)
	}
	const deleted = `{"error":{"code":"0x0","message":"Could not find a property named 'middlename' on type 'Microsoft.Dynamics.CRM.contact'."}}`
	e := parseError("read contacts", http.MethodGet, refusal(400, deleted)) // the parser of queries gives no code
	require.Equal(t, "dataverse: read contacts: Schema: the table has no such column (middlename)", e.Error())
}

func TestScrubKeepsNoValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`Something failed for 'Ann O'Brien'`:         "Something failed for",
		"mail ann@example.test bounced":              "mail … bounced",
		"contact With Id = 1111 Does Not Exist":      "contact With Id",
		"phone +44 20 7946 0958 unknown":             "phone … … … … unknown",
		"The value Ann is wrong":                     "The",
		"line one\r\n\tline two\x00\xff":             "line one line two",
		`“Ann” is wrong`:                             "",
		"Error identified in Payload: Ann was wrong": "Error identified in Payload",
		"": "",
	} {
		require.Equal(t, want, scrub(text), text)
	}
	require.LessOrEqual(t, len(scrub(strings.Repeat("ü ", 1000))), longestText+len("…"))
}

// frames are the service's texts with a place for a value of a record.
var frames = []string{
	"A validation error occurred.  The length of the '%' attribute of the 'contact' entity exceeded the maximum allowed length of '100'.",
	"Cannot convert the literal '%' to the expected type 'Edm.Int32'.",
	"contact With Id = % Does Not Exist",
	"Could not find a property named '%",
	`The value "%" is out of range`,
	"Syntax error at position 4 in 'lastname eq '%''.",
	"Entity isn't enabled for change tracking. %: '%'",
	"A plug-in said: %",
}

// hexadecimal may come back as a code.
var hexadecimal = regexp.MustCompile(`^[\sxX0-9a-fA-F-]*$`)

// FuzzNoQuotedValueSurvives puts any value where the service quotes one, in each
// form of body and with each status, and looks for it in what is kept.
func FuzzNoQuotedValueSurvives(f *testing.F) {
	for i := range frames {
		f.Add(uint(i), uint(i), "Quitten-Zwölf")
		f.Add(uint(i), uint(0), "O'Quitten \"Zwölf\"")
		f.Add(uint(i), uint(1), "quitten@example.test' on type")
		f.Add(uint(i), uint(2), "Quitten: property")
	}
	var own []string
	for code, r := range rules {
		own = append(own, code, r.message, string(r.class), r.reason)
	}
	words := strings.Join(append(append(own, frames...), "dataverse: op: refused with status 400: the service failed with status 503 the service cannot do this for the table",
		"the token was refused twice; check tenant, client id and URL", "a value has the wrong type Config Retryable",
		"the service could not read the batch"), "\n")
	f.Fuzz(func(t *testing.T, frame, form uint, value string) {
		if len(value) < 5 || strings.Contains(words, value) || hexadecimal.MatchString(value) || columnIn(value) != "" || columnIn("Could not find a property named '"+value) != "" {
			t.Skip("a value that our own words may hold, or a sentence of the service's own")
		}
		text := strings.ReplaceAll(frames[frame%uint(len(frames))], "%", value)
		object := map[string]any{"error": map[string]string{"code": []string{"0x80060888", "", value, "0x80048d19"}[form%4], "message": text}}
		if form%8 > 3 {
			object = map[string]any{"Message": text, "ErrorCode": value}
		}
		body, _ := json.Marshal(object)
		for _, status := range []int{400, 404, 412, 429, 500, 501, 503} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				e := parseError("op", method, refusal(status, string(body), "Req_id", value))
				kept := strings.Join([]string{e.Error(), e.Field, e.Code}, "\n")
				if strings.Contains(kept, value) {
					t.Fatalf("status %d: the value is in %q", status, kept)
				}
			}
		}
	})
}
