// Package session knows who has signed in to the console, and keeps that in an encrypted
// cookie, so that any copy of the console can answer. The server and the pages use it.
package session

import "strings"

// Role is what somebody may do with an instance. Each includes those before it.
type Role int

const (
	Nobody   Role = iota // sees nothing of the instance
	Viewer               // sees states, counts and lists, and no personal data
	Support              // finds people, reveals values, releases refused records
	Operator             // starts, stops, approves, rolls back
	Admin                // changes settings and mappings
)

var roleNames = [...]string{"nobody", "viewer", "support", "operator", "admin"}

func (r Role) String() string { return roleNames[r] }

// Who is somebody who has signed in.
type Who struct {
	Subject  string          // that does not change
	Name     string          // for people, and for the operations log
	Roles    map[string]Role // by instance; AnyInstance stands for all others
	Verified bool            // an issuer has said who it is; else they say so themselves
}

// AnyInstance stands in Roles for every instance that is not named there.
const AnyInstance = "*"

// Role is what somebody may do with an instance.
func (w Who) Role(instance string) Role {
	if r, named := w.Roles[instance]; named {
		return r
	}
	return w.Roles[AnyInstance]
}

// Initials are at most two letters of the name.
func (w Who) Initials() string {
	out := ""
	for _, part := range strings.Fields(w.Name) {
		if r := []rune(part); len([]rune(out)) < 2 {
			out += strings.ToUpper(string(r[0]))
		}
	}
	return out
}
