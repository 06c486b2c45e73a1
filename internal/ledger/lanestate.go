package ledger

import "crypto/rand"

// laneState is who is at a lane, and how attempts at it have ended. Its methods
// are the only transitions; the ledger carries them out under the lane's lock.
//
// An attempt opens a lane, and ends by closing it (every entry has an outcome) or
// by releasing it. An attempt that is followed by another without having done
// either has died, or was taken for dead: that is a crash.
type laneState struct {
	token    Token // of the attempt that opened the lane last
	attempts int64
	held     bool // that attempt has neither closed nor released it
	done     bool

	outcomeUnknown bool // a write of an earlier attempt may have happened without the ledger knowing
	crashes        int

	entry        int  // that was marked last as being in flight; -1 before the first
	inFlight     bool // the present attempt has marked it
	entryCrashes int  // crashes in a row with entry in flight
}

// open makes the lane the new attempt's. A lane that is done stays as it is.
func (s *laneState) open(token Token) {
	if s.done {
		return
	}
	if s.held {
		s.crashes++
		s.outcomeUnknown = true
		if s.inFlight {
			s.entryCrashes++
		}
	}
	s.token, s.attempts, s.held = token, s.attempts+1, true
	// The new attempt has not marked it yet. Should it die before it does, that says
	// nothing about the entry.
	s.inFlight = false
}

// markInFlight says that the attempt is about to write an entry.
func (s *laneState) markInFlight(entry int) {
	if entry != s.entry {
		s.entry, s.entryCrashes = entry, 0
	}
	s.inFlight = true
}

// release ends an attempt in good order. What is unknown stays so until the lane
// is closed, whatever later attempts come to.
func (s *laneState) release(outcomeUnknown bool) {
	if s.done {
		return
	}
	s.held = false
	s.outcomeUnknown = s.outcomeUnknown || outcomeUnknown
}

// close ends the lane: every entry has an outcome, so nothing is unknown.
func (s *laneState) close() { s.done, s.held, s.outcomeUnknown = true, false, false }

// unrecorded is the condition, on columns of lane, that the target may hold
// writes of the lane that the ledger does not know of.
const unrecorded = `(lane.done = 0 AND (lane.held = 1 OR lane.outcome_unknown = 1))`

// newToken makes a token that no other attempt has, also not one from before the
// ledger was restored from a backup.
func newToken() Token { return Token(rand.Text()) }
