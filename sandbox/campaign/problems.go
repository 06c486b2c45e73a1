package campaign

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

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

// absent is the answer to what the real service has and the sandbox does not imitate. It
// must not look like a mistake of the client.
func absent(what string) *problem {
	return &problem{http.StatusNotImplemented, "The sandbox does not imitate " + what + "."}
}

// constant is the answer to a body that is no JSON object.
func constant(body []byte) *problem {
	text := string(body)
	if v := gjson.ParseBytes(body); gjson.ValidBytes(body) && v.Type == gjson.String {
		text = v.Str
	}
	return failed("'%.40s' is not a valid constant", text)
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

// ErrorBodies are the forms that an error may have. No page says which one Campaign
// uses; clients meet each of them.
var ErrorBodies = []string{"text", "json_string", "json_code", "json_error_code"}

// fail answers with a text, a JSON string or a JSON object, as the instance is set up.
func (s *Server) fail(w http.ResponseWriter, p *problem) {
	switch s.o.ErrorBody {
	case "json_string":
		kit.WriteJSON(w, p.status, p.text)
		return
	case "json_code":
		kit.WriteJSON(w, p.status, map[string]any{"code": p.status, "message": p.text})
		return
	case "json_error_code":
		code, rest, coded := strings.Cut(p.text, " ")
		if !coded || len(code) != len("RST-360011") || code[3] != '-' {
			code, rest = "RST-360011", p.text
		}
		kit.WriteJSON(w, p.status, map[string]any{"error_code": code, "message": rest})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(p.status)
	_, _ = io.WriteString(w, p.text)
}
