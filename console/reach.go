package console

import (
	"fmt"
	"net"
	"net/url"

	"causeway.dev/config"
)

// reached is how browsers come to a console.
type reached struct {
	base *url.URL // nil: at a port of this machine
	host string   // that they use then
}

// signsIn says that people sign in at an issuer.
func (o ServeOptions) signsIn() bool {
	return len(o.Configs) > 0 && o.Configs[0].Config.Access.Configured()
}

// reach checks who could come to the console, and how.
func (o ServeOptions) reach() (reached, error) {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return reached{}, fmt.Errorf("%w at %q: want a host and a port, such as 127.0.0.1:8280", ErrListen, o.Listen)
	}
	if err := o.sameAccess(); err != nil {
		return reached{}, err
	}
	if !o.signsIn() {
		switch {
		case o.URL != "":
			return reached{}, fmt.Errorf("%w as %s: no configuration has access.issuer, so people sign in by a link that is printed here, and the console is for this machine alone", ErrListen, o.URL)
		case !isLocal(host) && !o.Published:
			return reached{}, fmt.Errorf("%w at %s: people sign in by a link that is printed here, so the console is for this machine alone; listen at 127.0.0.1, or set access.issuer", ErrListen, o.Listen)
		}
		return reached{host: "127.0.0.1"}, nil
	}
	if o.URL == "" {
		if !isLocal(host) && !o.Published {
			return reached{}, fmt.Errorf("%w at %s: say as what browsers reach it, such as --url https://causeway.example.com", ErrListen, o.Listen)
		}
		return reached{host: "localhost"}, nil
	}
	base, err := url.Parse(o.URL)
	switch {
	case err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || base.Path != "" && base.Path != "/":
		return reached{}, fmt.Errorf("the address of the console: got %q, want one such as https://causeway.example.com, without a path", o.URL)
	case base.Scheme != "https" && (base.Scheme != "http" || !isLocal(base.Host)):
		return reached{}, fmt.Errorf("the address of the console: got %q, want https: who reads what is sent could act as whoever is signed in", o.URL)
	}
	base.Path = ""
	return reached{base: base}, nil
}

// sameAccess refuses instances that people would have to sign in to differently: there is
// one sign-in, and it has to say of each instance who may do what.
func (o ServeOptions) sameAccess() error {
	at := func(a config.Access) string { return a.Issuer + "\n" + a.ClientID + "\n" + a.TokenAudience() }
	for _, c := range o.Configs[min(1, len(o.Configs)):] {
		first, a := o.Configs[0], c.Config.Access
		switch {
		case a.Configured() != first.Config.Access.Configured():
			return fmt.Errorf("%s and %s: one has access.issuer, and the other lets in everybody; give both the same access, or serve them by a console each", first.File, c.File)
		case at(a) != at(first.Config.Access):
			return fmt.Errorf("%s and %s: access.issuer, access.client_id and access.audience differ, and people sign in once; serve them by a console each", first.File, c.File)
		}
	}
	return nil
}
