package ingress

import (
	"fmt"
	"hash/fnv"

	"causeway.dev/activities/run"
	"causeway.dev/internal/dataverse"
)

// sameAgain is how many times in a row a delta link may lead to the same changes and
// back to itself.
const sameAgain = 5

// sameChanges is what a delta link led to that did not advance, and how often.
type sameChanges struct {
	sum uint64
	n   int
}

// checkAdvance fails when a delta link leads to the same changes, and back to itself,
// again and again: they would be read for ever, and nothing behind them. A link that
// stays the same while nothing changes is as it should be.
func (w *changeWait) checkAdvance(page *dataverse.Page) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(page.Changes) == 0 || page.DeltaLink != w.watermark.Link {
		delete(w.stuck, w.in.Table)
		return nil
	}
	h := fnv.New64a()
	for _, c := range page.Changes {
		_, _ = fmt.Fprintln(h, c.Key, c.Version, c.Deleted)
	}
	seen := w.stuck[w.in.Table]
	if seen.sum != h.Sum64() {
		seen = sameChanges{sum: h.Sum64()}
	}
	seen.n++
	w.stuck[w.in.Table] = seen
	if seen.n > sameAgain {
		return run.LinkRepeated("dataverse", "read changes to "+w.in.Table)
	}
	return nil
}
