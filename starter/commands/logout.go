package commands

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newLogout(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "Forget the sign-in on this machine",
		Long: `Remove the kept tokens of this configuration's issuer and application from this
machine. A token that somebody has copied stays good until it ends, and the browser
stays signed in at the issuer: to end those, sign out or revoke the sign-ins there.

With -o json: {was_signed_in}.`,
		Example: "  causeway logout",
		Args:    exactly("none", 0),
		RunE:    func(*cobra.Command, []string) error { return logout(e) },
	}
}

func logout(e *env) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	c, err := e.signIn(cfg)
	if err != nil {
		return err
	}
	was := false
	if c != nil {
		if was, err = c.Forget(); err != nil {
			return signInError(err)
		}
	}
	return e.show(struct {
		Was bool `json:"was_signed_in"`
	}{was}, func() {
		if was {
			fmt.Fprintf(e.out, "Signed out of %s on this machine\n", cfg.Access.Issuer)
		} else {
			fmt.Fprintf(e.out, "Nobody was signed in\n")
		}
	})
}
