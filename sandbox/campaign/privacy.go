package campaign

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/kit"
)

// privacyTime is how long a request for access takes here.
const privacyTime = time.Minute

// judge adds what will come of a privacy request: a person is found by e-mail address.
func (s *Server) judge(changes []change) []change {
	t, outcome := s.tables["privacyTool"], "errorDataNotFound"
	for _, c := range changes {
		if c.field == t.byName["reconciliationValue"] && len(s.people(c.value)) > 0 {
			outcome = "complete"
		}
	}
	due := s.o.Clock.Now().Add(privacyTime).Format(wireTime)
	return append(changes, change{t.byName["due"], due}, change{t.byName["outcome"], outcome})
}

// people are the profiles with an e-mail address.
func (s *Server) people(email string) []view {
	profiles := s.tables["profile"]
	var out []view
	profiles.each(&condition{tests: []func(view) bool{func(v view) bool { return value(v.data, profiles.byName["email"]) == email }}}, 0, func(_ int64, v view) bool {
		out = append(out, v)
		return true
	})
	return out
}

// privacyData answers a POST with the internal name of a request: a JSON string that
// holds what Campaign knows of the person.
func (s *Server) privacyData(w http.ResponseWriter, r *http.Request, t *table, at address) {
	body, err := readInto(nil, r.Body)
	v, ok := t.read(at.row)
	values := make([]string, len(t.Fields))
	unpack(v.data, values)
	of := func(name string) string { return values[t.byName[name]] }
	switch {
	case r.Method != http.MethodPost:
		s.fail(w, unroutable())
	case err != nil || !gjson.ValidBytes(body):
		s.fail(w, constant(body))
	case !ok, gjson.GetBytes(body, "name").Str != of("name"):
		s.fail(w, missingInBody(t.Label, t.Name, gjson.GetBytes(body, "name").String()))
	case t.computed(&Field{Computed: "privacy"}, values, s.o.Clock.Now()) != "complete":
		s.fail(w, refused("The data of the '%s' privacy request is not available.", of("name")))
	default:
		profiles := s.tables["profile"]
		var b strings.Builder
		for _, person := range s.people(of("reconciliationValue")) {
			_, _ = fmt.Fprintf(&b, "\n    <row id='%d'", person.id)
			for i := range profiles.Fields {
				if text := value(person.data, i); text != "" && profiles.Fields[i].item() == "" {
					_, _ = fmt.Fprintf(&b, "\n\t\t%s='%s'", profiles.Fields[i].Name, text)
				}
			}
			b.WriteString("</row>")
		}
		kit.WriteJSON(w, http.StatusOK, fmt.Sprintf("{data:<gdprRequestData _cs=\" ()\" id=\"%d\" reconciliationValue=\"'%s'\">\n  <table name=\"nms:recipient\">%s\n  </table>\n</gdprRequestData>}",
			at.row.id, of("reconciliationValue"), b.String()))
	}
}
