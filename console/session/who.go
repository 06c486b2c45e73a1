// Package session knows who has signed in to the console, and keeps that in an encrypted
// cookie, so that any copy of the console can answer. The server and the pages use it.
package session

import (
	"strings"

	"causeway.dev/internal/access"
)

// Who is somebody who has signed in.
type Who struct {
	Subject  string                 // that does not change
	Name     string                 // for people
	Roles    map[string]access.Role // by instance; AnyInstance stands for all others
	Verified bool                   // an issuer has said who it is; else they say so themselves
}

// AnyInstance stands in Roles for every instance that is not named there.
const AnyInstance = "*"

// Role is what somebody may do with an instance.
func (w Who) Role(instance string) access.Role {
	if r, named := w.Roles[instance]; named {
		return r
	}
	return w.Roles[AnyInstance]
}

// By is how the operations log names them.
func (w Who) By() string {
	if w.Verified {
		return access.Who{Subject: w.Subject, Name: w.Name}.String()
	}
	return access.SaysToBe(w.Name)
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
