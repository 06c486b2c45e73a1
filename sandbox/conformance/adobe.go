package conformance

const (
	token3   = "/ims/token/v3"
	validate = "/ims/validate_token/v1"
)

// adobeChecks are about the services around Campaign.
var adobeChecks = []Check{
	{Row: "IMS-1", Name: "a good token", Service: "ims", Path: validate + "?type=access_token&client_id={client}", Want: `200 "valid":true`},
	{Row: "IMS-2", Name: "a forged token", Service: "ims", Path: validate + "?type=access_token&client_id={client}", Headers: []string{"Authorization: Bearer x.e30.x"}, Want: "200 bad_signature"},
	{Row: "IMS-4", Name: "another grant", Service: "ims", Method: "POST", Path: token3 + "?grant_type=password&client_id={client}", Want: "400 unsupported_grant_type"},
	{Row: "IMS-4", Name: "no grant", Service: "ims", Method: "POST", Path: token3 + "?client_id={client}", Want: "400 unsupported_grant_type"},
	{Row: "IMS-5", Name: "another client", Service: "ims", Method: "POST", Path: token3 + "?grant_type=client_credentials&client_id=causeway-nobody&client_secret=x&scope=openid", Want: "400 invalid_client", Says: "invalid client_id parameter"},
	{Row: "IMS-5", Name: "a wrong secret", Service: "ims", Method: "POST", Path: token3 + "?grant_type=client_credentials&client_id={client}&client_secret=wrong&scope=openid", Want: "400 invalid_client", Says: "invalid client_secret parameter"},
	{Row: "IMS-6", Name: "no scope", Service: "ims", Method: "POST", Path: token3 + "?grant_type=client_credentials&client_id={client}&client_secret={adobesecret}", Want: "400 invalid_scope"},
	{Row: "IMS-6", Name: "scopes with spaces between them", Service: "ims", Method: "POST", Path: token3 + "?grant_type=client_credentials&client_id={client}&client_secret={adobesecret}&scope=openid%20campaign_sdk", Want: "400 invalid_scope"},
	{Row: "IMS-7", Name: "a token by GET", Service: "ims", Path: token3 + "?grant_type=client_credentials&client_id={client}", Want: "405 invalid_request"},
	{Row: "IMS-7", Name: "a token that names no type to validate", Service: "ims", Path: validate + "?client_id={client}", Want: "400 invalid_request"},
	{Row: "IMS-7", Name: "another client's token to validate", Service: "ims", Path: validate + "?type=access_token&client_id=causeway-nobody", Want: "400 invalid_client"},
	{Row: "IMS-8", Name: "a profile without a token", Service: "ims", Path: "/ims/profile/v1", Headers: []string{"Authorization:"}, Want: "401 invalid_token"},
	{Row: "IO-1", Name: "a page of the journal", Service: "journal", Path: "?limit=1", Want: "204"},
	{Row: "IO-2", Name: "an unreadable position", Service: "journal", Path: "?since=nonsense", Want: "400"},
	{Row: "IO-3", Name: "a method of no use", Service: "journal", Method: "DELETE", Writes: true, Want: "405"},
	{Row: "IO-6", Name: "a journal without a key", Service: "journal", Headers: []string{"X-Api-Key:"}, Want: "403 403000"},
	{Row: "IO-6", Name: "a journal without a token", Service: "journal", Headers: []string{"Authorization:"}, Want: "403 403010"},
	{Row: "IO-6", Name: "a journal with a wrong token", Service: "journal", Headers: []string{"Authorization: Bearer bad"}, Want: "401 401013"},
	{Row: "IO-7", Name: "another organization", Service: "journal", Headers: []string{"X-Ims-Org-Id: NOBODY@AdobeOrg"}, Want: "403 403023"},
	{Row: "IO-8", Name: "another registration", Service: "journal", Path: "//events/organizations/1/integrations/2/causeway-none", Want: "404"},
	{Row: "IO-9", Name: "a limit of nothing", Service: "journal", Path: "?limit=0", Want: "400"},
	{Row: "IO-9", Name: "a limit that is no number", Service: "journal", Path: "?limit=ten", Want: "400"},
	{Row: "IO-9", Name: "two ways to begin", Service: "journal", Path: "?latest=true&seek=-PT1H", Want: "400"},
	{Row: "IO-9", Name: "a step forward", Service: "journal", Path: "?seek=PT2H", Want: "400"},
}
