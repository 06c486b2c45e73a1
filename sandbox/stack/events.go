package stack

import (
	"encoding/json"
	"io"
	"net/http"

	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/journal"
	"causeway.dev/sandbox/kit"
)

// GenerateEvents sends mailings, in the log, to the profiles of Campaign; while
// there is none, to the contacts of Dynamics. It returns how many events came of
// it. Profiles that opted out of e-mail get none.
func (s *Stack) GenerateEvents(f eventlog.Funnel) (int, error) {
	return s.Events.Generate(f, s.recipients())
}

func (s *Stack) recipients() []eventlog.Recipient {
	var out []eventlog.Recipient
	text := func(record map[string]any, name string) string {
		v, _ := record[name].(string)
		return v
	}
	s.Campaign.Each("profile", func(key string, record map[string]any) bool {
		r := eventlog.Recipient{ExternalID: key, Email: text(record, "email")}
		for _, name := range []string{"blackList", "blackListEmail", "denyList", "denyListEmail"} {
			if out, _ := record[name].(bool); out {
				r.OptedOut = true
			}
		}
		out = append(out, r)
		return true
	})
	if len(out) > 0 {
		return out
	}
	s.Dynamics.Each("contacts", func(key string, row map[string]any) bool {
		out = append(out, eventlog.Recipient{ExternalID: key, Email: text(row, "emailaddress1")})
		return true
	})
	return out
}

func (s *Stack) eventCounts(w http.ResponseWriter, _ *http.Request) {
	kit.WriteJSON(w, http.StatusOK, struct {
		eventlog.Counts
		Journal journal.Stats `json:"journal"`
	}{s.Events.Counts(), s.Journal.Stats()})
}

func (s *Stack) adminGenerate(w http.ResponseWriter, r *http.Request) {
	f := eventlog.DefaultFunnel()
	if !decode(w, r, &f) {
		return
	}
	n, err := s.GenerateEvents(f)
	if err != nil {
		kit.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	kit.WriteJSON(w, http.StatusCreated, map[string]int{"events": n})
}

func (s *Stack) adminPush(w http.ResponseWriter, r *http.Request) {
	var p eventlog.Pushed
	if !decode(w, r, &p) {
		return
	}
	e, err := s.Events.Push(p)
	if err != nil {
		kit.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	kit.WriteJSON(w, http.StatusCreated, map[string]string{"id": e.ID, "broadlog_id": e.BroadLogID, "trackinglog_id": e.TrackingLogID})
}

// decode reads a JSON body into v, strictly; false when it answered already.
func decode(w http.ResponseWriter, r *http.Request, v any) bool {
	dec := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		kit.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "the body: " + err.Error()})
		return false
	}
	return true
}
