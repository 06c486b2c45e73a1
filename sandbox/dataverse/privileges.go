package dataverse

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

// The application user holds every privilege at the depth Global, as System administrator
// does, until SetPrivilege says otherwise. The tables of activities share those of Activity.

var privilegeKinds = []string{"Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign", "Share"}

var userPrivileges = regexp.MustCompile(`^systemusers\(([0-9a-fA-F-]{36})\)/Microsoft\.Dynamics\.CRM\.RetrieveUserPrivileges\(\)$`)

// SetPrivilege changes the depth (Basic, Local, Deep or Global) that the role of the
// application user gives to a privilege such as prvReadContact; "" takes it away. Reads
// show what it leaves. Of writes the role is only told: they are not refused for it.
func (s *Server) SetPrivilege(name, depth string) {
	s.roleMu.Lock()
	defer s.roleMu.Unlock()
	if s.role == nil {
		s.role = map[string]string{}
	}
	s.role[privilegeKey(name)] = depth
	s.narrowed.Store(true)
}

// ResetPrivileges gives the role back what it had at the start.
func (s *Server) ResetPrivileges() {
	s.roleMu.Lock()
	defer s.roleMu.Unlock()
	s.role = nil
	s.narrowed.Store(false)
}

// SetHiddenStatus changes the status of a read of one row that the role hides: 403, or
// 404, as if there were none.
func (s *Server) SetHiddenStatus(status int) { s.hidden.Store(int64(status)) }

func privilegeKey(name string) string { return strings.ToLower(name) }

// SetVersion changes the version that the service tells.
func (s *Server) SetVersion(version string) { s.told.Store(&version) }

// version9 is what the service says of its version.
func (s *Server) version9() string {
	if p := s.told.Load(); p != nil {
		return *p
	}
	return "9.2.24101.199"
}

func (s *Server) retrieveUserPrivileges(w http.ResponseWriter, r *http.Request, user string) {
	if !strings.EqualFold(user, applicationUser) {
		s.fail(w, &refusal{404, "0x80040217", "systemuser With Id = " + user + " Does Not Exist"})
		return
	}
	out := []any{}
	seen := map[string]bool{}
	s.roleMu.Lock()
	defer s.roleMu.Unlock()
	for _, table := range s.order {
		for _, kind := range privilegeKinds {
			name := s.names[table].privilege(kind)
			depth, changed := s.role[privilegeKey(name)]
			if !changed {
				depth = "Global"
			}
			if seen[name] || depth == "" {
				continue
			}
			seen[name] = true
			out = append(out, map[string]any{"Depth": depth, "PrivilegeId": privilegeID(name), "PrivilegeName": name,
				"BusinessUnitId": "0a11ce00-0000-4000-8000-00000000000b", "RecordFilterId": "00000000-0000-0000-0000-000000000000", "RecordFilterUniqueName": ""})
		}
	}
	s.answerCall(w, r, "RetrieveUserPrivileges", map[string]any{"RolePrivileges": out})
}

// privilege is the name of a privilege of the table.
func (t *table) privilege(kind string) string {
	of := t.LogicalName
	if t.Activity || t.union != nil {
		of = "activity"
	}
	return "prv" + kind + strings.ToUpper(of[:1]) + of[1:]
}

func privilegeID(name string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(strings.ToLower(name))).String()
}

// privileges are those of the table's definition.
func (t *table) privileges() []any {
	out := []any{}
	for _, kind := range privilegeKinds {
		name := t.privilege(kind)
		out = append(out, map[string]any{"CanBeBasic": true, "CanBeDeep": true, "CanBeGlobal": true, "CanBeLocal": true, "CanBeEntityReference": false, "CanBeParentEntityReference": false,
			"Name": name, "PrivilegeId": privilegeID(name), "PrivilegeType": kind})
	}
	return out
}
