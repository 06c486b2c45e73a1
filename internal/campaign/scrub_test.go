package campaign

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/transport"
)

func TestScrubKeepsNoValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`XTK-170099 Something failed for 'Ann'`:                            "XTK-170099 Something failed for",
		`PGS-220000 ERROR: bad DETAIL: Key (semail)=(ann@example.test) is`: "PGS-220000 ERROR: bad",
		`mail ann@example.test bounced`:                                    "mail … bounced",
		`phone +44 20 7946 0958 unknown`:                                   "phone … … … … unknown",
		`row 6f1d2c3a-0000-4b1e-9d5e-000000000001 at https://h/x?t=1`:      "row … at …",
		"line one\r\n\tline two\x00\xff":                                   "line one line two",
		`“Ann” is wrong`:                                                   "",
		``:                                                                 "",
	} {
		require.Equal(t, want, scrub(text), text)
	}
	require.LessOrEqual(t, len(scrub(strings.Repeat("ü ", 1000))), longestText+len("…"))
}

// frames are Campaign's texts with a place for a value of a record.
var frames = []string{
	`'%' attribute unknown (see definition of 'Profiles (nms:recipient)' schema). XTK-170036 Unable to parse expression '@id = @%'.`,
	`RST-360011 An error has occurred - please contact your administrator. Unable to find document with path 'Service' from key '%:0' (document with schema 'service' and name '%')`,
	`A 'Service' with the same key '%' already exists. PGS-220000 PostgreSQL error: ERROR:  duplicate key value violates unique constraint "nmsservice_name" DETAIL:  Key (sname)=(%) already exists.`,
	`RST-360011 An error has occurred - please contact your administrator. RST-360012 Inconsistent operation on resource 'service' – Cannot update key '%' to '%'.`,
	`RST-360011 An error has occurred - please contact your administrator. The value '%' is not valid for the 'nms:recipient:gender' enumeration of the '@gender' field`,
	`BAS-010040 Cannot convert '%' (type text) to integer (8 bit) type (bAS-010011 Invalid value).`,
	`'%' is not a valid constant`,
	`RST-360011 An error has occurred - please contact your administrator. XTK-170024 The value '%' of the '@email' field is not a valid e-mail address`,
	`PGS-220000 PostgreSQL error: ERROR:  invalid input syntax for type integer: "%"`,
	`XTK-170099 Something new: '%' and "%" and (%)`,
	`Nobody's words about "%"`,
}

// FuzzNoQuotedValueSurvives puts any value where Campaign quotes one, in each
// form of body and with each status, and looks for it in what is kept.
func FuzzNoQuotedValueSurvives(f *testing.F) {
	for i := range frames {
		f.Add(uint(i), uint(i), "Quitten-Zwölf")
		f.Add(uint(i), uint(0), "O'Quitten \"Zwölf\"")
		f.Add(uint(i), uint(1), "quitten@example.test (type text) to quitten type")
		f.Add(uint(i), uint(2), "x' enumeration of the 'quitten' field y")
	}
	statuses := []int{400, 404, 409, 422, 500, 501, 503}
	f.Fuzz(func(t *testing.T, frame, form uint, value string) {
		if len(value) < 5 || strings.Contains(strings.Join(append(frames, ownWords...), "\n"), value) {
			t.Skip("a value that our own words may hold")
		}
		text := strings.ReplaceAll(frames[frame%uint(len(frames))], "%", value)
		body := []byte(text)
		switch form % 4 {
		case 1:
			body, _ = json.Marshal(text)
		case 2:
			body, _ = json.Marshal(map[string]string{"error_code": value, "message": text})
		case 3:
			body, _ = json.Marshal(map[string]string{"code": value, "message": text})
		}
		for _, status := range statuses {
			e := parseError("create profile", http.MethodPost, &transport.Response{Status: status, Header: http.Header{}, Body: body})
			kept := strings.Join([]string{e.Error(), e.Field, e.Code, e.RequestID}, "\n")
			if strings.Contains(kept, value) {
				t.Fatalf("status %d: the value is in %q", status, kept)
			}
		}
	})
}

// ownWords are what errors are made of besides the texts.
var ownWords = []string{"campaign: create profile: ", "(PGS-220000): (RST-360011): (RST-360012): (XTK-170036): (XTK-170024): (XTK-170099): (BAS-010040): ", "Rejected Retryable Refused InvalidValue ServiceFault",
	"Campaign refused the record", "refused with status 400: ", "refused with status 409: ", "refused with status 422: ",
	"the service failed with status 500", "the service failed with status 501", "the service failed with status 503",
	"Campaign does not know the resource; check its name and that its API is published",
	"the value is not one of the enumeration: field gender", "a value cannot be converted to the type of its field"}
