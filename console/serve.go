package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

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

// ServeOptions are how a console is served to people on this machine, who sign in by a link.
type ServeOptions struct {
	Configs             []Config
	Listen              string // host:port; the host is this machine's
	Published           bool   // Listen is inside a container, and published on its machine alone
	HostPort, Namespace string // of Temporal, above the configurations; "" = theirs
	By                  string // whom the link signs in
	Lasts, LinkLasts    time.Duration
	Dial                func(context.Context, operator.Address) (operator.Temporal, error)
	Tell                func(line string) // a line for who started it
}

const (
	maxBody       = 64 << 10
	shutdownGrace = 5 * time.Second
)

// ErrListen is the failure to listen where that was asked for.
var ErrListen = errors.New("cannot listen")

// Server is a console that listens.
type Server struct {
	console  *Console
	link     *signin.Link
	listener net.Listener
	server   *http.Server
}

// Listen makes a console and listens. Serve answers, and Close ends what Serve does not run.
func Listen(ctx context.Context, o ServeOptions) (*Server, error) {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w at %q: want a host and a port, such as 127.0.0.1:8280", ErrListen, o.Listen)
	}
	if !isLocal(host) && !o.Published {
		return nil, fmt.Errorf("%w at %s: people sign in by a link that is printed here, so the console is for this machine alone; listen at 127.0.0.1", ErrListen, o.Listen)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w; choose another port", ErrListen, o.Listen, err)
	}
	s := &Server{listener: listener}
	who := session.Who{Subject: "local:" + o.By, Name: o.By, Roles: map[string]session.Role{session.AnyInstance: session.Admin}}
	s.link = signin.NewLink(who, o.LinkLasts, time.Now, func(path string) { o.Tell("Sign in: " + s.base() + path) })
	var instances []*pages.Instance
	for _, c := range o.Configs {
		address := operator.Address{File: c.Config.Temporal, HostPort: o.HostPort, Namespace: o.Namespace, By: o.By}
		instances = append(instances, &pages.Instance{Config: c.Config, File: c.File, Dial: func(ctx context.Context) (operator.Temporal, error) { return o.Dial(ctx, address) }})
	}
	s.console, err = New(Options{Instances: instances, SignIn: s.link, Lasts: o.Lasts, LocalOnly: true})
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	s.server = &http.Server{
		Handler: http.MaxBytesHandler(s.console, maxBody), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
	}
	return s, nil
}

// base is the address as people on this machine type it.
func (s *Server) base() string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return "http://127.0.0.1:" + port
}

// Link makes a link to sign in by.
func (s *Server) Link() string { return s.base() + s.link.New() }

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	defer s.console.Close()
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
