package access

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"causeway.dev/config"
)

// RoleIn is the role that the groups in a token would give under other settings, so that
// nobody saves a change that locks themselves out; false when the groups cannot be read.
// Nobody has verified the token here: it tells its owner what to expect, and opens nothing.
func RoleIn(token string, of config.Access) (Role, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return None, false
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return None, false
	}
	var c claims
	all := map[string]json.RawMessage{}
	if json.Unmarshal(text, &c) != nil || json.Unmarshal(text, &all) != nil {
		return None, false
	}
	groups, err := (&Verifier{access: of}).groups(c, all[of.GroupsClaim])
	if err != nil {
		return None, false
	}
	return roleOf(of.Groups, groups), true
}
