package run

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The queue hands out each unit once at a time, and no group larger than one of
// its units allows.
func TestTheQueueKeepsTheLimitsOfItsUnits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var open []*Unit[int]
		for i := range rapid.IntRange(1, 40).Draw(t, "units") {
			open = append(open, &Unit[int]{Entries: []int{i}, maxGroup: rapid.IntRange(0, 6).Draw(t, "limit")})
		}
		q := newQueue(open)
		seen := map[int]int{}
		for {
			n := rapid.IntRange(1, 20).Draw(t, "size")
			group := q.take(n)
			if group == nil {
				break
			}
			require.LessOrEqual(t, len(group), n)
			for _, o := range group {
				seen[o.Entries[0]]++
				if o.maxGroup > 0 {
					require.LessOrEqual(t, len(group), o.maxGroup, fmt.Sprint(o.Entries))
				}
			}
			q.give(nil)
		}
		require.Len(t, seen, len(open))
		for i, times := range seen {
			require.Equal(t, 1, times, i)
		}
	})
}
