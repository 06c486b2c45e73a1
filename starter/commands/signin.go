package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/internal/signin"
)

// signIn is the sign-in of a configuration; nil where nobody signs in. Its Token is what
// every request to a worker carries.
func (e *env) signIn(cfg *config.Config) (*signin.Client, error) {
	c, err := signin.New(signin.Options{Access: cfg.Access, Folder: e.tokens, Now: e.now})
	return c, signInError(err)
}

// keptToken is the token of whoever is signed in on this machine.
func keptToken(ctx context.Context, cfg *config.Config) (string, error) {
	c, err := signin.New(signin.Options{Access: cfg.Access})
	if err != nil {
		return "", signInError(err)
	}
	token, err := c.Token(ctx)
	return token, signInError(err)
}

// signInError turns an error of the sign-in into one of ours.
func signInError(err error) error {
	kinds := map[signin.Kind]operator.Kind{
		signin.Refused: operator.Failed, signin.NotSignedIn: operator.BadInput, signin.Unreachable: operator.Unreachable, signin.Setting: operator.BadInput,
	}
	if ours, ok := errors.AsType[*signin.Error](err); ok {
		return &operator.Error{Kind: kinds[ours.Kind], Text: ours.Text}
	}
	return err
}

// person is who is signed in, as the commands show it.
type person struct {
	signin.Who
	Issuer string `json:"issuer"`
	Role   string `json:"role,omitempty"` // the highest, "" for none
}

// personOf finds the role that the configuration gives somebody's groups. A worker decides
// by the configuration that it runs with.
func personOf(a config.Access, who signin.Who) person {
	p := person{Who: who, Issuer: a.Issuer}
	for _, role := range a.Groups.ByRole() {
		if slices.ContainsFunc(role.Groups, func(g string) bool { return slices.Contains(who.Groups, g) }) {
			p.Role = role.Role
		}
	}
	return p
}

// text says who somebody is in one line.
func (p person) text() string {
	name := p.Name
	switch {
	case name == "" && p.Username == "":
		name = p.Subject
	case name == "":
		name = p.Username
	case p.Username != "":
		name += " (" + p.Username + ")"
	}
	if p.Role == "" {
		return name + ", in no group that has a role here"
	}
	return name + ", " + p.Role
}

// showPerson prints who somebody is; head comes before the name.
func (e *env) showPerson(p person, head string) error {
	return e.show(p, func() {
		fmt.Fprintf(e.out, "%s%s\n", head, p.text())
		fmt.Fprintf(e.out, "at %s; the token ends %s and is renewed\n", p.Issuer, phrase.Until(e.now(), p.Until))
	})
}
