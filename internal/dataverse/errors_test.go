package dataverse

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

func answer(status int, body string, headers ...string) *transport.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &transport.Response{Status: status, Header: h, Body: []byte(body)}
}

func TestEveryCodeHasAClass(t *testing.T) {
	for code, want := range rules {
		for _, written := range []string{code, strings.ToUpper(code[:2]) + strings.ToUpper(code[2:])} {
			e := parseError("op", answer(400, fmt.Sprintf(`{"error":{"code":%q,"message":"x"}}`, strings.Replace(written, "0X", "0x", 1))))
			require.Equal(t, want.class, e.Class, code)
			require.Equal(t, want.reason, e.Reason, code)
			require.Equal(t, code, e.Code)
		}
	}
}

// §9: bodies that are not the documented shape; the status decides then.
func TestErrorsWithoutACode(t *testing.T) {
	for name, c := range map[string]struct {
		res    *transport.Response
		class  apierr.Class
		reason string
		wait   time.Duration
	}{
		"decimal code":         {answer(429, `{"error":{"code":"-2147015902","message":""}}`, "Retry-After", "35"), apierr.Throttled, apierr.ReasonThrottled, 35 * time.Second},
		"numeric code":         {answer(429, `{"error":{"code":-2147015898,"message":""}}`), apierr.Throttled, apierr.ReasonThrottled, defaultWait},
		"429 without a body":   {answer(429, ""), apierr.Throttled, apierr.ReasonThrottled, defaultWait},
		"empty code and 410":   {answer(410, `{"error":{"code":"","message":"gone"}}`), apierr.Blocked, apierr.ReasonLinkExpired, 0},
		"expired, text only":   {answer(412, `{"error":{"code":"0x0","message":"Version stamp associated with the client has expired. Please perform a full sync."}}`), apierr.Blocked, apierr.ReasonLinkExpired, 0},
		"untracked, text only": {answer(400, `{"error":{"code":"","message":"Entity x isn't enabled for change tracking."}}`), apierr.Blocked, apierr.ReasonNotTracked, 0},
		"HTML from a gateway":  {answer(502, "<html>Bad gateway</html>"), apierr.Retryable, apierr.ReasonServiceFault, 0},
		"503":                  {answer(503, ""), apierr.Retryable, apierr.ReasonServiceFault, 0},
		"408":                  {answer(408, ""), apierr.Retryable, apierr.ReasonServiceFault, 0},
		"401 twice":            {answer(401, "HTTP Error 401 - Unauthorized: Access is denied"), apierr.Blocked, apierr.ReasonCredentials, 0},
		"403":                  {answer(403, ""), apierr.Blocked, apierr.ReasonPermission, 0},
		"404":                  {answer(404, `{"error":{"code":"","message":""}}`), apierr.Rejected, apierr.ReasonNotFound, 0},
		"412":                  {answer(412, `{"error":{"code":"","message":"A record with matching key values already exists."}}`), apierr.Rejected, apierr.ReasonExists, 0},
		"unknown 400":          {answer(400, `{"error":{"code":"0x80099999","message":"'secret value' of a@example.test"}}`), apierr.Blocked, apierr.ReasonConfig, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e := parseError("op", c.res)
			require.Equal(t, c.class, e.Class)
			require.Equal(t, c.reason, e.Reason)
			require.Equal(t, c.wait, e.RetryAfter)
			require.NotEmpty(t, e.Message)
			require.NotContains(t, e.Error(), "secret value")
			require.NotContains(t, e.Error(), "a@example.test")
		})
	}
}

// A refused column is named, so that drift can be told apart and repaired.
func TestSchemaErrorsNameTheColumn(t *testing.T) {
	for text, column := range map[string]string{
		"Could not find a property named 'emailadress1' on type 'Microsoft.Dynamics.CRM.contact'.": "emailadress1",
		"An undeclared property 'acme_x' which only has property annotations in the payload":       "acme_x",
	} {
		e := parseError("op", answer(400, fmt.Sprintf(`{"error":{"code":"0x80060888","message":%q}}`, text)))
		require.Equal(t, column, e.Field)
		require.Contains(t, e.Message, column)
	}
}

func FuzzErrors(f *testing.F) {
	f.Add(400, `{"error":{"code":"0x80040217","message":"x"}}`)
	f.Add(500, "<html>")
	f.Add(429, `{"error":{"code":-1}}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		e := parseError("op", answer(status, body))
		if e.Class == "" || e.Reason == "" || e.Message == "" {
			t.Fatalf("%+v", e)
		}
	})
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"@odata.nextLink":"https://x","value":[{"@odata.etag":"W/\"1\"","contactid":"A"},{"@odata.context":"x#contacts/$deletedEntity","id":"B","reason":"deleted"}]}`))
	f.Add([]byte(`{"value":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		page, err := parsePage("op", body, "contactid")
		if err != nil {
			return
		}
		for _, c := range page.Changes {
			if c.Key == "" || c.Deleted != (c.Raw == nil) {
				t.Fatalf("%+v", c)
			}
		}
	})
}

func BenchmarkParsePage(b *testing.B) {
	var body strings.Builder
	body.WriteString(`{"@odata.context":"x","value":[`)
	for i := range 5000 {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"@odata.etag":"W/\"%d\"","contactid":"%08d-1111-4111-8111-111111111111","firstname":"Ann","lastname":"Brandt","emailaddress1":"a%d@example.test","donotemail":false,"birthdate":"1980-05-17"}`, i, i, i)
	}
	body.WriteString(`],"@odata.deltaLink":"https://x"}`)
	data := []byte(body.String())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		page, err := parsePage("op", data, "contactid")
		if err != nil || len(page.Changes) != 5000 {
			b.Fatal(err)
		}
	}
}
