package eventlog

import "time"

// BroadLog is a row of the delivery log as it stood at one moment.
type BroadLog struct {
	Event                           // the send; of a failed row without its texts of a bounce
	Status, FailureType, FailReason int
	FailText                        string
	LastModified                    time.Time
}

// recordedAfter is when a message's row is in the table: logs get there within
// ten minutes (§6.3).
func recordedAfter(n int) time.Duration { return time.Duration(1+n%9) * time.Minute }

// BroadLogs calls f with every row last changed from since on, as the table
// stood at until, oldest row first. Rows of proofs are not among them: the query
// of the export leaves test mailings out. A late bounce changes a row that was
// exported as sent before.
func (l *Log) BroadLogs(since, until time.Time, f func(BroadLog) error) error {
	l.mu.RLock()
	messages := l.messages[:len(l.messages):len(l.messages)]
	l.mu.RUnlock()
	from, to := since.UnixMilli(), until.UnixMilli()
	for i := range messages {
		m := &messages[i]
		changed := m.sent + recordedAfter(i).Milliseconds()
		failed := m.failure != 0 && (!m.late || m.bounced <= to)
		if failed && m.late {
			changed = m.bounced
		}
		if m.silent || changed < from || changed > to {
			continue
		}
		row := BroadLog{Event: l.event(ref{n: uint32(i), what: ofSend}), Status: StatusSent, LastModified: time.UnixMilli(changed).UTC()} //nolint:gosec // positions fit
		if row.Proof {
			continue
		}
		if failed {
			row.Status, row.FailureType, row.FailReason = StatusFailed, int(m.failure), int(m.reason)
			row.FailText = reasonText(m.reason, m.email)
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return nil
}

// TrackingLogs calls f with the rows logged from since on until until. Rows of
// seeds and proofs are not among them, because the file could not tell them.
func (l *Log) TrackingLogs(since, until time.Time, f func(Event) error) error {
	l.mu.RLock()
	touches := l.touches[:len(l.touches):len(l.touches)]
	l.mu.RUnlock()
	from, to := since.UnixMilli(), until.UnixMilli()
	for i := range touches {
		if touches[i].at < from || touches[i].at > to {
			continue
		}
		e := l.event(ref{n: uint32(i), what: ofTouch}) //nolint:gosec // positions fit
		if e.Seed || e.Proof {
			continue
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}
