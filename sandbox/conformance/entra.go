package conformance

const tokenPath = "/oauth2/v2.0/token"

// entraChecks are about the token endpoint of services, and about sign-ins that do not
// begin.
var entraChecks = []Check{
	{Row: "AAD-1", Name: "a token", Service: "entra", Method: "POST", Path: tokenPath, Body: grant + "&client_id={app}&client_secret={secret}&scope={resource}%2F.default", Want: "200"},
	{Row: "AAD-2", Name: "the document of v2", Service: "entra", Path: "/v2.0/.well-known/openid-configuration", Want: "200"},
	{Row: "AAD-2", Name: "the document of v1", Service: "entra", Path: "/.well-known/openid-configuration", Want: "200"},
	{Row: "AAD-2", Name: "the keys", Service: "entra", Path: "/discovery/v2.0/keys", Want: "200"},
	{Row: "AAD-3", Name: "a wrong secret", Service: "entra", Method: "POST", Path: tokenPath, Body: grant + "&client_id={app}&client_secret=wrong&scope={resource}%2F.default", Want: "401 invalid_client 7000215"},
	{Row: "AAD-4", Name: "no secret", Service: "entra", Method: "POST", Path: tokenPath, Body: grant + "&client_id={app}&scope={resource}%2F.default", Want: "401 invalid_client 7000216"},
	{Row: "AAD-5", Name: "another application", Service: "entra", Method: "POST", Path: tokenPath, Body: grant + "&client_id={none}&client_secret=x&scope={resource}%2F.default", Want: "400 unauthorized_client 700016"},
	{Row: "AAD-6", Name: "a scope that is no .default", Service: "entra", Method: "POST", Path: tokenPath, Body: grant + "&client_id={app}&client_secret={secret}&scope={resource}%2Fuser_impersonation", Want: "400 invalid_scope 1002012"},
	{Row: "AAD-7", Name: "another resource", Service: "entra", Method: "POST", Path: tokenPath, Body: grant + "&client_id={app}&client_secret={secret}&scope=https%3A%2F%2Fcauseway-nobody.invalid%2F.default", Want: "400 invalid_resource 500011"},
	{Row: "AAD-8", Name: "another grant", Service: "entra", Method: "POST", Path: tokenPath, Body: "grant_type=causeway&client_id={app}", Want: "400 unsupported_grant_type 70003"},
	{Row: "AAD-9", Name: "no grant", Service: "entra", Method: "POST", Path: tokenPath, Body: "client_id={app}", Want: "400 invalid_request 900144"},
	{Row: "AAD-9", Name: "no code to redeem", Service: "entra", Sandbox: true, Method: "POST", Path: tokenPath, Body: "grant_type=authorization_code&client_id=" + signIn, Want: "400 invalid_request 900144"},
	{Row: "AAD-9", Name: "no refresh token", Service: "entra", Sandbox: true, Method: "POST", Path: tokenPath, Body: "grant_type=refresh_token&client_id=" + signIn, Want: "400 invalid_request 900144"},
	{Row: "AAD-9", Name: "no device code", Service: "entra", Sandbox: true, Method: "POST", Path: tokenPath, Body: "grant_type=device_code&client_id=" + signIn, Want: "400 invalid_request 900144"},
	{Row: "AAD-9", Name: "no resource for v1", Service: "entra", Method: "POST", Path: "/oauth2/token", Body: grant + "&client_id={app}&client_secret={secret}", Want: "400 invalid_request 900144"},
	{Row: "AAD-10", Name: "another tenant", Service: "entra", Method: "POST", Path: "//causeway-nobody.invalid/oauth2/v2.0/token", Body: grant + "&client_id={app}", Want: "400 invalid_request 90002"},
	{Row: "AAD-11", Name: "an assertion that is none", Service: "entra", Method: "POST", Path: tokenPath, Body: grant + "&client_id={app}&scope={resource}%2F.default&client_assertion=x.y.z" +
		"&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer", Want: "401 invalid_client 700027"},
	{Row: "AAD-12", Name: "a code that nobody got", Service: "entra", Sandbox: true, Method: "POST", Path: tokenPath, Body: "grant_type=authorization_code&client_id=" + signIn + "&code=x&redirect_uri=http%3A%2F%2Flocalhost", Want: "400 invalid_grant 70000"},
	{Row: "AAD-12", Name: "a refresh token that nobody got", Service: "entra", Sandbox: true, Method: "POST", Path: tokenPath, Body: "grant_type=refresh_token&client_id=" + signIn + "&refresh_token=x", Want: "400 invalid_grant 9002313"},
	{Row: "AAD-12", Name: "a device code that nobody got", Service: "entra", Sandbox: true, Method: "POST", Path: tokenPath, Body: "grant_type=device_code&client_id=" + signIn + "&device_code=x", Want: "400 bad_verification_code 70018"},
	{Row: "AAD-13", Name: "a public client that shows a secret", Service: "entra", Sandbox: true, Method: "POST", Path: tokenPath, Body: "grant_type=refresh_token&client_id=" + signIn + "&client_secret=x&refresh_token=x", Want: "401 invalid_client 700025"},
	{Row: "AAD-14", Name: "a sign-in of another application", Service: "entra", Path: "/oauth2/v2.0/authorize?response_type=code&scope=openid&client_id={none}", Want: "400", Form: page, Says: "AADSTS700016", Sandbox: true},
	{Row: "AAD-14", Name: "a sign-in that leads elsewhere", Service: "entra", Sandbox: true, Path: "/oauth2/v2.0/authorize?response_type=code&scope=openid&redirect_uri=https%3A%2F%2Felsewhere.invalid&client_id=" + signIn, Want: "400", Form: page, Says: "AADSTS50011"},
}

const (
	grant  = "grant_type=client_credentials"
	signIn = "5a4db0c5-0000-4000-8000-0000000000cc"
)
