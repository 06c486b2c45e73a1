package entra

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"causeway.dev/sandbox/kit"
)

// mostGroups is how many groups a token lists; of more it says where to ask.
const mostGroups = 200

const refreshLife = 90 * 24 * time.Hour

// grant is what a code, a device code or a refresh token stands for.
type grant struct {
	client, user string
	asked        asked
	nonce        string
	bond         codeBond // of a code
	expires      time.Time
	ended        bool // a code that was redeemed, a refresh token that was revoked
}

func (s *Server) issuer(r *http.Request) string { return s.base(r) + "/v2.0" }

func (s *Server) base(r *http.Request) string { return "https://" + r.Host + "/" + s.o.Tenant }

// answerTokens answers a client whose user has signed in, and remembers a new refresh
// token. Older ones stay valid, as at Entra ID.
func (s *Server) answerTokens(w http.ResponseWriter, r *http.Request, g grant) {
	client, known := s.app(g.client)
	user, there := s.user(g.user)
	switch {
	case !known || !there:
		s.fail(w, bad("invalid_grant", 50034, "The user account does not exist in the directory."))
		return
	case user.Disabled:
		s.fail(w, bad("invalid_grant", 50057, "The user account is disabled."))
		return
	}
	seconds := int(s.o.ExpiresIn.Seconds())
	doc := map[string]any{
		"token_type": "Bearer", "scope": g.asked.granted, "expires_in": seconds, "ext_expires_in": seconds,
		"access_token": s.accessToken(r, client, user, g),
	}
	if g.asked.openid {
		doc["id_token"] = s.idToken(r, client, user, g)
	}
	if g.asked.offline {
		g.expires, g.nonce = s.o.Clock.Now().Add(refreshLife), ""
		g.bond, g.ended = codeBond{}, false
		doc["refresh_token"] = s.keep(s.refresh, g)
	}
	if r.PostForm.Get("client_info") == "1" {
		info, _ := json.Marshal(map[string]string{"uid": user.ObjectID, "utid": s.o.Tenant})
		doc["client_info"] = base64.RawURLEncoding.EncodeToString(info)
	}
	w.Header().Set("Cache-Control", "no-store")
	kit.WriteJSON(w, http.StatusOK, doc)
}

// keep remembers a grant under a new, unguessable name.
func (s *Server) keep(in map[string]*grant, g grant) string {
	name := "0.A" + unguessable()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Clock.Now()
	for old, g := range in {
		if now.After(g.expires.Add(24 * time.Hour)) { // until then the answer is "expired", not "unknown"
			delete(in, old)
		}
	}
	in[name] = &g
	return name
}

// times are the claims of a token that is valid from now on.
func (s *Server) times() map[string]any {
	now := s.o.Clock.Now()
	return map[string]any{
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(s.o.ExpiresIn).Unix(), "tid": s.o.Tenant, "uti": unguessable()[:22],
	}
}

// person adds the claims that say who a user is for an application.
func (s *Server) person(claims map[string]any, audience App, u User) {
	claims["sub"] = pairwise(u.ObjectID, audience.ClientID)
	if len(u.Roles) > 0 {
		claims["roles"] = u.Roles
	}
	switch {
	case audience.NoGroups || len(u.Groups) == 0:
	case len(u.Groups) > mostGroups:
		claims["_claim_names"] = map[string]string{"groups": "src1"}
		claims["_claim_sources"] = map[string]any{"src1": map[string]string{
			"endpoint": "https://graph.windows.net/" + s.o.Tenant + "/users/" + u.ObjectID + "/getMemberObjects"}}
	default:
		claims["groups"] = u.Groups
	}
}

// pairwise is the subject of a user, another one for each application.
func pairwise(oid, client string) string {
	sum := sha256.Sum256([]byte(oid + "/" + client))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (s *Server) idToken(r *http.Request, client App, u User, g grant) string {
	claims := s.times()
	claims["iss"], claims["aud"], claims["ver"] = s.issuer(r), client.ClientID, "2.0"
	s.person(claims, client, u)
	if g.asked.profile {
		claims["oid"], claims["name"], claims["preferred_username"] = u.ObjectID, u.Name, u.Username
	}
	if g.asked.email && u.Email != "" {
		claims["email"] = u.Email
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	return s.sign(claims, nil)
}

func (s *Server) accessToken(r *http.Request, client App, u User, g grant) string {
	claims := s.times()
	claims["oid"], claims["name"] = u.ObjectID, u.Name
	kind := "1"
	if client.Public {
		kind = "0"
	}
	if g.asked.resource == graph {
		s.person(claims, App{ClientID: graph, NoGroups: true}, u)
		claims["iss"], claims["aud"], claims["ver"], claims["appid"], claims["appidacr"] = s.base(r)+"/", graph, "1.0", client.ClientID, kind
		claims["upn"], claims["unique_name"], claims["scp"] = u.Username, u.Username, "User.Read email openid profile"
		return s.signForGraph(claims)
	}
	api, _ := s.app(g.asked.resource)
	s.person(claims, api, u)
	claims["iss"], claims["aud"], claims["ver"], claims["azp"], claims["azpacr"] = s.issuer(r), api.ClientID, "2.0", client.ClientID, kind
	claims["preferred_username"], claims["scp"] = u.Username, strings.Join(g.asked.scopes, " ")
	return s.sign(claims, nil)
}

// serviceToken makes and remembers the token of a client that acts for itself.
func (s *Server) serviceToken(r *http.Request, proof string) string {
	service := uuid.NewSHA1(uuid.NameSpaceOID, []byte(s.o.ClientID)).String()
	claims := s.times()
	claims["aud"], claims["iss"], claims["ver"], claims["appid"], claims["appidacr"] = "https://"+r.Host, s.base(r)+"/", "1.0", s.o.ClientID, proof
	claims["idp"], claims["oid"], claims["sub"] = s.base(r)+"/", service, service
	token := s.sign(claims, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Clock.Now()
	for old, expiry := range s.tokens {
		if now.After(expiry) {
			delete(s.tokens, old)
		}
	}
	s.tokens[token] = now.Add(s.o.ExpiresIn)
	return token
}

// ExpireAll ends the life of every token that services have.
func (s *Server) ExpireAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Revoke ends every sign-in of people: their refresh tokens are refused from now on.
// Tokens that they have stay valid until they expire.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.refresh {
		g.ended = true
	}
}

// Valid says whether token was issued here to a service and has not expired.
func (s *Server) Valid(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	expiry, ok := s.tokens[token]
	return ok && s.o.Clock.Now().Before(expiry)
}
