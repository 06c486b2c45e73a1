// Package access says who may do what. It has the roles and what each may do, verifies
// the tokens of people who signed in, and makes permits: what a worker gives somebody for
// one request, and what every worker and workflow checks. internal/operator asks for
// permits; the activities of operators grant them; worker/host asks everybody for one.
package access

import (
	"fmt"
	"slices"

	"causeway.dev/config"
)

// Role is what somebody may do. Each includes those before it.
type Role int

const (
	None     Role = iota
	Viewer        // states, counts and lists: no personal data
	Support       // find people, reveal values, release refused records
	Operator      // start, stop, backfill, approve, roll back
	Admin         // settings, mappings, forget
)

func (r Role) String() string {
	return [...]string{"nobody", "viewer", "support", "operator", "admin"}[r]
}

// Roles are those that somebody can have, the least first.
func Roles() []Role { return []Role{Viewer, Support, Operator, Admin} }

// roleOf is the highest role that one of the groups gives.
func roleOf(of config.AccessGroups, groups []string) Role {
	role := None
	for i, byRole := range of.ByRole() {
		if slices.ContainsFunc(byRole.Groups, func(g string) bool { return slices.Contains(groups, g) }) {
			role = Roles()[i]
		}
	}
	return role
}

// Who is somebody whose token was verified.
type Who struct {
	Subject string // as the issuer knows them; it never changes
	Name    string
	Role    Role
}

// String is how the operations log writes somebody whose token was verified. A name that
// somebody says to have never looks like it: see SaysToBe.
func (w Who) String() string {
	if w.Name == "" {
		return "<" + w.Subject + ">"
	}
	return fmt.Sprintf("%s <%s>", w.Name, w.Subject)
}

// May refuses what somebody's role does not allow.
func May(who Who, operation Operation) error {
	switch {
	case who.Role == None:
		return refused("none of your groups has a role here (access.groups), so you may do nothing; %q needs the role %s", operation.Name, operation.Role)
	case who.Role < operation.Role:
		return refused("%q needs the role %s, and your groups give you %s (access.groups)", operation.Name, operation.Role, who.Role)
	}
	return nil
}
