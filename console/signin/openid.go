package signin

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"causeway.dev/config"
	"causeway.dev/console/session"
	"causeway.dev/internal/access"
	"causeway.dev/internal/signin"
)

// visitCookie keeps a sign-in that was begun, until the browser comes back.
const visitCookie = "visit"

// visitLasts is how long somebody may take at the issuer.
const visitLasts = 15 * time.Minute

// BackPath is where the issuer sends browsers back to, below the console's address.
const BackPath = Path + "back"

// OpenIDOptions of an OpenID.
type OpenIDOptions struct {
	Base    *url.URL // the console as browsers reach it
	Secret  string   // of the application, where it is not a public one
	Access  map[string]config.Access
	Cookies *session.Cookies
	Now     func() time.Time
}

// OpenID has people sign in at an OpenID Connect issuer. What they may do in an instance is
// what the groups of their token give them there.
type OpenID struct {
	options   OpenIDOptions
	web       *signin.Web
	issuer    string
	verifiers map[string]*access.Verifier // by instance
}

// NewOpenID makes an OpenID of instances that have the same issuer, application and
// audience. It asks the issuer nothing yet.
func NewOpenID(o OpenIDOptions) (*OpenID, error) {
	out := &OpenID{options: o, verifiers: map[string]*access.Verifier{}}
	for _, name := range slices.Sorted(maps.Keys(o.Access)) {
		a := o.Access[name]
		web, err := signin.NewWeb(signin.WebOptions{Access: a, Secret: o.Secret, Redirect: o.Base.JoinPath(BackPath).String(), Now: o.Now})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out.web, out.issuer = web, a.Issuer
		out.verifiers[name] = access.NewVerifier(a, web.HTTP(), o.Now)
	}
	return out, nil
}

// visit is a sign-in that was begun.
type visit struct {
	signin.Visit
	Next string
	Ends time.Time
}

// Handler sends browsers to the issuer, and takes them back. It begins with a GET: the
// pages' policy lets no form lead elsewhere.
func (o *OpenID) Handler(d Desk) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path+"begin", func(w http.ResponseWriter, r *http.Request) { o.begin(w, r, d) })
	mux.HandleFunc("GET "+BackPath, func(w http.ResponseWriter, r *http.Request) { o.back(w, r, d) })
	mux.HandleFunc(Path, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, Path, http.StatusSeeOther) })
	return mux
}

// issuerWithin bounds what a browser waits for the issuer, in all.
const issuerWithin = 20 * time.Second

func (o *OpenID) begin(w http.ResponseWriter, r *http.Request, d Desk) {
	if !strings.EqualFold(r.Host, o.options.Base.Host) { // the cookie has to be there when the browser comes back
		to := o.options.Base.JoinPath(Path, "begin")
		to.RawQuery = r.URL.RawQuery
		http.Redirect(w, r, to.String(), http.StatusSeeOther)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), issuerWithin)
	defer cancel()
	address, begun, err := o.web.Begin(ctx)
	if err == nil {
		err = o.options.Cookies.Write(w, visitCookie, visit{begun, Local(r.URL.Query().Get("next")), o.options.Now().Add(visitLasts)}, visitLasts)
	}
	if err != nil {
		d.Out(w, r, said(err))
		return
	}
	http.Redirect(w, r, address, http.StatusSeeOther)
}

func (o *OpenID) back(w http.ResponseWriter, r *http.Request, d Desk) {
	var v visit
	if !o.options.Cookies.Read(r, visitCookie, &v) || !o.options.Now().Before(v.Ends) {
		v = visit{}
	}
	o.options.Cookies.Remove(w, r, visitCookie) // it is good once
	ctx, cancel := context.WithTimeout(r.Context(), issuerWithin)
	defer cancel()
	got, err := o.web.Finish(ctx, v.Visit, r.URL.Query())
	var who session.Who
	if err == nil {
		who, err = o.who(ctx, got.Token)
	}
	if err != nil {
		d.Out(w, r, said(err))
		return
	}
	d.In(w, r, session.Arrival{Who: who, Tokens: session.Tokens(got)}, v.Next)
}

// who verifies a token, and reads the roles that it gives in each instance.
func (o *OpenID) who(ctx context.Context, token string) (session.Who, error) {
	out := session.Who{Verified: true, Roles: map[string]access.Role{session.AnyInstance: access.None}}
	for name, verifier := range o.verifiers {
		who, err := verifier.Verify(ctx, token)
		if err != nil {
			return out, err
		}
		out.Subject, out.Name, out.Roles[name] = who.Subject, who.Name, who.Role
	}
	return out, nil
}

// Renew gets new tokens and roles.
func (o *OpenID) Renew(ctx context.Context, old session.Tokens) (session.Arrival, error) {
	got, err := o.web.Renew(ctx, signin.Tokens(old))
	if signin.KindOf(err) == signin.NotSignedIn || signin.KindOf(err) == signin.Refused {
		return session.Arrival{}, fmt.Errorf("%w: %w", session.ErrEnded, err)
	} else if err != nil {
		return session.Arrival{}, err
	}
	who, err := o.who(ctx, got.Token)
	return session.Arrival{Who: who, Tokens: session.Tokens(got)}, err
}

// Door leads to the issuer.
func (o *OpenID) Door(next string) Door {
	label := "Sign in with your organisation’s account"
	if strings.HasPrefix(o.issuer, "https://login.microsoftonline.com/") {
		label = "Go on with Microsoft Entra"
	}
	return Door{
		Text: "Use the account of your organisation.", Label: label, Link: Path + "begin?next=" + url.QueryEscape(Local(next)),
		Hint: "You come back here signed in. What you may do depends on your groups.",
	}
}

// said is an error as a sentence for somebody in front of a browser.
func said(err error) string {
	text := strings.NewReplacer("sign in with: causeway login", "sign in again", "sign in again: causeway login", "sign in again", "sign in with causeway login", "sign in again").Replace(err.Error())
	return "You are not signed in: " + text + "."
}
