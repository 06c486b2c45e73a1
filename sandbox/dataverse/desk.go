package dataverse

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"causeway.dev/sandbox/kit"
)

// This file is what people do in Dynamics around activities: read a timeline, switch
// a process, merge contacts.

// Regarding returns the activities of a contact, of all types, oldest first.
func (s *Server) Regarding(contact string) []map[string]any {
	contact = strings.ToLower(contact)
	view := s.sets["activitypointers"]
	view.rlock()
	defer view.runlock()
	type found struct {
		t *table
		r *row
	}
	var all []found
	for _, t := range view.union.parts {
		for _, key := range t.regarding(contact) {
			all = append(all, found{t, t.rows[key]})
		}
	}
	slices.SortFunc(all, func(a, b found) int {
		if d := strings.Compare(a.t.str(a.r, "createdon"), b.t.str(b.r, "createdon")); d != 0 {
			return d
		}
		return int(a.r.version - b.r.version)
	})
	out := make([]map[string]any, len(all))
	for i, f := range all {
		out[i] = f.t.document(f.r)
	}
	return out
}

// regarding lists the keys of an activity table's rows that regard a contact.
func (t *table) regarding(contact string) []string {
	return slices.Clone(t.byLink[slices.Index(t.links, t.byProp["_"+regarding+"_value"])][contact])
}

// Process is a process of the solution, as an administrator sees it.
type Process struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Owner  string `json:"owner"` // a system user
	Active bool   `json:"active"`
}

// Processes lists the solution's processes; none without the solution.
func (s *Server) Processes() []Process {
	out := []Process{}
	for _, p := range processes {
		if w := s.Row("workflows", p.id); w != nil {
			owner, _ := w["_ownerid_value"].(string)
			out = append(out, Process{ID: p.id, Name: p.name, Owner: owner, Active: w["statecode"] == 1.0})
		}
	}
	return out
}

// SetProcess activates or deactivates a process and, unless owner is "", gives
// it to a user.
func (s *Server) SetProcess(name string, active bool, owner string) error {
	values := map[string]any{"statecode": 0, "statuscode": 1}
	if active {
		values = map[string]any{"statecode": 1, "statuscode": 2}
	}
	if owner != "" {
		values["ownerid@odata.bind"] = "/systemusers(" + owner + ")"
	}
	for _, p := range s.Processes() {
		if p.Name == name {
			return s.Update("workflows", p.ID, values)
		}
	}
	return fmt.Errorf("there is no process %q", name)
}

// Merge merges loser into winner. loser becomes inactive and names winner, and its
// activities then regard winner (§6.2, trap 39). Its other columns stay.
func (s *Server) Merge(winner, loser string) error {
	x := s.begin(salesUser)
	bad := x.merge(strings.ToLower(winner), strings.ToLower(loser))
	x.end(bad == nil)
	if bad != nil {
		return bad
	}
	return nil
}

func (x *tx) merge(winner, loser string) *refusal {
	contacts := x.s.names["contact"]
	for _, key := range []string{winner, loser} {
		if r, ok := contacts.rows[key]; !ok {
			return contacts.missing(address{key: key})
		} else if contacts.str(r, "merged") == "true" || winner == loser {
			return &refusal{400, "0x80040203", "Merge warning: contact " + key + " is merged already, or with itself."}
		}
	}
	for _, t := range x.s.activities() {
		for _, key := range t.regarding(loser) {
			if _, bad := x.put(t, key, []assignment{{t.byProp["_"+regarding+"_value"], []byte(`"` + winner + `"`)}}); bad != nil {
				return bad
			}
		}
	}
	_, bad := x.put(contacts, loser, []assignment{
		{contacts.byProp["merged"], []byte("true")}, {contacts.byProp["_masterid_value"], []byte(`"` + winner + `"`)},
		{contacts.byProp["statecode"], []byte("1")}, {contacts.byProp["statuscode"], []byte("2")},
	})
	return bad
}

// activities returns the activity tables.
func (s *Server) activities() []*table { return s.sets["activitypointers"].union.parts }

// adminDesk serves this file on the admin port: GET /activities?regarding=ID, GET and
// POST /processes, POST /merge.
func (s *Server) adminDesk(mux *http.ServeMux) {
	s.adminRole(mux)
	mux.HandleFunc("GET /activities", func(w http.ResponseWriter, r *http.Request) {
		contact := r.URL.Query().Get("regarding")
		if !guidForm.MatchString(contact) {
			kit.WriteJSON(w, 400, map[string]string{"error": "regarding: want the id of a contact"})
			return
		}
		kit.WriteJSON(w, 200, map[string]any{"activities": s.Regarding(contact)})
	})
	mux.HandleFunc("GET /processes", func(w http.ResponseWriter, _ *http.Request) {
		kit.WriteJSON(w, 200, map[string]any{"processes": s.Processes()})
	})
	mux.HandleFunc("POST /processes", func(w http.ResponseWriter, r *http.Request) {
		var p Process
		if !readAdmin(w, r, &p) {
			return
		}
		done(w, s.SetProcess(p.Name, p.Active, p.Owner))
	})
	mux.HandleFunc("POST /merge", func(w http.ResponseWriter, r *http.Request) {
		var m struct{ Winner, Loser string }
		if !readAdmin(w, r, &m) {
			return
		}
		done(w, s.Merge(m.Winner, m.Loser))
	})
}

// readAdmin reads the body of a request to the admin port. Unknown names are refused.
func readAdmin(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		kit.WriteJSON(w, 400, map[string]string{"error": "the body: " + err.Error()})
		return false
	}
	return true
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		kit.WriteJSON(w, 400, map[string]string{"error": err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
