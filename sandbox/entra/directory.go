package entra

import (
	"net/url"
	"slices"
	"strings"
)

// User is a made-up person of the directory.
type User struct {
	ObjectID string   `json:"oid"`
	Name     string   `json:"name"`
	Username string   `json:"username"` // the claim preferred_username
	Email    string   `json:"email,omitempty"`
	Groups   []string `json:"groups,omitempty"` // object ids
	Roles    []string `json:"roles,omitempty"`  // app roles: the claim roles
	Disabled bool     `json:"disabled,omitempty"`
}

// Group is a security group of the directory. Tokens name it by its object id.
type Group struct {
	ObjectID string `json:"oid"`
	Name     string `json:"name"`
}

// App is an app registration.
type App struct {
	ClientID     string   `json:"client_id"`
	Name         string   `json:"name"`
	Secret       string   `json:"secret,omitempty"` // a confidential client has one
	Public       bool     `json:"public,omitempty"` // "Allow public client flows"
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	Scopes       []string `json:"scopes,omitempty"` // that it exposes as an API, as api://<client id>/<scope>
	NoGroups     bool     `json:"no_groups,omitempty"`
}

// Directory is the scripted data of a tenant. The admin API replaces parts of it.
type Directory struct {
	Users  []User  `json:"users"`
	Groups []Group `json:"groups"`
	Apps   []App   `json:"apps"`
}

// Object ids of the groups that DefaultDirectory has, one for each role of Causeway, and
// the client id of the application that people sign in to.
const (
	ViewerGroup    = "5a4db0c5-0000-4000-8000-000000000f01"
	SupportGroup   = "5a4db0c5-0000-4000-8000-000000000f02"
	OperatorGroup  = "5a4db0c5-0000-4000-8000-000000000f03"
	AdminGroup     = "5a4db0c5-0000-4000-8000-000000000f04"
	SignInClientID = "5a4db0c5-0000-4000-8000-0000000000cc"
)

// DefaultDirectory has a made-up person for each role, two of them for what needs a
// second person, one in no group, and a public application that they sign in to.
func DefaultDirectory() Directory {
	person := func(last, name, group string) User {
		first, _, _ := strings.Cut(strings.ToLower(name), " ")
		u := User{ObjectID: "5a4db0c5-0000-4000-8000-000000000e0" + last, Name: name, Username: first + "@sandbox.example", Email: first + "@sandbox.example"}
		if group != "" {
			u.Groups = []string{group}
		}
		return u
	}
	return Directory{
		Users: []User{
			person("1", "Vera Holm", ViewerGroup), person("2", "Sami Berg", SupportGroup), person("3", "Olga Dahl", OperatorGroup),
			person("4", "Otto Lund", OperatorGroup), person("5", "Ada Nyberg", AdminGroup), person("6", "Nils Foss", ""),
		},
		Groups: []Group{
			{ViewerGroup, "Causeway viewers"}, {SupportGroup, "Causeway support"}, {OperatorGroup, "Causeway operators"}, {AdminGroup, "Causeway admins"},
		},
		Apps: []App{{
			ClientID: SignInClientID, Name: "Causeway", Public: true, Scopes: []string{"access"},
			RedirectURIs: []string{"http://localhost", "http://127.0.0.1", "http://localhost/sign-in/back", "http://127.0.0.1/sign-in/back"},
		}},
	}
}

// app finds an app registration. The client of Dataverse is one too.
func (s *Server) app(id string) (App, bool) {
	if id == s.o.ClientID {
		return App{ClientID: id, Name: "Causeway worker", Secret: s.o.ClientSecret}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.directory.Apps {
		if strings.EqualFold(a.ClientID, id) {
			return a, true
		}
	}
	return App{}, false
}

func (s *Server) user(oid string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.directory.Users {
		if u.ObjectID == oid {
			return u, true
		}
	}
	return User{}, false
}

func (s *Server) users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.directory.Users)
}

// groupNames are the names of groups, for people who pick a user.
func (s *Server) groupNames(ids []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, id := range ids {
		name := id
		for _, g := range s.directory.Groups {
			if g.ObjectID == id {
				name = g.Name
			}
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// redirects says whether an application may be answered at an address. Scheme, host and
// path are compared as they are written; the port of a loopback address does not count.
func (a App) redirects(to string) bool {
	return slices.ContainsFunc(a.RedirectURIs, func(registered string) bool {
		return registered == to || sameLoopback(registered, to)
	})
}

func sameLoopback(registered, to string) bool {
	want, err := url.Parse(registered)
	if err != nil {
		return false
	}
	got, err := url.Parse(to)
	if err != nil || got.Scheme != "http" || want.Scheme != "http" {
		return false
	}
	host := want.Hostname()
	return (host == "localhost" || host == "127.0.0.1") && got.Hostname() == host && got.User == nil && got.Fragment == "" &&
		trimSlash(got.Path) == trimSlash(want.Path) && got.RawQuery == want.RawQuery
}

// trimSlash makes the two ways to write the path of a bare host the same.
func trimSlash(path string) string {
	if path == "/" {
		return ""
	}
	return path
}
