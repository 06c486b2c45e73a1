package campaign_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/campaign"
)

func TestAFileIsTakenOnceItHasRested(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	file := func(size int64, modified int) []campaign.RemoteFile {
		return []campaign.RemoteFile{{Path: "a.csv", Size: size, Modified: start.Add(time.Duration(modified) * time.Second)}}
	}
	type look struct {
		at   int // seconds
		list []campaign.RemoteFile
		want int // stable files
	}
	for name, looks := range map[string][]look{
		"seen once is not enough": {{0, file(1, 0), 0}},
		"too soon":                {{0, file(1, 0), 0}, {59, file(1, 0), 0}},
		"after a minute":          {{0, file(1, 0), 0}, {60, file(1, 0), 1}},
		"however often it is looked at in between": {{0, file(1, 0), 0}, {20, file(1, 0), 0}, {40, file(1, 0), 0}, {60, file(1, 0), 1}},
		"one that grows starts again":              {{0, file(1, 0), 0}, {50, file(2, 0), 0}, {70, file(2, 0), 0}, {110, file(2, 0), 1}},
		"so does one that is touched":              {{0, file(1, 0), 0}, {50, file(1, 9), 0}, {70, file(1, 9), 0}},
		"and one that went away":                   {{0, file(1, 0), 0}, {30, nil, 0}, {70, file(1, 0), 0}, {130, file(1, 0), 1}},
		"a clock set back starts again":            {{100, file(1, 0), 0}, {0, file(1, 0), 0}, {50, file(1, 0), 0}, {60, file(1, 0), 1}},
	} {
		var seen []campaign.Sighting
		for _, l := range looks {
			at := start.Add(time.Duration(l.at) * time.Second)
			seen = campaign.Observe(seen, l.list, at)
			require.Len(t, campaign.Stable(seen, at, time.Minute), l.want, "%s: at %d s", name, l.at)
		}
	}
}
