package run

import (
	"hash/fnv"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// LaneOf gives records of one key one lane, on every page of a run.
func LaneOf(key string, lanes int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum32() % uint32(lanes)) //nolint:gosec // lanes is 1 to 32
}

func Fetched(p *ledger.Page) *activities.FetchResult {
	return &activities.FetchResult{Page: p.Number, Phase: activities.Phase(p.Phase), Read: p.Read, Lanes: p.LaneSizes, More: !p.Next.None()}
}

// WindowFilter selects by modifiedon; "" selects everything.
func WindowFilter(w activities.Window) string {
	var parts []string
	if !w.Since.IsZero() {
		parts = append(parts, "modifiedon ge "+w.Since.UTC().Format(time.RFC3339))
	}
	if !w.Until.IsZero() {
		parts = append(parts, "modifiedon lt "+w.Until.UTC().Format(time.RFC3339))
	}
	return strings.Join(parts, " and ")
}
