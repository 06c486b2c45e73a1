package entra

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	codeLife = 10 * time.Minute
	pageLife = 15 * time.Minute
)

// visit is a page on which somebody is to pick a user, for a client that waits for a
// redirect, or for a device.
type visit struct {
	client   App
	asked    asked
	nonce    string
	mode     string // of the redirect: query, fragment or form_post
	state    string
	hint     string
	bond     codeBond
	device   string // device code; "" for a redirect
	deadline time.Time
}

// codeBond is what a code can only be redeemed with.
type codeBond struct{ redirect, challenge, method string }

// fits says whether a verifier is the one that the challenge was made of.
func (b codeBond) fits(verifier string) bool {
	if b.challenge == "" || b.method == "plain" {
		return b.challenge == verifier
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(b.challenge)) == 1
}

// authorize begins a sign-in. What is wrong before it is known where to answer is told on
// a page, everything else to the client.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, bad("invalid_request", 900144, "The request cannot be read."))
		return
	}
	f := r.Form
	id := f.Get("client_id")
	client, known := s.app(id)
	to := f.Get("redirect_uri")
	switch {
	case id == "":
		s.errorPage(w, missing("client_id"))
		return
	case !known:
		s.errorPage(w, s.unknownApp(id))
		return
	case len(client.RedirectURIs) == 0:
		s.errorPage(w, bad("invalid_client", 500113, "No reply address is registered for the application."))
		return
	case to == "":
		to = client.RedirectURIs[0]
	case !client.redirects(to):
		s.errorPage(w, bad("invalid_client", 50011, "The redirect URI '"+to+"' specified in the request does not match the redirect URIs configured for the application '"+id+
			"'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal."))
		return
	}
	v := visit{
		client: client, nonce: f.Get("nonce"), mode: f.Get("response_mode"), state: f.Get("state"), hint: f.Get("login_hint"),
		bond:     codeBond{redirect: to, challenge: f.Get("code_challenge"), method: f.Get("code_challenge_method")},
		deadline: s.o.Clock.Now().Add(pageLife),
	}
	if fail := s.checkVisit(&v, f); fail != nil {
		s.redirectFailure(w, r, v, fail)
		return
	}
	s.pickPage(w, r, s.open(v), v)
}

// verifiers and challenges have this form.
var proof = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// checkVisit reads the rest of the request, of which the client is told.
func (s *Server) checkVisit(v *visit, f url.Values) (fail *problem) {
	if v.bond.challenge != "" && v.bond.method == "" {
		v.bond.method = "plain"
	}
	switch v.mode {
	case "", "query", "fragment", "form_post":
	default:
		v.mode = ""
		return bad("invalid_request", 70007, "The value '"+f.Get("response_mode")+"' is not a supported response_mode.")
	}
	switch kind := f.Get("response_type"); {
	case kind == "":
		return missing("response_type")
	case kind == "id_token" || kind == "code id_token":
		return bad("unsupported_response_type", 700054, "response_type 'id_token' is not enabled for the application.")
	case kind == "token" || kind == "id_token token":
		return bad("unsupported_response_type", 700051, "response_type 'token' is not enabled for the application.")
	case kind != "code":
		return bad("unsupported_response_type", 70005, "The value of the input parameter 'response_type' is not supported.")
	}
	if v.asked, fail = s.scopes(v.client, f.Get("scope")); fail != nil {
		return fail
	}
	switch {
	case v.bond.challenge != "" && v.bond.method != "S256" && v.bond.method != "plain":
		return bad("invalid_request", 50149, "Invalid Code_Challenge_method parameter.")
	case v.bond.challenge != "" && !proof.MatchString(v.bond.challenge):
		return bad("invalid_request", 501491, "Invalid size of Code_Challenge parameter.")
	case v.bond.challenge == "" && v.bond.method != "":
		return bad("invalid_request", 50147, "The size of the Code_Challenge parameter is not valid.")
	case f.Get("prompt") == "none":
		return bad("login_required", 50058, "A silent sign-in request was sent but no user is signed in.")
	}
	return nil
}

// open remembers a visit and returns the name under which its form comes back.
func (s *Server) open(v visit) string {
	name := unguessable()
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, v := range s.pending {
		if s.o.Clock.Now().After(v.deadline) {
			delete(s.pending, old)
		}
	}
	s.pending[name] = &v
	return name
}

// login takes the form of the page: who was picked, or that nobody was.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	_ = r.ParseForm() // what cannot be read is missing
	name := r.PostForm.Get("ctx")
	s.mu.Lock()
	v, known := s.pending[name]
	s.mu.Unlock()
	if !known || s.o.Clock.Now().After(v.deadline) {
		s.errorPage(w, bad("invalid_request", 50089, "Authentication failed due to flow token expired. Go back to the application and sign in again."))
		return
	}
	user, there := s.user(r.PostForm.Get("user"))
	cancelled := r.PostForm.Get("action") == "cancel"
	switch {
	case cancelled:
	case !there:
		s.errorPage(w, bad("invalid_request", 50034, "The user account does not exist in the directory. Pick one of the list."))
		return
	case user.Disabled:
		s.errorPage(w, bad("invalid_request", 50057, "The user account is disabled."))
		return
	}
	s.mu.Lock()
	delete(s.pending, name)
	s.mu.Unlock()
	switch {
	case v.device != "":
		s.decideDevice(w, v, user, cancelled)
	case cancelled:
		s.redirectFailure(w, r, *v, bad("access_denied", 65004, "User declined to consent to access the app."))
	default:
		g := grant{client: v.client.ClientID, user: user.ObjectID, asked: v.asked, nonce: v.nonce, bond: v.bond, expires: s.o.Clock.Now().Add(codeLife)}
		s.redirect(w, r, *v, url.Values{"code": {s.keep(s.codes, g)}, "session_state": {uuid.NewString()}})
	}
}

func (s *Server) redirectFailure(w http.ResponseWriter, r *http.Request, v visit, p *problem) {
	s.redirect(w, r, v, url.Values{"error": {p.code}, "error_description": {fmt.Sprintf("AADSTS%d: %s", p.number, p.text)}})
}

// redirect answers the client through the browser, the way it asked for.
func (s *Server) redirect(w http.ResponseWriter, r *http.Request, v visit, answer url.Values) {
	if v.state != "" {
		answer.Set("state", v.state)
	}
	w.Header().Set("Cache-Control", "no-store")
	switch v.mode {
	case "form_post":
		s.page(w, http.StatusOK, "post", map[string]any{"To": v.bond.redirect, "Fields": answer})
	case "fragment":
		http.Redirect(w, r, v.bond.redirect+"#"+answer.Encode(), http.StatusFound)
	default:
		join := "?"
		if strings.Contains(v.bond.redirect, "?") {
			join = "&"
		}
		http.Redirect(w, r, v.bond.redirect+join+answer.Encode(), http.StatusFound)
	}
}

// logout ends nothing, because no session is kept: it goes back to the application.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	to := r.FormValue("post_logout_redirect_uri")
	client, known := s.app(r.FormValue("client_id"))
	if known && to != "" && client.redirects(to) {
		http.Redirect(w, r, to, http.StatusFound)
		return
	}
	s.page(w, http.StatusOK, "said", said{"Signed out", "You signed out of your account. It's a good idea to close all browser windows."})
}
