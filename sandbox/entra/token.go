package entra

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"causeway.dev/sandbox/kit"
)

// deviceGrant is the name of the standard; MSAL for Go sends the older, short one.
const (
	deviceGrant      = "urn:ietf:params:oauth:grant-type:device_code"
	shortDeviceGrant = "device_code"
)

// token is the token endpoint. The v1 one serves clients that act for themselves.
func (s *Server) token(w http.ResponseWriter, r *http.Request, v1 bool) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if err := r.ParseForm(); err != nil {
		s.refuse(w, http.StatusBadRequest, "invalid_request", 900144, "The request body cannot be read.")
		return
	}
	basic(r)
	switch kind := r.PostForm.Get("grant_type"); {
	case kind == "client_credentials":
		s.clientCredentials(w, r, v1)
	case kind == "":
		s.fail(w, missing("grant_type"))
	case v1:
		s.unsupported(w)
	case kind == "authorization_code":
		s.redeem(w, r)
	case kind == "refresh_token":
		s.renew(w, r)
	case kind == deviceGrant, kind == shortDeviceGrant:
		s.deviceToken(w, r)
	default:
		s.unsupported(w)
	}
}

func (s *Server) unsupported(w http.ResponseWriter) {
	s.refuse(w, http.StatusBadRequest, "unsupported_grant_type", 70003, "The grant type is not supported.")
}

// basic moves credentials from the header to the form (client_secret_basic).
func basic(r *http.Request) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		return
	}
	if text, err := url.QueryUnescape(id); err == nil {
		id = text
	}
	if text, err := url.QueryUnescape(secret); err == nil {
		secret = text
	}
	r.PostForm.Set("client_id", id)
	r.PostForm.Set("client_secret", secret)
}

// clientCredentials serves a client that acts for itself: the worker.
func (s *Server) clientCredentials(w http.ResponseWriter, r *http.Request, v1 bool) {
	f := r.PostForm
	secret := s.secretNow(r)
	resource, isDefault := "", false
	if v1 {
		resource, isDefault = strings.TrimSuffix(f.Get("resource"), "/"), f.Get("resource") != ""
	}
	for scope := range strings.FieldsSeq(f.Get("scope")) {
		if head, ok := strings.CutSuffix(scope, "/.default"); ok && !v1 {
			resource, isDefault = head, true
		}
	}
	answer := func(proof string) {
		switch {
		case v1 && !isDefault:
			s.fail(w, missing("resource"))
		case !isDefault:
			s.refuse(w, http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope "+f.Get("scope")+" is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).")
		case resource != "https://"+r.Host:
			s.refuse(w, http.StatusBadRequest, "invalid_resource", 500011, "The resource principal was not found in the tenant.")
		default:
			s.answerService(w, r, proof, v1)
		}
	}
	switch {
	case f.Get("client_id") != s.o.ClientID:
		s.refuse(w, http.StatusBadRequest, "unauthorized_client", 700016, "The application was not found in the directory.")
	case f.Get("client_assertion") != "":
		if err := s.assertion(r, f.Get("client_assertion_type"), f.Get("client_assertion")); err != nil {
			s.refuse(w, http.StatusUnauthorized, "invalid_client", 700027, "The client assertion cannot be accepted: "+err.Error()+".")
			return
		}
		answer("2")
	case f.Get("client_secret") == "":
		s.refuse(w, http.StatusUnauthorized, "invalid_client", 7000216, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.")
	case secret != s.o.ClientSecret && f.Get("client_secret") == s.o.ClientSecret:
		s.refuse(w, http.StatusUnauthorized, "invalid_client", 7000222, "The provided client secret keys for app '"+s.o.ClientID+"' are expired.")
	case f.Get("client_secret") != secret:
		s.refuse(w, http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided.")
	default:
		answer("1")
	}
}

// answerService gives a client that proved who it is a token. The v1 endpoint writes
// numbers as texts.
func (s *Server) answerService(w http.ResponseWriter, r *http.Request, proof string, v1 bool) {
	seconds := int(s.o.ExpiresIn.Seconds())
	doc := map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": s.serviceToken(r, proof)}
	if v1 {
		now := s.o.Clock.Now()
		doc["expires_in"], doc["ext_expires_in"], doc["resource"] = strconv.Itoa(seconds), strconv.Itoa(seconds), "https://"+r.Host
		doc["not_before"], doc["expires_on"] = strconv.FormatInt(now.Unix(), 10), strconv.FormatInt(now.Add(s.o.ExpiresIn).Unix(), 10)
	}
	kit.WriteJSON(w, http.StatusOK, doc)
}

// secretNow is the secret that the app registration has now. The named fault
// secret_replaced says in its body that it is another than at the start, which has
// expired.
func (s *Server) secretNow(r *http.Request) string {
	if rule, hit := s.o.Faults.Named("entra", "secret_replaced", r); hit {
		return rule.Body
	}
	return s.o.ClientSecret
}

// client finds who asks for the tokens of a person. A public client shows no secret, any
// other one must.
func (s *Server) client(f url.Values) (App, *problem) {
	id := f.Get("client_id")
	if id == "" {
		return App{}, missing("client_id")
	}
	app, known := s.app(id)
	secret := f.Get("client_secret")
	switch {
	case !known:
		return app, s.unknownApp(id)
	case app.Public && (secret != "" || f.Get("client_assertion") != ""):
		return app, &problem{http.StatusUnauthorized, "invalid_client", 700025, "Client is public so neither 'client_assertion' nor 'client_secret' should be presented."}
	case !app.Public && secret == "":
		return app, &problem{http.StatusUnauthorized, "invalid_client", 7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."}
	case !app.Public && secret != app.Secret:
		return app, &problem{http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided."}
	}
	return app, nil
}

func (s *Server) unknownApp(id string) *problem {
	return bad("unauthorized_client", 700016, "Application with identifier '"+id+"' was not found in the directory '"+s.o.Tenant+"'.")
}

// redeem gives tokens for a code.
func (s *Server) redeem(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	client, fail := s.client(f)
	if fail == nil && f.Get("code") == "" {
		fail = missing("code")
	}
	if fail == nil && f.Get("redirect_uri") == "" {
		fail = missing("redirect_uri")
	}
	var g grant
	if fail == nil {
		g, fail = s.take(client, f)
	}
	if fail != nil {
		s.fail(w, fail)
		return
	}
	s.answerTokens(w, r, g)
}

// take uses a code up, once it fits.
func (s *Server) take(client App, f url.Values) (grant, *problem) {
	code := f.Get("code")
	s.mu.Lock()
	defer s.mu.Unlock()
	g, known := s.codes[code]
	if !known || g.client != client.ClientID {
		return grant{}, bad("invalid_grant", 70000, "Provided grant is invalid or malformed.")
	}
	switch {
	case g.ended:
		return grant{}, bad("invalid_grant", 54005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.")
	case s.o.Clock.Now().After(g.expires):
		return grant{}, bad("invalid_grant", 70008, "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.")
	case f.Get("redirect_uri") != g.bond.redirect:
		return grant{}, bad("invalid_client", 500112, "The reply address '"+f.Get("redirect_uri")+"' does not match the reply address '"+g.bond.redirect+"' provided when requesting Authorization code.")
	case !g.bond.fits(f.Get("code_verifier")):
		return grant{}, bad("invalid_grant", 501481, "The Code_Verifier does not match the code_challenge supplied in the authorization request.")
	}
	g.ended = true
	return *g, nil
}

// renew gives tokens for a refresh token.
func (s *Server) renew(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	client, fail := s.client(f)
	token := f.Get("refresh_token")
	if fail == nil && token == "" {
		fail = missing("refresh_token")
	}
	var g grant
	if fail == nil {
		g, fail = s.remembered(client, token)
	}
	if fail == nil && f.Get("scope") != "" {
		g.asked, fail = s.scopes(client, f.Get("scope"))
		g.asked.offline = true // a new one comes with every renewal
	}
	if fail != nil {
		s.fail(w, fail)
		return
	}
	s.answerTokens(w, r, g)
}

func (s *Server) remembered(client App, token string) (grant, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, known := s.refresh[token]
	switch {
	case !known || g.client != client.ClientID:
		return grant{}, bad("invalid_grant", 9002313, "Invalid request. Request is malformed or invalid.")
	case g.ended:
		return grant{}, bad("invalid_grant", 50173, "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.")
	case s.o.Clock.Now().After(g.expires):
		return grant{}, bad("invalid_grant", 700082, "The refresh token has expired due to inactivity.")
	}
	return *g, nil
}
