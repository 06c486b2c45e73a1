package dataverse

import (
	"net/http"
	"strings"
)

// A request may be made in the name of another user: by the id of the user here, or by
// that of the directory (Impersonate another user).
const (
	callerID       = "Mscrmcallerid"
	callerObjectID = "Callerobjectid"
)

// caller is the user as whom a request is made. An id that nobody has is refused.
func (s *Server) caller(r *http.Request) (string, *refusal) {
	id, object := first(r.Header[callerID]), first(r.Header[callerObjectID])
	if id == "" && object == "" {
		return applicationUser, nil
	}
	if x, ok := r.Context().Value(txKey{}).(*tx); ok {
		return x.by, nil // the tables are locked; the batch has checked who it is
	}
	people := s.names["systemuser"]
	people.rlock()
	defer people.runlock()
	if object != "" {
		found := ""
		people.scan("", func(one *row) bool {
			if strings.EqualFold(people.str(one, "azureactivedirectoryobjectid"), object) {
				found = one.key
			}
			return found == ""
		})
		if found == "" {
			return "", &refusal{http.StatusForbidden, "0x80072560", "The user is not a member of the organization."}
		}
		return found, nil
	}
	id = strings.ToLower(strings.Trim(id, "{}"))
	if !guidForm.MatchString(id) {
		return "", &refusal{400, "0x80060888", "The value of the header MSCRMCallerID is not a valid GUID."}
	}
	if _, ok := people.find(id); !ok {
		return "", &refusal{http.StatusNotFound, "0x80040217", "systemuser With Id = " + id + " Does Not Exist"}
	}
	return id, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
