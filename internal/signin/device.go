package signin

import (
	"context"
	"errors"
	"time"

	"golang.org/x/oauth2"
)

// Code is what a person types at another device.
type Code struct {
	Address string    `json:"address"` // to open in any browser
	Code    string    `json:"code"`
	Until   time.Time `json:"expires_at"`
}

// Device signs in through a browser on any machine: show gets the code to type there. It
// waits until the code expires. Fails with *Error.
func (c *Client) Device(ctx context.Context, show func(Code)) (Who, error) {
	ctx = c.asking(ctx)
	issuer, err := c.discover(ctx)
	if err != nil {
		return Who{}, err
	}
	oauth := c.oauth(issuer, "")
	if oauth.Endpoint.DeviceAuthURL == "" {
		return Who{}, fail(Refused, "%s signs nobody in by a code; run causeway login on a machine with a browser", c.access.Issuer)
	}
	begun, err := oauth.DeviceAuth(ctx)
	if err != nil {
		return Who{}, c.silent(err)
	}
	show(Code{begun.VerificationURI, begun.UserCode, begun.Expiry.UTC()})
	answer, err := oauth.DeviceAccessToken(ctx, begun)
	if err != nil {
		return Who{}, c.undecided(ctx, err)
	}
	kept, err := c.accept(ctx, issuer, answer, "")
	return kept.Who, err
}

// undecided says why no token came of a code. Entra ID has words of its own for some.
func (c *Client) undecided(ctx context.Context, err error) error {
	answer, told := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case ctx.Err() != nil:
		return fail(Refused, "interrupted; nobody was signed in")
	case told && (answer.ErrorCode == "access_denied" || answer.ErrorCode == "authorization_declined"):
		return fail(Refused, "the sign-in was declined at %s", c.access.Issuer)
	case told && answer.ErrorCode == "expired_token", errors.Is(err, context.DeadlineExceeded):
		return fail(Refused, "the code expired before anybody signed in with it; run causeway login --device again")
	}
	return c.silent(err)
}
