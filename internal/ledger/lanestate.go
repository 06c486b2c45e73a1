package ledger

import (
	"crypto/rand"
	"maps"
)

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

	entry    int         // that the present attempt has in flight alone; or NoEntry or Quiet
	suspects map[int]int // crashes by the entry that was in flight
}

const (
	// NoEntry is what is in flight when nothing was marked: a crash then says nothing
	// about any entry.
	NoEntry = -1
	// Quiet is marked by an attempt that keeps still, with nothing of the lane in flight.
	// Should it die all the same, workers die of something else than entries.
	Quiet = -2
)

// open makes the lane the new attempt's. A lane that is done stays as it is.
func (s *laneState) open(token Token) {
	if s.done {
		return
	}
	if s.held {
		s.crashes++
		s.outcomeUnknown = true
		switch {
		case s.entry >= 0:
			s.suspects = maps.Clone(s.suspects)
			if s.suspects == nil {
				s.suspects = map[int]int{}
			}
			s.suspects[s.entry]++
		case s.entry == Quiet:
			s.suspects = nil
		}
	}
	s.token, s.attempts, s.held = token, s.attempts+1, true
	// The new attempt has not marked anything yet. Should it die before it does, that
	// says nothing about any entry.
	s.entry = NoEntry
}

// markInFlight says that the attempt is about to write an entry, or keeps Quiet.
func (s *laneState) markInFlight(entry int) { s.entry = entry }

// release ends an attempt in good order. What is unknown stays so until the lane
// is closed, whatever later attempts come to.
func (s *laneState) release(outcomeUnknown bool) {
	if s.done {
		return
	}
	s.held, s.entry = false, NoEntry
	s.outcomeUnknown = s.outcomeUnknown || outcomeUnknown
}

// close ends the lane: every entry has an outcome, so nothing is unknown.
func (s *laneState) close() { s.done, s.held, s.outcomeUnknown, s.entry = true, false, false, NoEntry }

// unrecorded is the condition, on columns of lane, that the target may hold
// writes of the lane that the ledger does not know of.
const unrecorded = `(lane.done = 0 AND (lane.held = 1 OR lane.outcome_unknown = 1))`

// newToken makes a token that no other attempt has, also not one from before the
// ledger was restored from a backup.
func newToken() Token { return Token(rand.Text()) }
