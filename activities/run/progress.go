package run

import (
	"context"
	"errors"
	"fmt"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// emptyPages is how many pages in a row may hold nothing and still name a next one.
const emptyPages = 1000

// CheckProgress fails with ReasonLinkRepeated when a run would read for ever: its page
// names a next one that an earlier page has named already, or nothing but empty pages
// has come for long. The client has asked twice for a page that names itself, because
// that may come from a cache.
//
// Pages are compared with the one at the last power of two, so a check costs one look
// into the ledger, and a cycle is found before it has been read three times.
func CheckProgress(ctx context.Context, l *ledger.Ledger, page ledger.PageInput) error {
	switch page.Next.Kind {
	case ledger.CursorLink, ledger.CursorProfiles, ledger.CursorContacts, ledger.CursorModified:
	default:
		return nil // places of our own, which only rise
	}
	if page.Number < 2 || page.Next.At == "" {
		return nil
	}
	earlier, err := l.Page(ctx, page.Run, lastPowerOfTwo(page.Number-1))
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	if err == nil && earlier.Phase == page.Phase && earlier.Next == page.Next {
		return Blocked(apierr.ReasonLinkRepeated, fmt.Sprintf(
			"page %d names the same page as the next one as page %d did; reading on would never end", page.Number, earlier.Number))
	}
	if page.Next.Kind != ledger.CursorLink || page.Number%emptyPages != 0 {
		return nil
	}
	for n := page.Number; n > page.Number-emptyPages; n-- {
		before, err := l.Page(ctx, page.Run, max(1, n-1))
		if errors.Is(err, ledger.ErrNotFound) {
			return nil
		}
		if err != nil || before.Read > 0 || before.Phase != page.Phase {
			return err
		}
	}
	return Blocked(apierr.ReasonLinkRepeated, fmt.Sprintf(
		"%d pages in a row held nothing, and each named a next one; reading on would never end", emptyPages))
}

func lastPowerOfTwo(n int) int {
	p := 1
	for 2*p <= n {
		p *= 2
	}
	return p
}

// LinkRepeated is the failure of a reading whose links come round again.
func LinkRepeated(service, op string) error {
	return &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonLinkRepeated, Service: service, Op: op,
		Message: "its pages lead back to one that was read; reading on would never end"}
}
