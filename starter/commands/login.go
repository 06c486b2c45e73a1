package commands

import (
	"context"

	"github.com/spf13/cobra"

	"causeway.dev/internal/phrase"
	"causeway.dev/internal/signin"
)

type loginOptions struct{ device, noBrowser bool }

func newLogin(e *env) *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use: "login", Short: "Sign in, so that workers know who asks",
		Long: `Sign in at the issuer that access.issuer of the configuration names, and keep the
tokens in a private file of this account, from which they are renewed. From then on
every request carries who asks.

The address to sign in at is printed, and opened where there is a browser. The issuer
sends the browser back to a port of this machine. On a machine without a browser, use
--device: it prints a code to type at any other one.

With -o json: {name, username, subject, groups, role, issuer, expires_at}. role is the
highest that the groups have by this configuration file.`,
		Example: "  causeway login\n  causeway login --device",
		Args:    exactly("none", 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return login(cmd.Context(), e, o) },
	}
	cmd.Flags().BoolVar(&o.device, "device", false, "sign in by a code that is typed at another machine")
	cmd.Flags().BoolVar(&o.noBrowser, "no-browser", false, "print the address and open nothing")
	cmd.MarkFlagsMutuallyExclusive("device", "no-browser")
	return cmd
}

func login(ctx context.Context, e *env, o loginOptions) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	c, err := e.signIn(cfg)
	if err != nil {
		return err
	}
	if c == nil {
		return badInput("access.issuer: got nothing, want an issuer to sign in at; without one nobody is asked who they are")
	}
	var who signin.Who
	if o.device {
		who, err = c.Device(ctx, func(code signin.Code) {
			e.say("Open %s in a browser and enter the code %s\nThe code ends %s, Ctrl-C ends it sooner", code.Address, code.Code, phrase.Until(e.now(), code.Until))
		})
	} else {
		who, err = c.Browser(ctx, func(address string) {
			e.say("Sign in at this address:\n\n%s\n\nWaiting for the browser, Ctrl-C ends it", address)
			if !o.noBrowser && e.open != nil {
				e.open(address)
			}
		})
	}
	if err != nil {
		return signInError(err)
	}
	return e.showPerson(personOf(cfg.Access, who), "Signed in as ")
}
