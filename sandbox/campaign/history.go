package campaign

import (
	"net/http"
	"strconv"
	"time"

	"causeway.dev/sandbox/kit"
)

// Sent is Campaign's delivery log, as the marketing history shows it (§6.2).
type Sent interface {
	// SentTo lists the messages to a person, oldest first.
	SentTo(externalID string) []Message
}

// Message is one message that was sent to a person.
type Message struct {
	ID       int64
	At       time.Time
	Delivery string // its label
	Mirror   bool   // it has a mirror page
}

const messageContext = "broadLog"

// marketing serves /profileAndServices/history/<PKey of a profile>/….
func (s *Server) marketing(w http.ResponseWriter, r *http.Request, to target) {
	s.count(Calls{Read: 1})
	profiles := s.tables["profile"]
	if len(to.tail) == 0 || r.Method != http.MethodGet || len(to.tail) > 1 && to.tail[1] != "events" {
		s.fail(w, unroutable())
		return
	}
	at, bad := profiles.address(s.seal, to.tail[0])
	if bad != nil {
		s.fail(w, bad)
		return
	}
	v, _ := profiles.read(at.row)
	of := func(name string) string { return value(v.data, profiles.byName[name]) }
	var sent []Message
	if s.o.Sent != nil && of("externalId") != "" {
		sent = s.o.Sent.SentTo(of("externalId"))
	}
	base := s.place(r, to.api, s.history.Name).base + "/" + string(s.seal.append(nil, profiles.Name, v.id))
	switch tail := to.tail[1:]; len(tail) {
	case 0:
		out := map[string]any{
			"PKey": string(s.seal.append(nil, profiles.Name, v.id)), "countBroadLogEvents": len(sent), "countSubHistoEvents": 0, "href": base,
			"events": map[string]string{"href": base + "/events/", "metadata": "subHisto"},
		}
		for _, name := range []string{"externalId", "email", "firstName", "lastName", "birthDate"} {
			out[name] = of(name)
		}
		kit.WriteJSON(w, http.StatusOK, out)
	case 1:
		content := make([]any, len(sent))
		for i, m := range sent {
			content[i] = s.message(base, m)
		}
		kit.WriteJSON(w, http.StatusOK, map[string]any{
			"content": content, "count": map[string]any{"href": base + "/events/_count", "value": len(sent)}, "serverSidePagination": true,
		})
	default:
		s.oneMessage(w, base, tail[1:], sent)
	}
}

func (s *Server) oneMessage(w http.ResponseWriter, base string, tail []string, sent []Message) {
	if len(tail) == 1 && tail[0] == "_count" {
		sendCount(w, int64(len(sent)))
		return
	}
	id, ok := s.seal.open(messageContext, tail[0])
	if !ok {
		s.fail(w, s.history.unreadable(tail[0]))
		return
	}
	for _, m := range sent {
		if m.ID != id {
			continue
		}
		switch {
		case len(tail) == 1:
			kit.WriteJSON(w, http.StatusOK, s.message(base, m))
		case len(tail) == 2 && tail[1] == "mirrorPage" && m.Mirror:
			s.fail(w, absent("mirror pages; what the real service answers is not published"))
		default:
			s.fail(w, unroutable())
		}
		return
	}
	s.fail(w, s.history.missing(tail[0]))
}

func (s *Server) message(base string, m Message) map[string]any {
	href := base + "/events/" + string(s.seal.append(nil, messageContext, m.ID))
	out := map[string]any{
		"PKey": string(s.seal.append(nil, messageContext, m.ID)), "category": "email", "date": m.At.UTC().Format(wireTime),
		"href": href, "label": m.Delivery, "metadata": "broadLog", "type": "outbound",
	}
	if m.Mirror {
		out["mirrorPage"] = map[string]string{"href": href + "/mirrorPage/"}
	}
	return out
}

func sendCount(w http.ResponseWriter, n int64) {
	send(w, http.StatusOK, append(strconv.AppendInt([]byte(`{"count":`), n, 10), '}'))
}
