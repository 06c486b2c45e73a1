package operator

import (
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/phrase"
)

// pushes says of flows that are to be told of changes, and are not.
func (n *notes) pushes(states []activities.PushState, now time.Time) {
	for _, s := range states {
		switch {
		case s.Told, s.Missed.IsZero():
		case s.Last.IsZero():
			n.add(Caution, "no call of Dynamics has come for %s, so Dynamics is asked as usual; register a webhook as docs/push.md says, or remove hooks.listen", s.Flow)
		default:
			n.add(Caution, "a change to %s was found %s that no call of Dynamics had told of, so Dynamics is asked as usual; the last call came %s", s.Flow, phrase.Moment(now, s.Missed), phrase.Moment(now, s.Last))
		}
	}
}

// PushLine says of each flow how it is told of changes; "" when nobody is to tell it.
func PushLine(s activities.PushState, now time.Time) string {
	switch {
	case s.Last.IsZero():
		return s.Flow + ": never told of a change"
	case s.Told:
		return s.Flow + ": told of changes, last " + phrase.Moment(now, s.Last) + "; Dynamics is asked rarely"
	}
	return s.Flow + ": last told " + phrase.Moment(now, s.Last) + ", not of every change; Dynamics is asked as usual"
}
