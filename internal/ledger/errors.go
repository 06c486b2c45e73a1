package ledger

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound is returned for a run, page, revision or watermark the ledger does not hold.
	ErrNotFound = errors.New("not in the ledger")
	// ErrFenced is returned to an attempt whose lane another attempt has opened since; nothing was written.
	ErrFenced = errors.New("the lane was taken over by another attempt")
	// ErrEnded is returned for staging into, or advancing, a run that has ended; nothing was written.
	ErrEnded = errors.New("the run has ended")
	// ErrClosed is returned once Close was called.
	ErrClosed = errors.New("the ledger is closed")
)

// UnfinishedError lists lanes that must be written before a run can end.
type UnfinishedError struct{ Lanes []OpenLaneRef }

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("%d lanes of the run are not written yet", len(e.Lanes))
}
