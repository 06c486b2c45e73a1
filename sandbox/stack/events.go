package stack

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/journal"
	"causeway.dev/sandbox/kit"
)

// GenerateEvents adds mailings and their events to the log and returns how many events
// there are. The recipients are Campaign's profiles, without those that opted out of
// e-mail; while there is no profile, they are the contacts of Dynamics.
func (s *Stack) GenerateEvents(f eventlog.Funnel) (int, error) {
	to, err := s.recipients()
	if err != nil {
		return 0, err
	}
	return s.Events.Generate(f, to)
}

func (s *Stack) recipients() ([]eventlog.Recipient, error) {
	var out []eventlog.Recipient
	fields := []string{"externalId", "email", s.optOutNames, s.optOutNames + "Email"}
	err := s.Campaign.Extract("profile", fields, time.Time{}, s.Clock.Now().Add(time.Hour), func(v []string, _ time.Time) error {
		out = append(out, eventlog.Recipient{ExternalID: strings.Clone(v[0]), Email: strings.Clone(v[1]), OptedOut: v[2] != "" || v[3] != ""})
		return nil
	})
	if len(out) > 0 || err != nil {
		return out, err
	}
	s.Dynamics.Each("contacts", func(key string, row map[string]any) bool {
		email, _ := row["emailaddress1"].(string)
		out = append(out, eventlog.Recipient{ExternalID: key, Email: email})
		return true
	})
	return out, nil
}

// sent shows the delivery log to Campaign's marketing history.
type sent struct{ log *eventlog.Log }

// SentTo lists the messages to a person.
func (l sent) SentTo(externalID string) []campaign.Message {
	var out []campaign.Message
	for _, e := range l.log.SentTo(externalID) {
		id, err := strconv.ParseInt(e.BroadLogID, 10, 64)
		if err != nil {
			continue // every id is a number
		}
		out = append(out, campaign.Message{ID: id, At: e.Time, Delivery: e.Delivery.Label, Mirror: e.MirrorPageURL != ""})
	}
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

// decode reads a JSON body into v and refuses unknown names. On an error it answers and
// returns false.
func decode(w http.ResponseWriter, r *http.Request, v any) bool {
	dec := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		kit.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "the body: " + err.Error()})
		return false
	}
	return true
}
