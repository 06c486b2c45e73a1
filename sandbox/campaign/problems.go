package campaign

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"causeway.dev/sandbox/kit"
)

// problem is an error answer of Campaign. The stable parts of its text are those of
// §5.1, word for word.
type problem struct {
	status int
	text   string
}

func (p *problem) err() error {
	if p == nil {
		return nil
	}
	return errors.New(p.text)
}

// general is the whole text of an error that Campaign does not explain. Many explained
// errors begin with it.
const general = "RST-360011 An error has occurred - please contact your administrator."

func failed(format string, args ...any) *problem {
	return &problem{http.StatusInternalServerError, fmt.Sprintf(format, args...)}
}

// refused is failed with the general sentence before it.
func refused(format string, args ...any) *problem {
	return failed(general+" "+format, args...)
}

func unroutable() *problem { return &problem{http.StatusNotFound, general + " Error rc=-2003"} }

func (t *table) unknown(property string) *problem {
	return refused("'%s' property is not valid for the '%s' resource.", property, t.Name)
}

func (t *table) readOnly(property string) *problem {
	return refused("Cannot update the '%s' property that is read-only", property)
}

func (t *table) duplicate(key string) *problem {
	return failed("A '%s' with the same key '%s' already exists. PGS-220000 PostgreSQL error: ERROR:  duplicate key value violates unique constraint \"%s_%s\" DETAIL:  Key (s%s)=(%s) already exists.",
		t.Label, key, strings.ReplaceAll(t.Schema, ":", ""), t.Key, strings.ToLower(t.Key), key)
}

func (t *table) inconsistent(key, other string) *problem {
	return refused("RST-360012 Inconsistent operation on resource '%s' – Cannot update key '%s' to '%s'.", t.Name, key, other)
}

// missing is the answer to an unknown key in the URI.
func (t *table) missing(key string) *problem {
	return &problem{http.StatusNotFound, fmt.Sprintf("%s Unable to find document with path '%s' from key '%s:0' (document with schema '%s' and name '%s')",
		general, t.Label, key, t.Name, key)}
}

// missingInBody is the answer to an unknown key in a body. It lacks the ":0".
func missingInBody(label, resource, key string) *problem {
	return &problem{http.StatusNotFound, fmt.Sprintf("%s Unable to find document with path '%s' from key '%s' (document with schema '%s' and name '%s')",
		general, label, key, resource, key)}
}

func (t *table) unreadable(pkey string) *problem {
	return failed("'%s' attribute unknown (see definition of '%ss (%s)' schema). XTK-170036 Unable to parse expression '@id = %s'.",
		strings.TrimPrefix(pkey, "@"), t.Label, t.Schema, pkey)
}

// fail answers with a text, or a JSON string, as the instance is set up.
func (s *Server) fail(w http.ResponseWriter, p *problem) {
	if s.o.ErrorBody == "json_string" {
		kit.WriteJSON(w, p.status, p.text)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(p.status)
	_, _ = io.WriteString(w, p.text)
}
