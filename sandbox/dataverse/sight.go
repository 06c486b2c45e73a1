package dataverse

import (
	"fmt"
	"net/http"
	"slices"

	"causeway.dev/sandbox/kit"
)

// A role may show less than the whole of a table. Lists and counts then leave rows out
// without a word, a single row is refused, and changes are told to nobody who does not
// read all (docs/protocol/dataverse-rows.md, DV-D1 to DV-D5).

var depths = []string{"", "Basic", "Local", "Deep", "Global"}

// sees returns which rows of a table the role shows, nil for all of them, or why it shows
// none.
func (s *Server) sees(t *table) (func(*row) bool, *refusal) {
	if !s.narrowed.Load() {
		return nil, nil
	}
	depth := s.depth(t.privilege("Read"))
	switch {
	case depth == "":
		return nil, t.unreadable()
	case depth == "Global" || t.system.owner < 0:
		return nil, nil
	}
	return func(r *row) bool {
		owner := linked(r.value(t.system.owner))
		switch depth {
		case "Basic":
			return owner == applicationUser
		case "Local":
			return s.unitOf(owner) == s.unitOf(applicationUser)
		}
		return s.within(s.unitOf(owner), s.unitOf(applicationUser))
	}, nil
}

func (s *Server) depth(privilege string) string {
	s.roleMu.Lock()
	defer s.roleMu.Unlock()
	if depth, changed := s.role[privilegeKey(privilege)]; changed {
		return depth
	}
	return "Global"
}

// whole refuses a request that only those may make who read the whole table.
func (s *Server) whole(t *table) *refusal {
	if s.narrowed.Load() && t.system.owner >= 0 && s.depth(t.privilege("Read")) != "Global" {
		return t.unreadable()
	}
	return nil
}

// unreadable is the answer to a read for which the role gives no right.
func (t *table) unreadable() *refusal {
	name := t.privilege("Read")
	return &refusal{http.StatusForbidden, "0x80040220", fmt.Sprintf("Principal user (Id=%s, type=8) is missing %s privilege (Id=%s) on OTC=%d for entity '%s'.",
		applicationUser, name, privilegeID(name), t.TypeCode, t.LogicalName)}
}

// concealed is the answer to a read of one row that the role does not show.
func (s *Server) concealed(t *table, a address) *refusal {
	if s.hidden.Load() == http.StatusNotFound {
		return t.missing(a)
	}
	return t.unreadable()
}

// enroll remembers where in the organisation a user, a team or a business unit is.
func (s *Server) enroll(t *table, r *row) {
	property := "_businessunitid_value"
	if t.LogicalName == "businessunit" {
		property = "_parentbusinessunitid_value"
	}
	s.units.Store(r.key, linked(r.value(t.byProp[property])))
	if t.LogicalName == "team" {
		s.teams.Store(r.key, true)
	}
}

func (s *Server) dismiss(key string) {
	s.units.Delete(key)
	s.teams.Delete(key)
}

// unitOf is the business unit of an owner. One that says none is in the first.
func (s *Server) unitOf(owner string) string {
	unit, _ := s.units.Load(owner)
	if name, _ := unit.(string); name != "" {
		return name
	}
	return businessUnit
}

// within says that a business unit is another one, or belongs to it.
func (s *Server) within(unit, top string) bool {
	for range 100 { // units that belong to each other would go on for ever
		if unit == top {
			return true
		}
		parent, _ := s.units.Load(unit)
		if unit, _ = parent.(string); unit == "" {
			return false
		}
	}
	return false
}

// roleChange is what the admin port changes of the role.
type roleChange struct {
	Name, Depth string
	Hidden      int `json:"hidden_status"` // of one hidden row; 0 = as before
}

// adminRole serves the role and the version on the admin port: GET and POST /privileges
// ({"name":"prvReadContact","depth":"Local"}, {"hidden_status":404}), DELETE for the role
// of the start, GET and POST /version.
func (s *Server) adminRole(mux *http.ServeMux) {
	mux.HandleFunc("GET /privileges", func(w http.ResponseWriter, _ *http.Request) {
		s.roleMu.Lock()
		defer s.roleMu.Unlock()
		changed := map[string]string{}
		for name, depth := range s.role {
			changed[name] = depth
		}
		kit.WriteJSON(w, 200, map[string]any{"changed": changed, "hidden_status": s.hidden.Load()})
	})
	mux.HandleFunc("POST /privileges", func(w http.ResponseWriter, r *http.Request) {
		var c roleChange
		if !readAdmin(w, r, &c) {
			return
		}
		done(w, s.changeRole(c))
	})
	mux.HandleFunc("DELETE /privileges", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetPrivileges()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		kit.WriteJSON(w, 200, map[string]string{"version": s.version9()})
	})
	mux.HandleFunc("POST /version", func(w http.ResponseWriter, r *http.Request) {
		var v struct{ Version string }
		if !readAdmin(w, r, &v) {
			return
		}
		if v.Version == "" {
			done(w, fmt.Errorf("version: got nothing, want one such as 9.2.24101.199"))
			return
		}
		s.SetVersion(v.Version)
		w.WriteHeader(http.StatusNoContent)
	})
}

func (s *Server) changeRole(c roleChange) error {
	switch {
	case c.Name == "" && c.Hidden == 0:
		return fmt.Errorf("name: got nothing, want a privilege such as prvReadContact")
	case c.Hidden != 0 && c.Hidden != http.StatusForbidden && c.Hidden != http.StatusNotFound:
		return fmt.Errorf("hidden_status: got %d, want 403 or 404", c.Hidden)
	case !slices.Contains(depths, c.Depth):
		return fmt.Errorf("depth: got %q, want Basic, Local, Deep, Global, or nothing", c.Depth)
	case c.Name != "" && !s.knows(c.Name):
		return fmt.Errorf("name: no table has the privilege %q", c.Name)
	}
	if c.Hidden != 0 {
		s.SetHiddenStatus(c.Hidden)
	}
	if c.Name != "" {
		s.SetPrivilege(c.Name, c.Depth)
	}
	return nil
}

func (s *Server) knows(privilege string) bool {
	for _, t := range s.names {
		for _, kind := range privilegeKinds {
			if privilegeKey(t.privilege(kind)) == privilegeKey(privilege) {
				return true
			}
		}
	}
	return false
}
