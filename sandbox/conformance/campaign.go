package conformance

import (
	"slices"
	"strings"
)

const (
	ext  = "/profileAndServicesExt"
	base = "/profileAndServices"
)

// All are the questions about all services, in the order in which they are asked.
func All() []Check {
	return slices.Concat(campaignChecks, adobeChecks, entraChecks, dataverseChecks, batchChecks, dataverseEnd)
}

// long is longer than any column that the suite writes.
var long = strings.Repeat("x", 300)

// campaignChecks are asked in this order.
var campaignChecks = []Check{
	{Service: "campaign", Row: "ACS-G1", Name: "no key", Path: base + "/profile", Headers: []string{"X-Api-Key:"}, Want: "403 403000"},
	{Service: "campaign", Row: "ACS-G1", Name: "a wrong key", Path: base + "/profile", Headers: []string{"X-Api-Key: bad"}, Want: "403 403003"},
	{Service: "campaign", Row: "ACS-G2", Name: "no token", Path: base + "/profile", Headers: []string{"Authorization:"}, Want: "403 403010"},
	{Service: "campaign", Row: "ACS-G2", Name: "a wrong token", Path: base + "/profile", Headers: []string{"Authorization: Bearer bad"}, Want: "401 401013"},
	{Service: "campaign", Row: "ACS-R1", Name: "a list with a slash", Path: base + "/profile/?_lineCount=1", Want: "200"},
	{Service: "campaign", Row: "ACS-R2", Name: "a list as .json", Path: base + "/profile.json?_lineCount=1", Want: "200"},
	{Service: "campaign", Row: "ACS-R3", Name: "HEAD of a list", Method: "HEAD", Path: base + "/profile?_lineCount=1", Want: "200"},
	{Service: "campaign", Row: "ACS-R4", Name: "a resource that nobody made", Path: ext + "/cusNobodyMadeThis", Want: "404 Error rc=-2003"},
	{Service: "campaign", Row: "ACS-R6", Name: "metadata of profile", Path: base + "/resourceType/profile", Want: "200"},
	{Service: "campaign", Row: "ACS-R6", Name: "metadata of service", Path: base + "/resourceType/service", Want: "200"},
	{Service: "campaign", Row: "ACS-R6", Name: "metadata of history", Path: base + "/resourceType/history", Want: "200"},
	{Service: "campaign", Row: "ACS-V3", Name: "a page size that is no number", Path: base + "/profile?_lineCount=ten", Want: "500 BAS-010040"},
	{Service: "campaign", Row: "ACS-F1", Name: "a filter by e-mail address", Path: base + "/profile/byEmail?email=nobody@example.invalid", Want: "200"},
	{Service: "campaign", Row: "ACS-E2", Name: "a key that is not there", Path: ext + "/profile/causeway-nobody", Want: "404 Unable to find document"},
	{Service: "campaign", Row: "ACS-E3", Name: "an unreadable PKey", Path: base + "/profile/@gibberish", Want: "500 attribute unknown"},
	{Service: "campaign", Row: "ACS-S1", Name: "services", Path: base + "/service?_lineCount=1", Want: "200"},
	{Service: "campaign", Row: "ACS-O1", Name: "organizational units", Path: ext + "/orgUnitBase/?_lineCount=1", Want: "200"},
	{Service: "campaign", Row: "ACS-H1", Name: "the history of nobody", Path: base + "/history/causeway-nobody", Want: "404 Unable to find document"},
	{Service: "campaign", Row: "ACS-P1", Name: "privacy requests", Path: "/privacy/privacyTool?_lineCount=1", Want: "200"},
	{Service: "campaign", Row: "ACS-W1", Name: "a workflow that is not there", Path: "/workflow/execution/WKF_causeway_none", Want: "404 Unable to find document"},
	{Service: "campaign", Row: "ACS-B1", Name: "a body before its resource", Writes: true, Method: "PATCH", Path: ext + "/cusNobodyMadeThis/1", Body: "@gibberish", Want: "500 is not a valid constant"},
	{Service: "campaign", Row: "ACS-R1", Name: "a POST with a slash", Writes: true, Method: "POST", Path: ext + "/profile/", Body: `{"externalId":"{key}","lastName":"Conformance"}`, Want: "201"},
	{Service: "campaign", Row: "ACS-E4", Name: "the same key again", Writes: true, Method: "POST", Path: ext + "/profile", Body: `{"externalId":"{key}"}`, Want: "500 already exists"},
	{Service: "campaign", Row: "ACS-E5", Name: "an unknown value", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"gender":"x"}`, Want: "500 is not valid for the"},
	{Service: "campaign", Row: "ACS-E5", Name: "a read-only field", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"age":5}`, Want: "500 property that is read-only"},
	{Service: "campaign", Row: "ACS-V2", Name: "a link that names nothing", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"orgUnit":{"PKey":"causeway-none"}}`, Want: "404 Unable to find document"},
	{Service: "campaign", Row: "ACS-E6", Name: "a text that is too long", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"firstName":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`, Want: "500 value too long"},
	{Service: "campaign", Row: "ACS-E7", Name: "a key that is moved", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"externalId":"{key}x"}`, Want: "500 Cannot update key"},
	{Service: "campaign", Row: "ACS-B1", Name: "a list for a body", Writes: true, Method: "POST", Path: ext + "/profile", Body: `[{"externalId":"{key}-1"}]`, Want: "500 is not a valid constant"},
	{Service: "campaign", Row: "ACS-B1", Name: "a body that ends early", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"lastName":"x`, Want: "500 is not a valid constant"},
	{Service: "campaign", Row: "ACS-B1", Name: "a body of a POST that is no object", Writes: true, Method: "POST", Path: ext + "/profile", Body: `"@gibberish"`, Want: "500 is not a valid constant"},
	{Service: "campaign", Row: "ACS-E2", Name: "a change of nobody", Writes: true, Method: "PATCH", Path: ext + "/profile/causeway-nobody", Body: `{"lastName":"x"}`, Want: "404 Unable to find document"},
	{Service: "campaign", Row: "ACS-E2", Name: "a deletion of nobody", Writes: true, Method: "DELETE", Path: ext + "/profile/causeway-nobody", Want: "404 Unable to find document"},
	{Service: "campaign", Row: "ACS-E3", Name: "an unreadable PKey to change", Writes: true, Method: "PATCH", Path: ext + "/profile/@gibberish", Body: `{}`, Want: "500 attribute unknown"},
	{Service: "campaign", Row: "ACS-E3", Name: "an unreadable PKey to delete", Writes: true, Method: "DELETE", Path: ext + "/profile/@gibberish", Want: "500 attribute unknown"},
	{Service: "campaign", Row: "ACS-E3", Name: "an unreadable PKey in a body", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"PKey":"@gibberish"}`, Want: "500 attribute unknown"},
	{Service: "campaign", Row: "ACS-E5", Name: "a PKey of one's own", Writes: true, Method: "POST", Path: ext + "/profile", Body: `{"PKey":"@own","externalId":"{key}-1"}`, Want: "500 property that is read-only"},
	{Service: "campaign", Row: "ACS-E5", Name: "a language that is none", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"gender":"Male"}`, Want: "500 is not valid for the"},
	{Service: "campaign", Row: "ACS-E6", Name: "a long text in a new profile", Writes: true, Method: "POST", Path: ext + "/profile", Body: `{"externalId":"{key}-1","lastName":"` + long + `"}`, Want: "500 value too long"},
	{Service: "campaign", Row: "ACS-E8", Name: "an unknown field", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"jobTitel":"x"}`, Want: "500 is not valid for the", Says: "'jobTitel' property is not valid for the 'profile' resource."},
	{Service: "campaign", Row: "ACS-E8", Name: "an unknown field in an item", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"location":{"town":"x"}}`, Want: "500 is not valid for the"},
	{Service: "campaign", Row: "ACS-E9", Name: "an e-mail address without a domain", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"email":"nobody"}`, Want: "500 XTK-170024"},
	{Service: "campaign", Row: "ACS-E9", Name: "an e-mail address with a space", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"email":"no body@example.invalid"}`, Want: "500 XTK-170024"},
	{Service: "campaign", Row: "ACS-V5", Name: "a date in another form", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"birthDate":"1.2.1980"}`, Want: "500 BAS-010040"},
	{Service: "campaign", Row: "ACS-V5", Name: "a date that does not exist", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"birthDate":"1981-02-29"}`, Want: "500 BAS-010040"},
	{Service: "campaign", Row: "ACS-V5", Name: "a boolean in words", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"blackListEmail":"yes"}`, Want: "500 BAS-010040"},
	{Service: "campaign", Row: "ACS-V5", Name: "a boolean that is a number", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"blackListEmail":2}`, Want: "500 BAS-010040"},
	{Service: "campaign", Row: "ACS-V5", Name: "an object in place of a text", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"lastName":{"text":"x"}}`, Want: "500 BAS-010040"},
	{Service: "campaign", Row: "ACS-V5", Name: "a text in place of an item", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"location":"Oslo"}`, Want: "500 BAS-010040"},
	{Service: "campaign", Row: "ACS-V3", Name: "a page of no lines", Path: base + "/profile?_lineCount=0", Want: "500 BAS-010040"},
	{Service: "campaign", Row: "ACS-V3", Name: "a page of fewer lines than none", Path: base + "/profile?_lineCount=-1", Want: "500 BAS-010040"},
	{Service: "campaign", Row: "ACS-V3", Name: "a page of some lines and a half", Path: base + "/profile?_lineCount=1.5", Want: "500 BAS-010040"},
	{Service: "campaign", Row: "ACS-V4", Name: "a link that is a text", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"orgUnit":"all"}`, Want: "500 BAS-010040"},
	{Service: "campaign", Row: "ACS-V4", Name: "a link that is a number", Writes: true, Method: "PATCH", Path: ext + "/profile/{key}", Body: `{"orgUnit":7}`, Want: "500 BAS-010040"},
	{Service: "campaign", Row: "ACS-F2", Name: "a time that is none in a filter", Path: ext + "/profile/byModifiedSince?since_parameter=yesterday", Want: "500 BAS-010040", Sandbox: true},
	{Service: "campaign", Row: "ACS-F2", Name: "a channel that is none", Path: base + "/service/byChannel?channel=pigeon", Want: "500 is not valid for the"},
	{Service: "campaign", Row: "ACS-F2", Name: "a field that is none to look in", Path: base + "/profile/byText?text=a&filterType=shoeSize", Want: "500 is not valid for the"},
	{Service: "campaign", Row: "ACS-F2", Name: "a service that is none in a filter", Path: base + "/profile/subscribers?service=causeway-none", Want: "404 Unable to find document"},
	{Service: "campaign", Row: "ACS-G3", Name: "another tenant", Path: "//causeway-nobody/campaign" + base + "/profile", Want: "403 403023"},
	{Service: "campaign", Row: "ACS-G4", Name: "a path of nothing", Path: "/nothing/at/all", Want: "500", Form: router},
	{Service: "campaign", Row: "ACS-R4", Name: "metadata of nothing", Path: ext + "/resourceType/cusNobodyMadeThis", Want: "404 Error rc=-2003"},
	{Service: "campaign", Row: "ACS-R4", Name: "a custom resource in the other tree", Path: base + "/orgUnitBase", Want: "404 Error rc=-2003"},
	{Service: "campaign", Row: "ACS-R4", Name: "a deletion of a resource", Writes: true, Method: "DELETE", Path: ext + "/profile", Want: "404 Error rc=-2003", Sandbox: true},
	{Service: "campaign", Row: "ACS-R5", Name: "a deep insert", Sandbox: true, Writes: true, Method: "POST", Path: ext + "/profile", Body: `{"externalId":"{key}-1","orgUnit":{"name":"deep","label":"Deep"}}`, Want: "501 does not imitate"},
	{Service: "campaign", Row: "ACS-R5", Name: "a transactional message", Sandbox: true, Method: "POST", Path: "/mcsandbox/EVT1", Body: `{}`, Want: "501 does not imitate"},
	{Service: "campaign", Row: "ACS-R5", Name: "an aggregate", Sandbox: true, Path: base + "/profile?$apply=x", Want: "501 does not imitate"},
	{Service: "campaign", Row: "ACS-O3", Name: "a new unit", Sandbox: true, Writes: true, Method: "POST", Path: ext + "/orgUnitBase", Body: `{}`, Want: "501 does not imitate"},
	{Service: "campaign", Row: "ACS-P2", Name: "a privacy request without its parts", Writes: true, Method: "POST", Path: "/privacy/privacyTool", Body: `{"name":"{key}"}`, Want: "500 not-null"},
	{Service: "campaign", Row: "ACS-P2", Name: "a privacy request of no type", Writes: true, Method: "POST", Path: "/privacy/privacyTool", Body: `{"name":"{key}","namespaceName":"AMCDS2","reconciliationValue":"nobody@example.invalid","regulation":"gdpr","label":"x","type":"forget"}`, Want: "500 is not valid for the"},
	{Service: "campaign", Row: "ACS-S3", Name: "a subscription to nothing", Writes: true, Method: "POST", Path: ext + "/profile/{key}/subscriptions", Body: `{"service":{"PKey":"causeway-none"}}`, Want: "404 Unable to find document"},
	{Service: "campaign", Row: "ACS-S3", Name: "a subscription without a service", Writes: true, Method: "POST", Path: ext + "/profile/{key}/subscriptions", Body: `{}`, Want: "500 not-null"},
	{Service: "campaign", Row: "ACS-W2", Name: "a command to a workflow that is not there", Writes: true, Method: "POST", Path: "/workflow/execution/WKF_causeway_none/commands", Body: `{"method":"start"}`, Want: "404 Unable to find document"},
	{Service: "campaign", Row: "ACS-R1", Name: "the profile is deleted", Writes: true, Method: "DELETE", Path: ext + "/profile/{key}", Want: "200"},
}
