// Package conformance asks a Campaign instance, its IMS and its journal the questions
// that docs/protocol/campaign-rows.md answers, row by row. Its test asks the sandboxes
// and, with credentials in the environment, the real services too, and compares.
package conformance

// Check is one question, and the answer of the row.
type Check struct {
	Row     string // in docs/protocol/campaign-rows.md
	Name    string
	Writes  bool   // it changes records; a real service is asked only when that is allowed
	Service string // campaign (default), ims or journal
	Method  string // default GET
	Path    string // after the service's address; {key} is the key of the suite's own profile
	Body    string
	Headers []string // "Name: value"; without a value the header is left out
	Want    string   // status, and the first of phrases that the answer holds
}

// phrases are the stable parts of answers.
var phrases = []string{
	"401013", "403000", "403003", "403010", "403023", "is not a valid constant", "Unable to find document", "already exists", "Error rc=-2003",
	"BAS-010040", "attribute unknown", "is not valid for the", "property that is read-only", "value too long", "Cannot update key", "does not imitate",
	"invalid_client", "invalid_scope", "unsupported_grant_type", "bad_signature", `"valid":true`, "XTK-170006",
}

const (
	ext  = "/profileAndServicesExt"
	base = "/profileAndServices"
)

// Checks are all questions, in the order in which they are asked.
var Checks = []Check{
	{Row: "ACS-G1", Name: "no key", Path: base + "/profile", Headers: []string{"X-Api-Key:"}, Want: "403 403000"},
	{Row: "ACS-G1", Name: "a wrong key", Path: base + "/profile", Headers: []string{"X-Api-Key: bad"}, Want: "403 403003"},
	{Row: "ACS-G2", Name: "no token", Path: base + "/profile", Headers: []string{"Authorization:"}, Want: "403 403010"},
	{Row: "ACS-G2", Name: "a wrong token", Path: base + "/profile", Headers: []string{"Authorization: Bearer bad"}, Want: "401 401013"},
	{Row: "ACS-R1", Name: "a list with a slash", Path: base + "/profile/?_lineCount=1", Want: "200"},
	{Row: "ACS-R2", Name: "a list as .json", Path: base + "/profile.json?_lineCount=1", Want: "200"},
	{Row: "ACS-R3", Name: "HEAD of a list", Method: "HEAD", Path: base + "/profile?_lineCount=1", Want: "200"},
	{Row: "ACS-R4", Name: "a resource that nobody made", Path: ext + "/cusNobodyMadeThis", Want: "404 Error rc=-2003"},
	{Row: "ACS-R6", Name: "metadata of profile", Path: base + "/resourceType/profile", Want: "200"},
	{Row: "ACS-R6", Name: "metadata of service", Path: base + "/resourceType/service", Want: "200"},
	{Row: "ACS-R6", Name: "metadata of history", Path: base + "/resourceType/history", Want: "200"},
	{Row: "ACS-V3", Name: "a page size that is no number", Path: base + "/profile?_lineCount=ten", Want: "500 BAS-010040"},
	{Row: "ACS-F1", Name: "a filter by e-mail address", Path: base + "/profile/byEmail?email=nobody@example.invalid", Want: "200"},
	{Row: "ACS-E2", Name: "a key that is not there", Path: ext + "/profile/causeway-nobody", Want: "404 Unable to find document"},
	{Row: "ACS-E3", Name: "an unreadable PKey", Path: base + "/profile/@gibberish", Want: "500 attribute unknown"},
	{Row: "ACS-S1", Name: "services", Path: base + "/service?_lineCount=1", Want: "200"},
	{Row: "ACS-O1", Name: "organizational units", Path: ext + "/orgUnitBase/?_lineCount=1", Want: "200"},
	{Row: "ACS-H1", Name: "the history of nobody", Path: base + "/history/causeway-nobody", Want: "404 Unable to find document"},
	{Row: "ACS-P1", Name: "privacy requests", Path: "/privacy/privacyTool?_lineCount=1", Want: "200"},
	{Row: "ACS-W1", Name: "a workflow that is not there", Path: "/workflow/execution/WKF_causeway_none", Want: "404 Unable to find document"},
	{Row: "ACS-B1", Name: "a body before its resource", Writes: true, Method: "PATCH", Path: ext + "/cusNobodyMadeThis/1", Body: "@gibberish", Want: "500 is not a valid constant"},
	{Row: "ACS-R1", Name: "a POST with a slash", Writes: true, Method: "POST", Path: ext + "/profile/", Body: `{"externalId":"{key}","lastName":"Conformance"}`, Want: "201"},
	{Row: "ACS-E4", Name: "the same key again", Writes: true, Method: "POST", Path: ext + "/profile", Body: `{"externalId":"{key}"}`, Want: "500 already exists"},
	{Row: "ACS-E5", Name: "an unknown value", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"gender":"x"}`, Want: "500 is not valid for the"},
	{Row: "ACS-E5", Name: "a read-only field", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"age":5}`, Want: "500 property that is read-only"},
	{Row: "ACS-V2", Name: "a link that names nothing", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"orgUnit":{"PKey":"causeway-none"}}`, Want: "404 Unable to find document"},
	{Row: "ACS-E6", Name: "a text that is too long", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"firstName":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`, Want: "500 value too long"},
	{Row: "ACS-E7", Name: "a key that is moved", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"externalId":"{key}x"}`, Want: "500 Cannot update key"},
	{Row: "ACS-R1", Name: "the profile is deleted", Writes: true, Method: "DELETE", Path: ext + "/profile/{key}", Want: "200"},
	{Row: "IMS-1", Name: "a good token", Service: "ims", Path: "/ims/validate_token/v1?type=access_token&client_id={client}", Want: `200 "valid":true`},
	{Row: "IMS-2", Name: "a forged token", Service: "ims", Path: "/ims/validate_token/v1?type=access_token&client_id={client}", Headers: []string{"Authorization: Bearer x.e30.x"}, Want: "200 bad_signature"},
	{Row: "IMS-4", Name: "another grant", Service: "ims", Method: "POST", Path: "/ims/token/v3?grant_type=password&client_id={client}", Want: "400 unsupported_grant_type"},
	{Row: "IO-1", Name: "a page of the journal", Service: "journal", Path: "?limit=1", Want: "204"},
	{Row: "IO-2", Name: "an unreadable position", Service: "journal", Path: "?since=nonsense", Want: "400"},
	{Row: "IO-3", Name: "a method of no use", Service: "journal", Method: "DELETE", Writes: true, Want: "405"},
}
