package dataverse_test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/kit"
)

func crlf(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }

func operation(id, method, path, body string) string {
	head := []string{"Content-Type: application/http", "Content-Transfer-Encoding: binary"}
	if id != "" {
		head = append(head, "Content-ID: "+id)
	}
	return crlf(append(head, "", method+" "+path+" HTTP/1.1", "Content-Type: application/json", "", body)...)
}

func changeSet(operations ...string) string {
	return crlf(`Content-Type: multipart/mixed; boundary="c1"`, "") + multi("c1", operations)
}

func multi(boundary string, parts []string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("--" + boundary + "\r\n" + p)
	}
	return b.String() + "--" + boundary + "--\r\n"
}

func (o *organisation) batch(body string, headers ...string) reply {
	o.Helper()
	return o.send("POST", "$batch", body, append(headers, `Content-Type: multipart/mixed; boundary="b1"`)...)
}

// parts are the HTTP answers inside the answer of a batch. Those of a change set are
// joined.
func (o *organisation) parts(r reply) []string {
	o.Helper()
	media, params, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	require.NoError(o, err, r.body)
	require.Equal(o, "multipart/mixed", media)
	var out []string
	reader := multipart.NewReader(strings.NewReader(r.body), params["boundary"])
	for {
		p, err := reader.NextRawPart()
		if err == io.EOF {
			return out
		}
		require.NoError(o, err, r.body)
		data, err := io.ReadAll(p)
		require.NoError(o, err)
		out = append(out, string(data))
	}
}

// §5.5: operations, change sets, references.
func TestBatch(t *testing.T) {
	o := newOrganisation(t)
	r := o.batch(multi("b1", []string{
		changeSet(
			operation("1", "POST", api+"/contacts", `{"lastname":"A"}`),
			operation("2", "PATCH", "$1", `{"firstname":"B"}`),
			operation("3", "POST", api+"/acme_events", `{"acme_name":"E","acme_Contact@odata.bind":"$1"}`),
		),
		operation("", "GET", api+"/contacts?$select=fullname", ""),
	}))
	require.Equal(t, 200, r.status, r.body)
	parts := o.parts(r)
	require.Len(t, parts, 2)
	require.Equal(t, 3, strings.Count(parts[0], "HTTP/1.1 204 No Content\r\n"), parts[0])
	require.Contains(t, parts[0], "Content-ID: 2\r\n")
	require.Contains(t, parts[1], `"fullname":"B A"`)
	require.Equal(t, o.Keys("contacts")[0], o.Row("acme_events", o.Keys("acme_events")[0])["_acme_contact_value"])
}

// §5.5: of a change set, all operations count or none.
func TestAFailedChangeSetLeavesNothing(t *testing.T) {
	o := newOrganisation(t)
	set := changeSet(
		operation("1", "POST", api+"/contacts", `{"contactid":"`+alice+`","lastname":"A"}`),
		operation("2", "PATCH", api+"/acme_events(acme_code='K')", `{}`),
		operation("3", "POST", api+"/contacts", `{"gendercode":9}`),
	)
	r := o.batch(multi("b1", []string{set, operation("", "POST", api+"/contacts", `{}`)}))
	require.Equal(t, 400, r.status)
	parts := o.parts(r)
	require.Len(t, parts, 1, "later operations have no part")
	require.Contains(t, parts[0], "HTTP/1.1 400 Bad Request\r\n")
	require.Contains(t, parts[0], "0x8004431a")
	require.Zero(t, o.Count("contacts")+o.Count("acme_events"))
	o.refused(o.send("GET", "acme_events(acme_code='K')", ""), 404, "0x80060891")

	r = o.batch(multi("b1", []string{set, operation("", "POST", api+"/contacts", `{}`)}), "Prefer: odata.continue-on-error")
	require.Equal(t, 200, r.status)
	require.Len(t, o.parts(r), 2)
	require.EqualValues(t, 1, o.Count("contacts"))
}

// §5.5: the form that a batch must have.
func TestMalformedBatches(t *testing.T) {
	o := newOrganisation(t)
	good := multi("b1", []string{operation("", "POST", api+"/contacts", `{}`)})
	for name, body := range map[string]string{
		"LF line ends":           strings.ReplaceAll(good, "\r\n", "\n"),
		"no CRLF at the end":     strings.TrimSuffix(good, "\r\n"),
		"no end":                 strings.TrimSuffix(good, "--b1--\r\n"),
		"empty":                  "",
		"other boundary":         multi("b2", []string{operation("", "POST", api+"/contacts", `{}`)}),
		"no encoding":            strings.Replace(good, "Content-Transfer-Encoding: binary\r\n", "", 1),
		"no HTTP version":        strings.Replace(good, " HTTP/1.1", "", 1),
		"GET in a change set":    multi("b1", []string{changeSet(operation("1", "GET", api+"/contacts", ""))}),
		"a batch inside a batch": multi("b1", []string{operation("", "POST", api+"/$batch", `{}`)}),
		"no blank line": multi("b1", []string{crlf("Content-Type: application/http", "Content-Transfer-Encoding: binary", "",
			"GET "+api+"/contacts HTTP/1.1", "Accept: application/json")}),
	} {
		t.Run(name, func(t *testing.T) { o.refused(o.batch(body), 400, "0x80048d19") })
	}
	o.refused(o.batch(multi("b1", []string{changeSet(operation("", "POST", api+"/contacts", `{}`))})), 400, "0x80060888") // row DV-B4
	r := o.batch(multi("b1", []string{changeSet(operation("1", "PATCH", "$2", `{}`), operation("2", "POST", api+"/contacts", `{}`))}))
	require.Equal(t, 400, r.status)
	require.Contains(t, r.body, "Content-ID Reference: '$2' does not exist in the batch context.")
	var many []string
	for range 1001 {
		many = append(many, operation("", "POST", api+"/contacts", `{}`))
	}
	o.refused(o.batch(multi("b1", many)), 400, "0x80040203")
	require.Zero(t, o.Count("contacts"))
}

func FuzzBatch(f *testing.F) {
	f.Add(multi("b1", []string{changeSet(operation("1", "POST", api+"/contacts", `{}`), operation("2", "PATCH", "$1", `{}`))}))
	f.Add(multi("b1", []string{operation("", "GET", api+"/contacts?$top=1", "")}))
	f.Add("--b1\r\n\r\n\r\n--b1--\r\n")
	s := dataverse.New(dataverse.Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}, Tokens: everybody{}})
	f.Fuzz(func(t *testing.T, body string) { ask(t, s, "POST", "/$batch", body) })
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"lastname eq 'x'", "not (a or b)", "contains(lastname,'')", `Microsoft.Dynamics.CRM.In(PropertyName='lastname',PropertyValues=["a"])`, "((("} {
		f.Add(seed)
	}
	s := dataverse.New(dataverse.Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}, Tokens: everybody{}})
	if err := s.SeedContacts(3, 1); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, filter string) {
		ask(t, s, "GET", "/contacts?$filter="+fmt.Sprintf("%q", filter), "")
		r := httptest.NewRequest("GET", "https://org.example"+api+"/contacts", nil)
		r.URL.RawQuery = "$filter=" + strings.NewReplacer("%", "%25", "&", "%26", "#", "%23", "+", "%2B", ";", "%3B").Replace(filter)
		r.Header.Set("Authorization", "Bearer good")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Fatalf("status %d", w.Code)
		}
	})
}

func ask(t *testing.T, s *dataverse.Server, method, path, body string) {
	t.Helper()
	r := httptest.NewRequest(method, "https://org.example"+api+"/x", strings.NewReader(body))
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(api+path, "?")
	r.Header.Set("Authorization", "Bearer good")
	r.Header.Set("Content-Type", `multipart/mixed; boundary="b1"`)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code == 0 || w.Code >= 500 && w.Code != http.StatusNotImplemented {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
}
