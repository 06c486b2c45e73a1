package campaign

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/kit"
)

const (
	signalPause = 10 * time.Minute // between two signals to one activity (§9)
	signalBody  = 64 << 10         // bytes
)

// names gives numbers to names, so that a PKey can stand for one.
type names struct {
	mu    sync.Mutex
	known []string
	fired map[string]time.Time // last signal, by workflow and activity
}

func (n *names) number(name string) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	at := slices.Index(n.known, name)
	if at < 0 {
		at, n.known = len(n.known), append(n.known, name)
	}
	return int64(at)
}

// named opens a PKey that stands for a name.
func (s *Server) named(context, pkey string) (string, bool) {
	id, ok := s.seal.open("name/"+context, pkey)
	s.words.mu.Lock()
	defer s.words.mu.Unlock()
	if !ok || id >= int64(len(s.words.known)) {
		return "", false
	}
	return s.words.known[id], true
}

func (s *Server) pkeyOf(context, name string) string {
	return string(s.seal.append(nil, "name/"+context, s.words.number(name)))
}

var triggerPath = regexp.MustCompile(`^activities/activity/([^/]+)/trigger$`)

// triggered is the PKey of the activity in the address of a trigger.
func triggered(path string) (string, bool) {
	m := triggerPath.FindStringSubmatch(path)
	if m == nil {
		return "", false
	}
	return m[1], true
}

func (s *Server) triggerAddress(r *http.Request, workflow, activity string) string {
	return s.place(r, "workflow", "execution").base + "/" + s.pkeyOf("workflow", workflow) +
		"/activities/activity/" + s.pkeyOf("activity/"+workflow, activity) + "/trigger/"
}

// trigger fires an External signal activity.
func (s *Server) trigger(w http.ResponseWriter, r *http.Request, flow Workflow, pkey string) {
	name, ok := s.named("activity/"+flow.ID, pkey)
	at := slices.IndexFunc(flow.Signals, func(one Signal) bool { return one.Name == name })
	if !ok || at < 0 {
		s.fail(w, unroutable())
		return
	}
	body, err := readInto(nil, r.Body)
	parameters, bad := map[string]string{}, (*problem)(nil)
	switch source := gjson.GetBytes(body, "source"); {
	case err != nil || len(body) > signalBody:
		bad = refused("The payload of a signal must not exceed 64 KB.")
	case !gjson.ValidBytes(body) || !gjson.ParseBytes(body).IsObject():
		bad = constant(body)
	case source.Type != gjson.String || source.Str == "":
		bad = untriggered("'source' parameter is mandatory.")
	default:
		parameters, bad = flow.Signals[at].read(gjson.GetBytes(body, "parameters"))
	}
	switch {
	case bad != nil:
		s.fail(w, bad)
	case flow.LogicalStatus != "started":
		s.fail(w, untriggered("The '"+flow.ID+"' workflow is not running."))
	case !s.mayFire(flow.ID + "/" + name):
		// Not JSON: Adobe's own client expects a text here. Its words are not published.
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte("The signal activity was triggered less than 10 minutes ago."))
	default:
		s.o.Workflows.Signal(flow.ID, name, parameters)
		kit.WriteJSON(w, http.StatusOK, map[string]any{})
	}
}

// mayFire says that the last signal to an activity is long enough ago.
func (s *Server) mayFire(activity string) bool {
	s.words.mu.Lock()
	defer s.words.mu.Unlock()
	now := s.o.Clock.Now()
	if last, fired := s.words.fired[activity]; fired && now.Sub(last) < signalPause {
		return false
	}
	if s.words.fired == nil {
		s.words.fired = map[string]time.Time{}
	}
	s.words.fired[activity] = now
	return true
}

func untriggered(sentence string) *problem {
	const call = "HandleTrigger(@name, $(source), $({parameters}))"
	return refused("%s XTK-170006 Unable to parse expression '%s'. RST-360000 Error while assessing '%s' expression ('xtk:workflow:execution/activities/signal/trigger' resource)", sentence, call, call)
}

// read checks the parameters of a signal against those that the activity declares. A
// text is taken when its words have the type.
func (g Signal) read(given gjson.Result) (map[string]string, *problem) {
	out := map[string]string{}
	if given.Exists() && !given.IsObject() {
		return nil, constant([]byte(given.Raw))
	}
	var bad *problem
	given.ForEach(func(name, v gjson.Result) bool {
		kind, declared := g.Parameters[name.Str]
		text := v.String()
		switch _, err := strconv.ParseFloat(text, 64); {
		case !declared:
			bad = untriggered("'" + name.Str + "' parameter isn't defined in signal activity.")
		case kind == "number" && err != nil, kind == "boolean" && text != "true" && text != "false",
			v.IsObject(), v.IsArray(), kind == "string" && v.Type != gjson.String:
			bad = unconvertible(text, kind)
		case kind == "datetime":
			if _, ok := parseTime(text); !ok {
				bad = unconvertible(text, kind)
			}
		}
		out[strings.Clone(name.Str)] = text
		return bad == nil
	})
	return out, bad
}
