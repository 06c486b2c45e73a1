package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"causeway.dev/internal/access"

	"causeway.dev/config"
	"causeway.dev/console/pages"
	"causeway.dev/console/session"
	"causeway.dev/console/signin"
	"causeway.dev/internal/operator"
)

// Config is the configuration of one instance, and the file that it was read from.
type Config struct {
	File   string
	Config *config.Config
}

// ServeOptions are how a console is served. Where the configurations have access, people sign
// in at their issuer; else the console is for this machine, and they sign in by a link.
type ServeOptions struct {
	Configs             []Config
	Listen              string // host:port; the host is this machine's
	Published           bool   // Listen is inside a container, and published on its machine alone
	MetricsListen       string // host:port that Prometheus reads; "" = none
	URL                 string // as browsers reach it; "" = http://localhost and the port
	CookieKey           string // secret that the keys of cookies come from; "" = keys of this process
	ClientSecret        string // of the application that people sign in to; "" = it is a public one
	HostPort, Namespace string // of Temporal, above the configurations; "" = theirs
	By                  string // who asks for what nobody is signed in for, and whom the link signs in
	Lasts, LinkLasts    time.Duration
	Dial                func(context.Context, operator.Address) (operator.Temporal, error)
	Tell                func(line string) // a line for who started it
}

const (
	maxBody       = 1 << 20  // the form of a mapping with hundreds of pairs
	maxHeaders    = 48 << 10 // a session with its tokens is some 10 kB of cookies
	shutdownGrace = 5 * time.Second
)

// ErrListen is the failure to listen where that was asked for.
var ErrListen = errors.New("cannot listen")

// Server is a console that listens.
type Server struct {
	console  *Console
	link     *signin.Link // nil: people sign in at an issuer
	base     *url.URL
	listener net.Listener
	server   *http.Server
	meter    *meter // nil: nobody counts
}

// Listen makes a console and listens. Serve answers, and Close ends what Serve does not run.
func Listen(ctx context.Context, o ServeOptions) (*Server, error) {
	at, err := o.reach()
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w; choose another port", ErrListen, o.Listen, err)
	}
	s := &Server{listener: listener, base: at.base}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	if s.base == nil {
		s.base = &url.URL{Scheme: "http", Host: at.host + ":" + port}
	}
	if err := s.make(o, port); err != nil {
		_ = listener.Close()
		return nil, err
	}
	if s.meter, err = newMeter(ctx, o.MetricsListen, o.Configs); err != nil {
		_ = s.Close()
		return nil, err
	}
	s.server = &http.Server{
		Handler: s.meter.counted(http.MaxBytesHandler(s.console, maxBody)), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeaders,
	}
	return s, nil
}

// make makes the console behind the listener.
func (s *Server) make(o ServeOptions, port string) (err error) {
	options := Options{Lasts: o.Lasts, LocalOnly: isLocal(s.base.Host)}
	if !options.LocalOnly {
		options.Host = s.base.Host
	}
	if options.Cookies, err = session.NewCookies(o.CookieKey, "_"+port, s.base.Scheme == "https"); err != nil {
		return fmt.Errorf("the key of the cookies: %w", err)
	}
	for _, c := range o.Configs {
		address := operator.Address{File: c.Config.Temporal, HostPort: o.HostPort, Namespace: o.Namespace, By: o.By}
		options.Instances = append(options.Instances, &pages.Instance{Config: c.Config, File: c.File, Dial: func(ctx context.Context) (operator.Temporal, error) { return o.Dial(ctx, address) }})
	}
	if o.signsIn() {
		by := map[string]config.Access{}
		for _, c := range o.Configs {
			by[c.Config.Instance] = c.Config.Access
		}
		options.SignIn, err = signin.NewOpenID(signin.OpenIDOptions{Base: s.base, Secret: o.ClientSecret, Access: by, Cookies: options.Cookies, Now: time.Now})
	} else {
		who := session.Who{Subject: "local:" + o.By, Name: o.By, Roles: map[string]access.Role{session.AnyInstance: access.Admin}}
		s.link = signin.NewLink(who, o.LinkLasts, time.Now, func(path string) { o.Tell("Sign in: " + s.URL() + path) })
		options.SignIn = s.link
	}
	if err == nil {
		s.console, err = New(options)
	}
	return err
}

// URL is the console's address as browsers reach it.
func (s *Server) URL() string { return s.base.String() }

// Link makes a link to sign in by; where people sign in at an issuer it is the address.
func (s *Server) Link() string {
	if s.link == nil {
		return s.URL() + "/"
	}
	return s.URL() + s.link.New()
}

// MetricsURL is where Prometheus reads; "" where nobody counts.
func (s *Server) MetricsURL() string {
	if s.meter == nil {
		return ""
	}
	return "http://" + s.meter.listener.Addr().String() + "/metrics"
}

// SignsIn says that people sign in at an issuer, and not by a link.
func (s *Server) SignsIn() bool { return s.link == nil }

// ServeHTTP answers one request, as Serve does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.server.Handler.ServeHTTP(w, r) }

// Close ends a console that Serve does not run.
func (s *Server) Close() error {
	s.console.Close()
	return errors.Join(s.listener.Close(), s.meter.close())
}

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	defer s.console.Close()
	defer func() { _ = s.meter.close() }()
	failed := make(chan error, 1)
	go func() { failed <- s.server.Serve(s.listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if s.server.Shutdown(ending) != nil {
		_ = s.server.Close() // an answer takes too long
	}
	return nil
}
