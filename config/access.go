package config

import (
	"fmt"
	"slices"
	"time"
)

// Access says who may do what: people sign in at an OpenID Connect issuer, and the
// groups that their tokens name give them roles. Without issuer, names are what the
// asker says they are, and everybody may do everything.
type Access struct {
	// Issuer is the OpenID Connect issuer that people sign in at, exactly as its tokens name it.
	Issuer string `yaml:"issuer,omitempty" jsonschema:"format=uri,pattern=^https://,example=https://login.microsoftonline.com/<tenant>/v2.0"`
	// ClientID is the application that people sign in to: a public client, which has no secret. Needed with an issuer.
	ClientID string `yaml:"client_id,omitempty"`
	// Audience is whom a token must be made for. Without this key it is ClientID, and the ID token is used; with it, the access token.
	Audience string `yaml:"audience,omitempty"`
	// Scopes that a sign-in asks for; openid is among them.
	Scopes []string `yaml:"scopes,omitempty" jsonschema:"minItems=1"`
	// GroupsClaim is the claim of a token that lists groups.
	GroupsClaim string `yaml:"groups_claim,omitempty" jsonschema:"minLength=1,default=groups" want:"the name of a claim, such as groups or roles"`
	// Groups are the groups, as the claim writes them, whose members have a role. Each role includes those before it.
	Groups AccessGroups `yaml:"groups,omitempty"`
	// FourEyes are the operations that wait for a second person who is signed in and has the role: approve, rollback, reveal, forget.
	FourEyes []string `yaml:"four_eyes,omitempty"`
	// FourEyesWithin is how long such a request waits for a second person.
	FourEyesWithin time.Duration `yaml:"four_eyes_within,omitempty" jsonschema:"minimum=1m,maximum=720h,default=24h"`
	// RequestWithin is how long a signed request may take to a worker; a later one is refused.
	RequestWithin time.Duration `yaml:"request_within,omitempty" jsonschema:"minimum=10s,maximum=1h,default=5m"`
	// ClockSkew is by how much the clocks of people's machines, the issuer and the workers may differ.
	ClockSkew time.Duration `yaml:"clock_skew" jsonschema:"minimum=0s,maximum=10m,default=1m"`
	// CAFile is a PEM file of certificate authorities to trust besides the system's.
	CAFile string `yaml:"ca_file,omitempty"`
}

// AccessGroups are the groups of each role.
type AccessGroups struct {
	// Viewer sees states, counts and lists, and no personal data.
	Viewer []string `yaml:"viewer,omitempty" jsonschema:"minItems=1"`
	// Support finds people, reveals values, and releases or discards refused records.
	Support []string `yaml:"support,omitempty" jsonschema:"minItems=1"`
	// Operator starts, stops, backfills, approves and rolls back.
	Operator []string `yaml:"operator,omitempty" jsonschema:"minItems=1"`
	// Admin changes settings and mappings, and forgets people.
	Admin []string `yaml:"admin,omitempty" jsonschema:"minItems=1"`
}

// FourEyesChoices are the operations that can wait for a second person.
func FourEyesChoices() []string { return []string{"approve", "rollback", "reveal", "forget"} }

// Configured says that people sign in.
func (a Access) Configured() bool { return a.Issuer != "" }

// NeedsSecond says whether an operation waits for a second person.
func (a Access) NeedsSecond(operation string) bool {
	return operation != "" && slices.Contains(a.FourEyes, operation)
}

// TokenAudience is whom a token must be made for.
func (a Access) TokenAudience() string {
	if a.Audience != "" {
		return a.Audience
	}
	return a.ClientID
}

// defaultAccessScopes ask for an ID token with a name, and for its renewal.
func defaultAccessScopes() []string { return []string{"openid", "profile", "offline_access"} }

// access checks what a token is compared with. A setting without an issuer would look as
// if it protected something.
func (v *validator) access(a Access) {
	const without = "set access.issuer, or remove it: without one nobody is asked who they are"
	if !a.Configured() {
		for _, set := range []struct {
			path string
			is   bool
		}{
			{"access.client_id", a.ClientID != ""}, {"access.audience", a.Audience != ""},
			{"access.groups", !a.Groups.none()}, {"access.four_eyes", len(a.FourEyes) > 0},
		} {
			if set.is {
				v.add(set.path, "a setting without access.issuer", "an issuer, or none", without)
			}
		}
		return
	}
	v.required("access.client_id", a.ClientID, "the application (client) id that people sign in to")
	if !slices.Contains(a.Scopes, "openid") {
		v.add("access.scopes", "no openid", "openid among them", "without it an issuer gives no ID token")
	}
	if a.Groups.none() {
		v.add("access.groups", "no group", "a group for at least one role", "nobody could do anything")
	}
	v.groups(a.Groups)
	v.fourEyes(a.FourEyes)
}

// groups refuses a name that is empty or twice, which is a slip of pen in any case.
func (v *validator) groups(g AccessGroups) {
	seen := map[string]string{}
	for _, role := range g.ByRole() {
		for i, group := range role.Groups {
			path := fmt.Sprintf("access.groups.%s[%d]", role.Role, i)
			switch first, twice := seen[group]; {
			case group == "":
				v.add(path, "nothing", "a group as the claim writes it", "")
			case twice:
				v.add(path, short(group)+", which "+first+" has already", "each group once", "a role includes those before it; remove one of the two")
			default:
				seen[group] = path
			}
		}
	}
}

func (v *validator) fourEyes(operations []string) {
	seen := map[string]bool{}
	for i, name := range operations {
		path := fmt.Sprintf("access.four_eyes[%d]", i)
		v.oneOf(path, name, FourEyesChoices())
		if seen[name] {
			v.add(path, short(name)+" a second time", "each operation once", "remove one of the two")
		}
		seen[name] = true
	}
}

// RoleGroups are the groups of one role.
type RoleGroups struct {
	Role   string
	Groups []string
}

// ByRole lists the roles by what they may do, the least first.
func (g AccessGroups) ByRole() []RoleGroups {
	return []RoleGroups{{"viewer", g.Viewer}, {"support", g.Support}, {"operator", g.Operator}, {"admin", g.Admin}}
}

func (g AccessGroups) none() bool {
	return len(g.Viewer)+len(g.Support)+len(g.Operator)+len(g.Admin) == 0
}
