package run_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities/run"
)

// A reading that comes round again is noticed, however long it went straight on before;
// one that goes on is not.
func TestACycleOfLinksIsNoticed(t *testing.T) {
	t.Parallel()
	for straight := range 20 {
		for round := 1; round <= 20; round++ {
			var c run.Cycle
			n := 0
			for ; !c.Closes(fmt.Sprint(min(n, straight), "/", max(0, n-straight)%round)); n++ {
				require.Less(t, n, 4*(straight+round)+4, "%d straight, then a round of %d", straight, round)
			}
			require.GreaterOrEqual(t, n, straight+round, "only what was there before")
		}
	}
	var c run.Cycle
	for n := range 1000 {
		require.False(t, c.Closes(fmt.Sprint(n)))
		require.False(t, c.Closes(""))
	}
}
