package campaign

import (
	"sync"
	"time"
)

// Calls counts the calls to Campaign by kind. A write that Campaign answers with an
// error counts as Refused. A request for metadata is no engine call (§5.3).
type Calls struct{ Insert, Update, Delete, Read, Refused, Metadata int64 }

// Engine is the number of engine calls.
func (c Calls) Engine() int64 { return c.Insert + c.Update + c.Delete + c.Read + c.Refused }

// Kinds returns the counts under the names of the admin port.
func (c Calls) Kinds() map[string]int64 {
	return map[string]int64{
		"insert": c.Insert, "update": c.Update, "delete": c.Delete, "read": c.Read, "refused": c.Refused, "metadata": c.Metadata,
	}
}

func (c *Calls) add(o Calls) {
	c.Insert += o.Insert
	c.Update += o.Update
	c.Delete += o.Delete
	c.Read += o.Read
	c.Refused += o.Refused
	c.Metadata += o.Metadata
}

// meter counts calls per hour of the sandbox's clock.
type meter struct {
	mu    sync.Mutex
	hours map[int64]*Calls
}

func (m *meter) add(now time.Time, c Calls) {
	hour := now.Unix() / 3600
	m.mu.Lock()
	defer m.mu.Unlock()
	have, ok := m.hours[hour]
	if !ok {
		have = &Calls{}
		m.hours[hour] = have
	}
	have.add(c)
}

func (m *meter) hour(now time.Time) Calls {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.hours[now.Unix()/3600]; ok {
		return *c
	}
	return Calls{}
}

// count adds calls to the current hour.
func (s *Server) count(c Calls) { s.meter.add(s.o.Clock.Now(), c) }

// Calls is the number of calls since the start or the last ResetMeter.
func (s *Server) Calls() Calls {
	s.meter.mu.Lock()
	defer s.meter.mu.Unlock()
	var sum Calls
	for _, c := range s.meter.hours {
		sum.add(*c)
	}
	return sum
}

// Meter is Calls by kind: insert, update, delete, read, refused, metadata.
func (s *Server) Meter() map[string]int64 { return s.Calls().Kinds() }

// MeterByHour is Meter for each hour, named by its beginning in UTC.
func (s *Server) MeterByHour() map[string]map[string]int64 {
	s.meter.mu.Lock()
	defer s.meter.mu.Unlock()
	out := make(map[string]map[string]int64, len(s.meter.hours))
	for hour, c := range s.meter.hours {
		out[time.Unix(hour*3600, 0).UTC().Format(time.RFC3339)] = c.Kinds()
	}
	return out
}

// ResetMeter starts counting anew.
func (s *Server) ResetMeter() {
	s.meter.mu.Lock()
	defer s.meter.mu.Unlock()
	clear(s.meter.hours)
}
