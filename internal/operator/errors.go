package operator

import (
	"errors"
	"fmt"
)

// Kind says who has to act on an Error.
type Kind int

const (
	Failed      Kind = iota // it was asked for, and did not come about
	BadInput                // nothing was done: what was asked for cannot be, or a flow refused it
	NotStarted              // nothing was done: the flow is not there
	NoWorker                // Temporal answers, and no worker does
	Unreachable             // Temporal does not answer, or lets nobody in
)

// Error is why something was not done: one sentence saying what happened and what
// to do about it now.
type Error struct {
	Kind  Kind
	Field string // the input that is wrong, such as since, where a face has one for it
	Text  string

	refused bool // a worker would not do it, for who asked or for what: nothing was done, also where the question was accepted
	denied  bool // Temporal answered, and lets nobody in
}

func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Text
	}
	return e.Text
}

// KindOf is the kind of an error of this package; Failed for any other.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Failed
}

func failed(format string, args ...any) error {
	return &Error{Kind: Failed, Text: fmt.Sprintf(format, args...)}
}

func badInput(format string, args ...any) error {
	return &Error{Kind: BadInput, Text: fmt.Sprintf(format, args...)}
}

func badField(field, format string, args ...any) error {
	return &Error{Kind: BadInput, Field: field, Text: fmt.Sprintf(format, args...)}
}

func notStarted(format string, args ...any) error {
	return &Error{Kind: NotStarted, Text: fmt.Sprintf(format, args...)}
}

func noWorker(format string, args ...any) error {
	return &Error{Kind: NoWorker, Text: fmt.Sprintf(format, args...)}
}

func unreachable(format string, args ...any) error {
	return &Error{Kind: Unreachable, Text: fmt.Sprintf(format, args...)}
}

// denied is unreachable where waiting does not help.
func denied(format string, args ...any) error {
	return &Error{Kind: Unreachable, Text: fmt.Sprintf(format, args...), denied: true}
}

// MayAnswerLater says whether Temporal did not answer an error's question, and may do so
// after a while, as a server does that has just been started.
func MayAnswerLater(err error) bool {
	e, ours := errors.AsType[*Error](err)
	return ours && e.Kind == Unreachable && !e.denied
}

// asFailed is for work that was accepted: an error of it is no bad input, unless the worker
// says so, or somebody was not allowed to ask for it.
func asFailed(err error) error {
	if e, ours := errors.AsType[*Error](err); ours && e.Kind == BadInput && !e.refused {
		return failed("%s", err.Error())
	}
	return err
}

// mayComeBack says whether an error may pass, because a worker or the server is away.
func mayComeBack(err error) bool {
	kind := KindOf(err)
	return errors.Is(err, ErrNoWorker) || kind == NoWorker || kind == Unreachable
}
