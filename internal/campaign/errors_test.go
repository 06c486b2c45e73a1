package campaign_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
)

const stock = "RST-360011 An error has occurred - please contact your administrator."

// secret stands for a value of a record in the texts below.
const secret = "Zwölf-Quitten"

type failing struct {
	status         int
	text           string
	class          apierr.Class
	reason         string
	code           string
	field, message string // message: a part of it; "" = any
	ambiguous      bool   // of a POST
}

// texts are the rows of docs/protocol/campaign.md §5.1 and what §5.2 makes of them.
var texts = map[string]failing{
	"unreadable PKey": {500, `'` + secret + `' attribute unknown (see definition of 'Profiles (nms:recipient)' schema). XTK-170036 Unable to parse expression '@id = @` + secret + `'.`,
		apierr.Rejected, apierr.ReasonInvalidValue, "XTK-170036", "", "", false},
	"business key not found, in URI": {404, stock + ` Unable to find document with path 'Service' from key '` + secret + `:0' (document with schema 'service' and name '` + secret + `')`,
		apierr.Rejected, apierr.ReasonNotFound, "RST-360011", "", "no record with this key", false},
	"business key not found, in body": {404, stock + ` Unable to find document with path 'Service' from key '` + secret + `' (document with schema 'service' and name '` + secret + `')`,
		apierr.Rejected, apierr.ReasonNotFound, "RST-360011", "", "", false},
	"duplicate key": {500, `A 'Service' with the same key '` + secret + `' already exists. PGS-220000 PostgreSQL error: ERROR:  duplicate key value violates unique constraint "nmsservice_name" DETAIL:  Key (sname)=(` + secret + `) already exists.`,
		apierr.Rejected, apierr.ReasonExists, "PGS-220000", "", "", false},
	"duplicate key with an apostrophe": {500, `A 'Service' with the same key 'O'` + secret + `' already exists. PGS-220000 PostgreSQL error: ERROR:  duplicate key value violates unique constraint "nmsservice_name" DETAIL:  Key (sname)=(O'` + secret + `) already exists.`,
		apierr.Rejected, apierr.ReasonExists, "PGS-220000", "", "", false},
	"URI key and body key differ": {500, stock + ` RST-360012 Inconsistent operation on resource 'service' – Cannot update key 'SVC3' to '` + secret + `'.`,
		apierr.Rejected, apierr.ReasonConflict, "RST-360012", "", "", false},
	"bad enumeration value": {500, stock + ` The value '` + secret + `' is not valid for the 'nms:recipient:gender' enumeration of the '@gender' field`,
		apierr.Rejected, apierr.ReasonInvalidValue, "RST-360011", "gender", "field gender", false},
	"bad enumeration value that quotes": {500, stock + ` The value 'enumeration of the '` + secret + `' field' is not valid for the 'nms:recipient:gender' enumeration of the '@gender' field`,
		apierr.Rejected, apierr.ReasonInvalidValue, "RST-360011", "gender", "", false},
	"wrong type": {500, `BAS-010040 Cannot convert '` + secret + `' (type text) to integer (8 bit) type (bAS-010011 Invalid value).`,
		apierr.Rejected, apierr.ReasonInvalidValue, "BAS-010040", "", "cannot be converted to integer (8 bit)", false},
	"read-only property": {500, stock + ` Cannot update the 'age' property that is read-only`,
		apierr.Rejected, apierr.ReasonSchema, "RST-360011", "age", "field age", false},
	"read-only property alone": {500, `Cannot update the 'age' property that is read-only`,
		apierr.Rejected, apierr.ReasonSchema, "", "age", "", false},
	"unknown property": {500, stock + ` 'cusFoo' property is not valid for the 'profile' resource.`,
		apierr.Rejected, apierr.ReasonSchema, "RST-360011", "cusFoo", "field cusFoo", false},
	"unknown property alone": {500, `'cusFoo' property is not valid for the 'profile' resource.`,
		apierr.Rejected, apierr.ReasonSchema, "", "cusFoo", "", false},
	"malformed JSON": {500, `'` + secret + `' is not a valid constant`,
		apierr.Rejected, apierr.ReasonRefused, "", "", "", false},
	"unknown resource": {404, stock + ` Error rc=-2003`,
		apierr.Rejected, apierr.ReasonSchema, "RST-360011", "", "", false},
	"undeclared signal parameter": {500, stock + ` XTK-170006 Unable to parse expression 'HandleTrigger("` + secret + `")'. RST-360000 Error while assessing '` + secret + `'`,
		apierr.Rejected, apierr.ReasonRefused, "RST-360000", "", "Unable to parse", false},
	"generic": {500, stock, apierr.Retryable, apierr.ReasonServiceFault, "RST-360011", "", "", true},
	"too long": {500, `PGS-220000 PostgreSQL error: ERROR:  value too long for type character varying(30)`,
		apierr.Rejected, apierr.ReasonTooLong, "PGS-220000", "", "the 30 characters", false},
	"bad e-mail address": {500, stock + ` XTK-170024 The value '` + secret + `' of the '@email' field is not a valid e-mail address`,
		apierr.Rejected, apierr.ReasonInvalidValue, "XTK-170024", "email", "", false},
	"mandatory column empty": {500, `PGS-220000 PostgreSQL error: ERROR:  null value in column "semail" violates not-null constraint DETAIL:  Failing row contains (1, ` + secret + `).`,
		apierr.Rejected, apierr.ReasonInvalidValue, "PGS-220000", "semail", "", false},
	"database deadlock": {500, `PGS-220000 PostgreSQL error: ERROR:  deadlock detected DETAIL:  Process 1 waits for '` + secret + `'`,
		apierr.Retryable, apierr.ReasonServiceFault, "PGS-220000", "", "", true},
	"database timeout": {500, `PGS-220000 PostgreSQL error: canceling statement due to lock timeout`,
		apierr.Retryable, apierr.ReasonServiceFault, "PGS-220000", "", "", true},
	"database connection": {500, `PGS-220000 PostgreSQL error: server closed the connection unexpectedly`,
		apierr.Retryable, apierr.ReasonServiceFault, "PGS-220000", "", "", true},
	"a value that looks like a passing fault": {500, `PGS-220000 PostgreSQL error: ERROR:  invalid input syntax: "connection ` + secret + `"`,
		apierr.Rejected, apierr.ReasonRefused, "PGS-220000", "", "", false},
	"unknown text of Campaign": {500, stock + ` XTK-170099 Something new about "` + secret + `" (and ` + secret + `)`,
		apierr.Rejected, apierr.ReasonRefused, "XTK-170099", "", "Something new about", false},
	"unknown text of something else": {500, `upstream said no to '` + secret + `'`, apierr.Retryable, apierr.ReasonServiceFault, "", "", "", true},
	"no text":                        {500, ``, apierr.Retryable, apierr.ReasonServiceFault, "", "", "", true},
}

func TestTextsOfCampaignAreClassified(t *testing.T) {
	t.Parallel()
	wraps := map[string]func(string) string{
		"text":        func(s string) string { return s },
		"JSON string": func(s string) string { return mustJSON(s) },
		"message":     func(s string) string { return mustJSON(map[string]string{"code": "x y " + secret, "message": s}) },
	}
	for name, tt := range texts {
		for form, wrap := range wraps {
			t.Run(name+" as "+form, func(t *testing.T) {
				t.Parallel()
				for _, method := range []string{http.MethodPost, http.MethodPatch} {
					e := refused(t, method, answer(tt.status, wrap(tt.text), "X-Request-Id", "req-1"))
					require.Equal(t, tt.class, e.Class, e)
					require.Equal(t, tt.reason, e.Reason)
					require.Equal(t, tt.code, e.Code)
					require.Equal(t, tt.field, e.Field)
					require.Contains(t, e.Message, tt.message)
					require.Equal(t, tt.ambiguous && method == http.MethodPost, e.Ambiguous)
					require.Equal(t, tt.status, e.Status)
					require.Equal(t, "req-1", e.RequestID)
					require.NotContains(t, e.Error()+e.Field+e.Code, secret)
				}
			})
		}
	}
}

func TestAnswersOfTheGatewayAreClassified(t *testing.T) {
	t.Parallel()
	coded := func(code, message string) string {
		return mustJSON(map[string]string{"error_code": code, "message": message})
	}
	for name, tt := range map[string]struct {
		status    int
		body      string
		class     apierr.Class
		reason    string
		code      string
		ambiguous bool
	}{
		"token not valid":             {401, coded("401013", "Oauth token is not valid"), apierr.Blocked, apierr.ReasonCredentials, "401013", false},
		"API key required":            {403, coded("403000", "Api Key is required"), apierr.Retryable, apierr.ReasonCredentials, "403000", false},
		"API key invalid":             {403, coded("403003", "Api Key is invalid"), apierr.Retryable, apierr.ReasonCredentials, "403003", false},
		"token missing":               {403, coded("403010", "Oauth token is missing."), apierr.Retryable, apierr.ReasonCredentials, "403010", false},
		"scope mismatch":              {403, coded("403011", "Scope mismatch"), apierr.Blocked, apierr.ReasonPermission, "403011", false},
		"token missing or invalid":    {403, coded("403020", "Oauth token missing or invalid"), apierr.Retryable, apierr.ReasonCredentials, "403020", false},
		"not allowed to read":         {403, coded("403024", "Not allowed to read the profile"), apierr.Blocked, apierr.ReasonPermission, "403024", false},
		"profile not valid":           {403, coded("403023", "Profile is not valid"), apierr.Blocked, apierr.ReasonPermission, "403023", false},
		"too many requests":           {429, coded("429050", "Too many requests"), apierr.Throttled, apierr.ReasonThrottled, "429050", false},
		"service usage limit":         {429, coded("429001", "Service usage limit reached"), apierr.Throttled, apierr.ReasonQuota, "429001", false},
		"developer key limit":         {429, coded("429002", "Developer key usage limit reached"), apierr.Throttled, apierr.ReasonQuota, "429002", false},
		"key not checked":             {503, coded("503000", "Could not validate Api Key"), apierr.Retryable, apierr.ReasonServiceFault, "503000", false},
		"token not checked":           {503, coded("503010", "Could not validate the oauth token"), apierr.Retryable, apierr.ReasonServiceFault, "503010", false},
		"503020 although it is a 403": {403, coded("503020", "Could not read the profile"), apierr.Retryable, apierr.ReasonServiceFault, "503020", false},
		"not routable":                {500, `{"code":500,"message":"Oops. Something went wrong. Check your URI and try again."}`, apierr.Retryable, apierr.ReasonServiceFault, "500-routing", true},
		"no CNAME":                    {500, `{"code":502,"message":"Oops. Something went wrong. Check your URI and try again."}`, apierr.Retryable, apierr.ReasonServiceFault, "502-routing", true},
		"bad tenant, cold":            {400, `Bad Request`, apierr.Retryable, apierr.ReasonServiceFault, "400-routing", true},
		"a proxy's 502":               {502, `<html>'Bad gateway'</html>`, apierr.Retryable, apierr.ReasonServiceFault, "", true},
		"503 with an apostrophe":      {503, `We're sorry, it's down. BAS-010040`, apierr.Retryable, apierr.ReasonServiceFault, "", true},
		"504 without a body":          {504, ``, apierr.Retryable, apierr.ReasonServiceFault, "", true},
		"408":                         {408, ``, apierr.Retryable, apierr.ReasonServiceFault, "", true},
		"401 without a code":          {401, ``, apierr.Blocked, apierr.ReasonCredentials, "", false},
		"403 of a proxy":              {403, `<html>no</html>`, apierr.Retryable, apierr.ReasonPermission, "", false},
		"404 of a proxy":              {404, `<html>Unable to find document</html>`, apierr.Retryable, apierr.ReasonSchema, "", true},
		"404 of an engine":            {404, `"RST-360011 An error has occurred - please contact your administrator. rc=-1"`, apierr.Retryable, apierr.ReasonSchema, "RST-360011", true},
		"a redirect":                  {302, ``, apierr.Retryable, apierr.ReasonConfig, "", false},
		"405":                         {405, ``, apierr.Retryable, apierr.ReasonConfig, "", false},
		"another 4xx":                 {422, `no`, apierr.Rejected, apierr.ReasonRefused, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := refused(t, http.MethodPost, answer(tt.status, tt.body))
			require.Equal(t, tt.class, e.Class, e)
			require.Equal(t, tt.reason, e.Reason)
			require.Equal(t, tt.code, e.Code)
			require.Equal(t, tt.ambiguous, e.Ambiguous)
			require.Equal(t, tt.class == apierr.Throttled, e.RetryAfter > 0)
			require.NotEmpty(t, e.Message)
		})
	}
}

func TestRetryAfterOfA429IsKept(t *testing.T) {
	t.Parallel()
	e := refused(t, http.MethodPost, answer(429, `{"error_code":"429050","message":"Too many requests"}`, "Retry-After", "17"))
	require.Equal(t, 17*time.Second, e.RetryAfter)
}

// refused makes one call against h and returns how it failed.
func refused(t *testing.T, method string, h http.HandlerFunc) *apierr.Error {
	t.Helper()
	c := record(t, h).client(t, nil)
	if method == http.MethodPost {
		return failure(t, c.Create(t.Context(), profile, []byte(`{}`)))
	}
	return failure(t, c.Patch(t.Context(), profile, "a1", []byte(`{}`)))
}

func mustJSON(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(out))
}
