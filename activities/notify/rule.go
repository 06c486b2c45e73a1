package notify

import (
	"slices"
	"time"

	"causeway.dev/activities"
)

// Rule says when something is told.
type Rule struct {
	After  time.Duration // that a cause lasts before it is told, and is missing before its end is told
	Quiet  time.Duration // after a cause was told, in which it is not told again
	Remind time.Duration // after which a cause that lasts is told again; 0: never
}

// Judge compares what holds with what was seen and told. What it says to tell is not marked
// as told yet: whoever sends it does so.
func (r Rule) Judge(seen []activities.SeenCause, found activities.CausesNow, now time.Time) (next []activities.SeenCause, tell []activities.Notice) {
	next = slices.Clone(seen)
	for _, c := range found.Causes {
		i := slices.IndexFunc(next, func(s activities.SeenCause) bool { return s.Is(c) })
		if i < 0 {
			next, i = append(next, activities.SeenCause{}), len(next)
		}
		s := &next[i]
		s.Cause, s.Gone = c, time.Time{}
		if s.Since.IsZero() {
			s.Since = now
		}
		if state := r.due(*s, now); state != "" {
			tell = append(tell, activities.Notice{Cause: c, State: state, Since: s.Since})
		}
	}
	kept := next[:0]
	for _, s := range next {
		holds := slices.ContainsFunc(found.Causes, s.Is)
		if !holds && slices.Contains(found.Known, s.Flow) && !s.Since.IsZero() {
			if s.Gone.IsZero() {
				s.Gone = now
			}
			switch over := now.Sub(s.Gone) >= r.After; {
			case over && s.Told:
				tell = append(tell, activities.Notice{Cause: s.Cause, State: activities.NoticeEnded, Since: s.Since})
			case over:
				s.Since, s.Gone = time.Time{}, time.Time{}
			}
		}
		if s.Since.IsZero() && now.Sub(s.LastTold) >= r.Quiet {
			continue // nothing is to be remembered of it
		}
		kept = append(kept, s)
	}
	return kept, tell
}

// due is what is to be told of a cause that holds; "" is nothing.
func (r Rule) due(s activities.SeenCause, now time.Time) activities.NoticeState {
	since := now.Sub(s.LastTold)
	switch {
	case now.Sub(s.Since) < r.After, !s.LastTold.IsZero() && since < r.Quiet:
		return ""
	case !s.Told:
		return activities.NoticeBegun
	case s.Unsure, r.Remind > 0 && since >= r.Remind:
		return activities.NoticeLasts
	}
	return ""
}
