package config

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Hooks takes calls with which Dynamics says that a table has changed, so that flows look at
// once and ask rarely. A call brings no data: a lost or forged one harms nothing.
type Hooks struct {
	// Listen is the host:port at which workers take POST /hooks/dynamics/<table>, such as 0.0.0.0:8443. Without it they take none, and ask as usual.
	Listen string `yaml:"listen,omitempty" jsonschema:"format=host:port"`
	// Certificate is a PEM file with the certificate of that address, those that it is signed with, and its unencrypted private key, as file:path or env:NAME. A new one is taken while the worker runs.
	Certificate Secret `yaml:"certificate,omitempty"`
	// BehindProxy says that a proxy in front of the worker ends TLS, and that nobody else reaches the address. Then there is no certificate.
	BehindProxy bool `yaml:"behind_proxy" jsonschema:"default=false"`
	// ClientCAFile is a PEM file of authorities, one of which must have signed the certificate that a caller shows. Dynamics shows none; a relay or proxy can.
	ClientCAFile string `yaml:"client_ca_file,omitempty"`
	// Secret is what each call must say, as env:NAME or file:path: at least 16 characters. A new one is taken while the worker runs.
	Secret Secret `yaml:"secret,omitempty"`
	// OldSecret is taken as well, while the secret is changed.
	OldSecret Secret `yaml:"old_secret,omitempty"`
	// Header is the header in which a call says the secret (authentication HttpHeader of a webhook).
	Header string `yaml:"header,omitempty" jsonschema:"pattern=^[A-Za-z0-9-]+$,maxLength=64,default=X-Causeway-Secret" want:"letters, digits and hyphens, such as X-Causeway-Secret"`
	// Query is the key in the query string in which a call may say it instead; code is that of authentication WebhookKey.
	Query string `yaml:"query,omitempty" jsonschema:"pattern=^[A-Za-z0-9_-]+$,maxLength=64,default=code" want:"letters, digits, hyphens and underscores, such as code"`
	// Every is the least time between two looks of a flow that calls ask for.
	Every time.Duration `yaml:"every,omitempty" jsonschema:"minimum=100ms,maximum=1m,default=500ms"`
	// Poll is how often a flow asks Dynamics while the last change that it found had been told.
	Poll time.Duration `yaml:"poll,omitempty" jsonschema:"minimum=1s,maximum=10m,default=1m"`
	// Late is how long after a change was found its call may come and still count as having told of it.
	Late time.Duration `yaml:"late,omitempty" jsonschema:"minimum=1s,maximum=5m,default=10s"`
	// Timeout of one call.
	Timeout time.Duration `yaml:"timeout,omitempty" jsonschema:"minimum=1s,maximum=1m,default=10s"`
	// BodyKiB is how large the body of a call may be. It is thrown away. Dynamics sends 256 at most.
	BodyKiB int `yaml:"body_kib,omitempty" jsonschema:"minimum=256,maximum=16384,default=1024"`
	// Connections is how many callers may be connected to a worker at once; others wait.
	Connections int `yaml:"connections,omitempty" jsonschema:"minimum=1,maximum=4096,default=64"`
}

// shortestHookSecret is too long to be guessed.
const shortestHookSecret = 16

// Secrets are those of which a call must say one, as they are now.
func (h Hooks) Secrets() ([]string, error) {
	var out []string
	for name, s := range map[string]Secret{"secret": h.Secret, "old_secret": h.OldSecret} {
		if !s.IsSet() {
			continue
		}
		text, err := s.Resolve()
		if err != nil {
			return nil, fmt.Errorf("hooks.%s: %w", name, err)
		}
		if len(text) < shortestHookSecret {
			return nil, fmt.Errorf("hooks.%s: what %s holds is too short; want %d characters or more, such as those of: openssl rand -hex 32", name, string(s), shortestHookSecret)
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return nil, errors.New("hooks.secret: no secret configured, want env:NAME or file:path")
	}
	return out, nil
}

func (v *validator) hooks(h Hooks) {
	if h.Listen == "" {
		return
	}
	if !h.Secret.IsSet() {
		v.add("hooks.secret", "nothing with hooks.listen", "env:NAME or file:path of what each call must say", "make one with: openssl rand -hex 32")
	}
	host, _, err := net.SplitHostPort(h.Listen)
	if err != nil {
		return
	}
	ip := net.ParseIP(host)
	here := host == "localhost" || ip != nil && ip.IsLoopback()
	switch {
	case h.Certificate.IsSet() && h.BehindProxy:
		v.add("hooks.behind_proxy", "true with a certificate", "one of the two", "remove certificate, or behind_proxy")
	case !h.Certificate.IsSet() && !h.BehindProxy && !here:
		v.add("hooks.certificate", "nothing, with an address that other machines reach", "file:path or env:NAME of a certificate and its key",
			"without TLS the secret can be read on the way; set behind_proxy: true where a proxy ends TLS")
	}
	if h.ClientCAFile != "" && !h.Certificate.IsSet() {
		v.add("hooks.client_ca_file", "a file without hooks.certificate", "none", "whoever ends TLS asks callers for certificates")
	}
}
