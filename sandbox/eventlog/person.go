package eventlog

import "slices"

// SentTo lists the sends to a person so far, oldest first. It reads the whole delivery
// log.
func (l *Log) SentTo(externalID string) []Event {
	l.mu.RLock()
	messages := l.messages[:len(l.messages):len(l.messages)]
	l.mu.RUnlock()
	now := l.clock.Now()
	var out []Event
	for i := range messages {
		if messages[i].external != externalID || !slices.Contains(messages[i].events(), ofSend) {
			continue
		}
		if e := l.event(ref{n: uint32(i), what: ofSend}); !e.Time.After(now) { //nolint:gosec // positions fit
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return out
}
