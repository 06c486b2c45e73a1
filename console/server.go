// Package console is the web console of Causeway, a face of internal/operator like the
// command line: it adds presentation, sign-in and roles, and no rule of the sync. The
// starter and the devstack serve it. It keeps nothing: what must be kept goes to the ledger
// through a worker.
package console

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"causeway.dev/internal/access"

	"causeway.dev/console/pages"
	"causeway.dev/console/session"
	"causeway.dev/console/signin"
	"causeway.dev/console/static"
)

// Options of a console.
type Options struct {
	Instances []*pages.Instance
	SignIn    signin.SignIn
	Lasts     time.Duration    // a session; 0: 8 hours
	Cookies   *session.Cookies // nil: with keys of this process
	// LocalOnly refuses requests that name another host than this machine: a page from
	// elsewhere could have its name lead here.
	LocalOnly bool
	// Host is the only one that it answers requests for, where it is not LocalOnly; "": any.
	Host string
	Now  func() time.Time // nil: the clock's
}

// Console is the handler of all its pages.
type Console struct {
	http.Handler
	options  Options
	pages    *pages.Pages
	sessions *session.Sessions
}

// New makes a console. Close ends its connections.
func New(o Options) (*Console, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Lasts == 0 {
		o.Lasts = 8 * time.Hour
	}
	var err error
	if o.Cookies == nil {
		if o.Cookies, err = session.NewCookies("", "", false); err != nil {
			return nil, err
		}
	}
	c := &Console{options: o, sessions: session.New(session.Options{Lasts: o.Lasts, Cookies: o.Cookies, Now: o.Now, Renew: o.SignIn.Renew})}
	if c.pages, err = pages.New(o.Instances, c.sessions, o.Now); err != nil {
		return nil, err
	}
	c.Handler = c.local(secure(http.NewCrossOriginProtection().Handler(c.sessions.Attach(c.routes()))))
	return c, nil
}

// Close ends the connections to Temporal.
func (c *Console) Close() { c.pages.Close() }

func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+static.Path, static.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /{$}", c.start)
	mux.HandleFunc("GET "+signin.Path+"{$}", c.door)
	mux.Handle(signin.Path, c.options.SignIn.Handler(signin.Desk{In: c.in, Out: c.out}))
	mux.HandleFunc("POST /sign-out", func(w http.ResponseWriter, r *http.Request) {
		c.sessions.End(w, r)
		http.Redirect(w, r, signin.Path+"?out=1", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /theme", func(w http.ResponseWriter, r *http.Request) {
		pages.SetTheme(w, r.PostFormValue("theme"), c.options.Cookies.Secure)
		http.Redirect(w, r, signin.Local(r.PostFormValue("back")), http.StatusSeeOther)
	})
	for _, route := range c.pages.Routes() {
		mux.HandleFunc(route.Method+" "+pages.Prefix+route.Path, c.guard(route))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if session.Of(r) == nil {
			c.sendToDoor(w, r)
			return
		}
		c.pages.Refuse(w, r, http.StatusNotFound, "There is no such page", "The address leads nowhere", "What you look for may have moved.")
	})
	return mux
}

// guard lets a request through to a page: by somebody who is signed in, has the role, and
// has acknowledged what there is to acknowledge.
func (c *Console) guard(route pages.Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who := session.Of(r)
		if who == nil {
			c.sendToDoor(w, r)
			return
		}
		role := who.Who.Role(r.PathValue("instance"))
		switch { // who has no role in an instance learns nothing of it, not even whether it is there
		case !c.pages.Has(r.PathValue("instance")) || role == access.None:
			c.pages.Refuse(w, r, http.StatusNotFound, "There is no such instance", "It is not shown here, or you have no role in it", "Somebody who administers it can give you one.")
			return
		case role < route.Role:
			c.pages.Refuse(w, r, http.StatusForbidden, "Not for your role", "You are "+role.String()+" of "+r.PathValue("instance")+", and this needs the role "+route.Role.String(), "Somebody who administers it can give you that.")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), route.Within())
		defer cancel()
		r = r.WithContext(ctx)
		if route.Before || c.pages.Acknowledged(w, r) {
			route.Handle(w, r)
		}
	}
}

// start leads to the first instance that somebody has a role in.
func (c *Console) start(w http.ResponseWriter, r *http.Request) {
	who := session.Of(r)
	if who == nil {
		c.sendToDoor(w, r)
		return
	}
	visible := c.pages.Visible(who.Who)
	if len(visible) == 0 {
		c.pages.Refuse(w, r, http.StatusForbidden, "You have no role here", "None of the instances of this console is open to you", "Somebody who administers one can give you a role.")
		return
	}
	http.Redirect(w, r, "/i/"+url.PathEscape(visible[0])+"/", http.StatusSeeOther)
}

// sendToDoor leads to the page for people who are not signed in. A part of a page that is
// there already is not replaced by it.
func (c *Console) sendToDoor(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("HX-Request") == "true" {
		http.Error(w, "the session has ended; sign in again", http.StatusUnauthorized)
		return
	}
	to := signin.Path
	if r.Method == http.MethodGet && r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(r.URL.Path)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// in begins a session for somebody who has shown who they are.
func (c *Console) in(w http.ResponseWriter, r *http.Request, a session.Arrival, next string) {
	if err := c.sessions.Begin(w, r, a); err != nil {
		c.pages.Refuse(w, r, http.StatusInternalServerError, "You are not signed in", "The session cannot be kept", "Try again.")
		return
	}
	http.Redirect(w, r, signin.Local(next), http.StatusSeeOther)
}

// out says why nobody was let in.
func (c *Console) out(w http.ResponseWriter, r *http.Request, why string) {
	c.pages.Door(w, r, http.StatusForbidden, pages.DoorView{Title: "Sign in", Text: about, Door: c.options.SignIn.Door("/"), Notes: []string{why}})
}

const about = "Dynamics 365 and Campaign in step."

// door is the page for people who are not signed in.
func (c *Console) door(w http.ResponseWriter, r *http.Request) {
	view := pages.DoorView{Title: "Sign in", Text: about, Door: c.options.SignIn.Door(r.URL.Query().Get("next"))}
	q := r.URL.Query()
	for _, told := range []struct{ query, text string }{
		{"used", "That link was used already, or is too old. Ask for another."},
		{"printed", "A link was printed where the console was started. If none was, the last ones are still good."},
		{"out", "You are signed out."},
	} {
		if q.Get(told.query) != "" {
			view.Notes = append(view.Notes, told.text)
		}
	}
	c.pages.Door(w, r, http.StatusOK, view)
}

// local refuses a request for a name that is not this machine's.
func (c *Console) local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.options.LocalOnly && !isLocal(r.Host) {
			http.Error(w, "this console answers on this machine only: open it as http://127.0.0.1 or http://localhost", http.StatusMisdirectedRequest)
			return
		}
		if c.options.Host != "" && !strings.EqualFold(r.Host, c.options.Host) && r.URL.Path != "/healthz" {
			http.Error(w, "this console is reached as "+c.options.Host, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLocal says whether a host, with or without a port, is this machine.
func isLocal(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// secure sends what browsers are to keep to. Everything comes from the console itself, and
// no page of it is kept or framed.
func secure(next http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // without one, older browsers send no origin either
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
