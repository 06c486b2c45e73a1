package activities

import (
	"slices"
	"time"
)

// NotifyLookInput is what was seen so far. The look lasts until there is something to tell,
// or until Until has passed.
type NotifyLookInput struct {
	Seen  []SeenCause   `json:"seen,omitempty"`
	Until time.Duration `json:"until"`
}

// NotifyLookResult is what there is now, and what is to be told of it.
type NotifyLookResult struct {
	Off   bool          `json:"off,omitempty"` // nobody is to be told any more
	Seen  []SeenCause   `json:"seen,omitempty"`
	Tell  []Notice      `json:"tell,omitempty"`
	Every time.Duration `json:"every"` // pause before a message that was not taken is tried again
}

// CausesNow are those that hold.
type CausesNow struct {
	Causes []Cause
	// Known are the flows that could be looked at; "" stands for what concerns all. Of others
	// nobody knows whether a cause has ended.
	Known []string
}

// Cause is something that somebody should know of. It holds nothing of a person.
type Cause struct {
	Name     string `json:"name"`           // one of config.Causes
	Flow     string `json:"flow,omitempty"` // "": it concerns all
	Critical bool   `json:"critical,omitempty"`
	Text     string `json:"text"`
}

// Is says that two are the same cause.
func (c Cause) Is(other Cause) bool { return c.Name == other.Name && c.Flow == other.Flow }

// SeenCause is a cause that was seen, and what was told of it.
type SeenCause struct {
	Cause
	Since time.Time `json:"since,omitzero"` // it holds since then; zero: it has ended
	Gone  time.Time `json:"gone,omitzero"`  // it was missing since then
	Told  bool      `json:"told,omitempty"` // that it holds
	// Unsure says that nobody knows whether the last message arrived.
	Unsure   bool      `json:"unsure,omitempty"`
	LastTold time.Time `json:"last_told,omitzero"`
}

// MarkTold remembers what a message told. With unsure, nobody knows whether it arrived.
func MarkTold(seen []SeenCause, told []Notice, now time.Time, unsure bool) {
	for _, n := range told {
		i := slices.IndexFunc(seen, func(s SeenCause) bool { return s.Is(n.Cause) })
		switch {
		case i < 0:
		case n.State == NoticeEnded: // it is quiet from when it was told that it holds
			seen[i].Since, seen[i].Gone, seen[i].Told, seen[i].Unsure = time.Time{}, time.Time{}, false, false
		default:
			seen[i].Told, seen[i].Unsure, seen[i].LastTold = true, unsure, now
		}
	}
}

// NoticeState says what a notice tells.
type NoticeState string

const (
	NoticeBegun NoticeState = "begun"
	NoticeLasts NoticeState = "lasts"
	NoticeEnded NoticeState = "ended"
	NoticeTrial NoticeState = "trial"
)

// Notice is what is told of one cause.
type Notice struct {
	Cause
	State NoticeState `json:"state"`
	Since time.Time   `json:"since,omitzero"`
}

// NotifySendInput is one message.
type NotifySendInput struct {
	Notices []Notice `json:"notices"`
}

// NotSent is the type of the failure that says that a message did not arrive for sure. After
// any other failure it may have.
const NotSent = "NotSent"

// NotifyTestInput asks for a trial message.
type NotifyTestInput struct {
	By string `json:"by,omitempty"`
}

// NotifyTestResult says how it went.
type NotifyTestResult struct {
	Sent    bool   `json:"sent"`
	Problem string `json:"problem,omitempty"`
	Off     bool   `json:"off,omitempty"` // the worker has no webhook
}

// NotifyState is how the last message went.
type NotifyState struct {
	At      time.Time `json:"at"`
	Problem string    `json:"problem,omitempty"` // "": it was taken
}
