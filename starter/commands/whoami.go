package commands

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newWhoami(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Show who is signed in, and with which role",
		Long: `Show who is signed in on this machine, and the role that this configuration file gives
their groups. A worker decides by its own configuration. It fails when nobody is signed
in, or when the sign-in cannot be renewed.

With -o json: {name, username, subject, groups, role, issuer, expires_at}; without
access in the configuration {self_declared}, the name that requests carry unproved.`,
		Example: "  causeway whoami",
		Args:    exactly("none", 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return whoami(cmd.Context(), e) },
	}
}

func whoami(ctx context.Context, e *env) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	c, err := e.signIn(cfg)
	if err != nil {
		return err
	}
	if c == nil {
		return e.show(struct {
			Name string `json:"self_declared"`
		}{e.by}, func() {
			fmt.Fprintf(e.out, "%s, self-declared: the configuration has no access.issuer, so nobody is asked who they are\n", e.by)
		})
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	who, err := c.Who(ctx)
	if err != nil {
		return signInError(err)
	}
	return e.showPerson(personOf(cfg.Access, who), "")
}
