package signin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Kind says who can do something about an error.
type Kind int

const (
	// Refused: the issuer or the person said no.
	Refused Kind = iota + 1
	// NotSignedIn: causeway login helps.
	NotSignedIn
	// Unreachable: the issuer does not answer; trying again may help.
	Unreachable
	// Setting: the configuration or the file of tokens has to be put right.
	Setting
)

// Error says what went wrong and what helps. It holds no token.
type Error struct {
	Kind Kind
	Text string
}

func (e *Error) Error() string { return e.Text }

// KindOf is the kind of an error, 0 for one that is not from here.
func KindOf(err error) Kind {
	if ours, ok := errors.AsType[*Error](err); ok {
		return ours.Kind
	}
	return 0
}

func fail(kind Kind, format string, args ...any) error {
	return &Error{kind, fmt.Sprintf(format, args...)}
}

// silent says why the issuer did not answer as one does.
func (c *Client) silent(err error) error {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad || unknown {
		return fail(Setting, "access.issuer: %s shows a certificate that is not trusted (%s); access.ca_file names more authorities", c.access.Issuer, reason(err))
	}
	if errors.Is(err, context.Canceled) {
		return fail(Refused, "interrupted; nobody was signed in")
	}
	if _, network := errors.AsType[*url.Error](err); network || errors.Is(err, context.DeadlineExceeded) {
		return fail(Unreachable, "cannot reach %s (%s); check access.issuer and the network", c.access.Issuer, reason(err))
	}
	if why := c.refusal(err); why != "" {
		return fail(Refused, "%s refused: %s", c.access.Issuer, why)
	}
	return fail(Unreachable, "%s does not answer like an OpenID Connect issuer (%s); check access.issuer", c.access.Issuer, reason(err))
}

// reason is an error without the address that was asked, whose query may hold a code.
func reason(err error) string {
	if asked, ok := errors.AsType[*url.Error](err); ok {
		return oneLine(asked.Err.Error())
	}
	return oneLine(err.Error())
}

// oneLine is the first line of a text, not too long.
func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	s = strings.TrimRight(strings.TrimSpace(s), ".")
	if runes := []rune(s); len(runes) > 300 {
		return string(runes[:300]) + "…"
	}
	return s
}
