package stack

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const shutdownTimeout = 5 * time.Second

// listeners are the open ports. sftp is nil without an SFTP server.
type listeners struct{ dynamics, campaign, admin, sftp net.Listener }

// listenAll opens all ports, or none if one fails.
func listenAll(o Options) (listeners, error) {
	var l listeners
	for _, want := range []struct {
		into *net.Listener
		host string
		port int
		flag string
	}{
		{&l.dynamics, o.Host, o.DynamicsPort, "--dynamics-port"},
		{&l.campaign, o.Host, o.CampaignPort, "--campaign-port"},
		{&l.admin, o.AdminHost, o.AdminPort, "--admin-port"},
		{&l.sftp, o.Host, o.SFTPPort, "--sftp-port"},
	} {
		if o.NoSFTP && want.into == &l.sftp {
			continue
		}
		got, err := listen(want.host, want.port, want.flag)
		if err != nil {
			return l, errors.Join(err, l.close())
		}
		*want.into = got
	}
	return l, nil
}

func listen(host string, port int, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d on %s is in use; stop the other program or choose another port with %s", port, host, flag)
	case err != nil:
		return nil, fmt.Errorf("port %d on %s cannot be used (%w); choose another port with %s", port, host, err, flag)
	}
	return l, nil
}

func (l listeners) close() error {
	var errs []error
	for _, one := range []net.Listener{l.dynamics, l.campaign, l.admin, l.sftp} {
		if one != nil {
			errs = append(errs, one.Close())
		}
	}
	return errors.Join(errs...)
}

// address is the host name that clients use, with the port of a listener.
func address(name string, l net.Listener) string {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return l.Addr().String()
	}
	return net.JoinHostPort(name, port)
}

// byPath sends requests for two services on one port to the right one.
func byPath(prefix string, behind, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix) {
			behind.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

// serve runs a server until shutdown. It does not log connections that clients
// reset.
func (s *Stack) serve(l net.Listener, config *tls.Config, h http.Handler) {
	server := &http.Server{
		Handler: h, TLSConfig: config.Clone(), // a server writes to it
		ErrorLog:          log.New(io.Discard, "", 0),
		ReadHeaderTimeout: 30 * time.Second, ReadTimeout: 2 * time.Minute, IdleTimeout: 5 * time.Minute,
	}
	s.servers = append(s.servers, server)
	go func() {
		if config == nil {
			_ = server.Serve(l)
			return
		}
		_ = server.ServeTLS(l, "", "")
	}()
}

// shutdown stops the servers. Requests in progress get a while to end.
func (s *Stack) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	var errs []error
	for _, server := range s.servers {
		if err := server.Shutdown(ctx); err != nil {
			errs = append(errs, server.Close())
		}
	}
	return errors.Join(errs...)
}
