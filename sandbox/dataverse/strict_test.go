package dataverse_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// Values that the service refuses: dates that do not exist or are too early, and numbers
// that do not fit.
func TestValuesOutOfRange(t *testing.T) {
	o := newOrganisation(t)
	for body, code := range map[string]string{
		`{"birthdate":"2023-02-29"}`: "0x80048d19", `{"birthdate":"2023-13-01"}`: "0x80048d19", `{"birthdate":"1752-12-31"}`: "0x80040203",
		`{"birthdate":"2023-1-1"}`: "0x80048d19", `{"birthdate":20230101}`: "0x80048d19", `{"anniversary":"0001-01-01"}`: "0x80040203",
		`{"numberofchildren":2147483648}`: "0x80048d19", `{"numberofchildren":-2147483648}`: "0x8004432f", `{"numberofchildren":1.5}`: "0x80048d19",
		`{"annualincome":922337203685478}`: "0x80044330", `{"annualincome":-922337203685478}`: "0x80044330", `{"annualincome":"5"}`: "0x80048d19",
		`{"gendercode":3}`: "0x8004431a", `{"statuscode":2147483648}`: "0x80048d19",
	} {
		o.refused(o.send("POST", "contacts", body), 400, code)
	}
	for _, body := range []string{`{"birthdate":"2024-02-29"}`, `{"birthdate":"1753-01-01"}`, `{"numberofchildren":2147483647}`, `{"annualincome":922337203685477}`} {
		require.Equal(t, 204, o.send("POST", "contacts", body).status, body)
	}
	o.refused(o.send("POST", "tasks", `{"subject":"a","scheduledend":"1752-12-31T23:59:59Z"}`), 400, "0x80040203")
	o.refused(o.send("POST", "tasks", `{"subject":"a","scheduledend":"2023-02-30T00:00:00Z"}`), 400, "0x80048d19")
	require.EqualValues(t, 4, o.Count("contacts"))
}

// A filter compares only like with like.
func TestLiteralsThatDoNotFit(t *testing.T) {
	o := newOrganisation(t)
	for _, filter := range []string{
		"lastname eq 5", "lastname eq true", "lastname eq A", "numberofchildren eq '5'", "numberofchildren gt x", "donotemail eq 1", "donotemail eq 'true'",
		"createdon gt 5", "createdon gt '2024-01-01'", "birthdate eq 2024-02-30", "contactid eq 5", "gendercode eq Male", "statecode eq 'Active'", "annualincome lt abc",
	} {
		r := o.send("GET", "contacts?$filter="+url.PathEscape(filter), "")
		o.refused(r, 400, "0x80060888")
		require.Contains(t, r.body, "A binary operator with incompatible types was detected.", filter)
	}
	for _, filter := range []string{
		"lastname eq 'A'", "lastname eq null", "numberofchildren ge -1", "donotemail ne true", "createdon gt 2024-01-01T00:00:00Z", "birthdate eq 2024-02-29", "createdon lt 2024-01-01",
		"contactid eq " + alice, "_ownerid_value eq '" + alice + "'", "annualincome lt 5.5", "versionnumber gt 5",
	} {
		r := o.send("GET", "contacts?$filter="+url.PathEscape(filter), "")
		require.Equal(t, 200, r.status, filter+r.body)
	}
}

// Bodies of another type, and options that mean nothing, are refused.
func TestOddRequests(t *testing.T) {
	o := newOrganisation(t)
	for _, kind := range []string{"text/plain", "application/xml", "application/x-www-form-urlencoded"} {
		require.Equal(t, http.StatusUnsupportedMediaType, o.send("POST", "contacts", `{}`, "Content-Type: "+kind).status)
	}
	require.Equal(t, 204, o.send("POST", "contacts", `{}`, "Content-Type: application/json; charset=utf-8").status)
	for _, query := range []string{
		"$skip=5", "$search=a", "$format=json", "$Select=lastname", "$select=", "$select=lastname&$select=firstname", "$count=yes", "$top=0", "$top=x", "$orderby=lastname up", "other=1",
	} {
		o.refused(o.send("GET", "contacts?"+url.PathEscape(query), ""), 400, "0x80060888")
	}
	o.refused(o.send("GET", "contacts?$apply=aggregate(contactid%20with%20countdistinct%20as%20n)", ""), http.StatusNotImplemented, "0x80040216")
}
