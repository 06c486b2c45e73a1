package egress

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A contact that was merged since, or that is new in Dynamics, is believed for a
// minute to be what it was, and not longer; and memory is bounded.
func TestWhatIsKnownOfAContactIsForgotten(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := contactCache{now: func() time.Time { return now }}
	look := func(id string) bool {
		found, missing := c.lookUp([]string{id})
		require.Equal(t, 1, len(found)+len(missing))
		return len(found) == 1
	}
	require.False(t, look("a"))
	c.put(map[string]string{"a": "winner", "b": ""})
	require.True(t, look("a"))
	require.True(t, look("b"), "that there is none is known, too")
	c.forget("a")
	require.False(t, look("a"))
	now = now.Add(contactsKept - 1)
	require.True(t, look("b"))
	now = now.Add(1)
	require.False(t, look("b"))

	many := map[string]string{}
	for i := range maxContacts + 1 {
		many[fmt.Sprint(i)] = "x"
	}
	c.put(many)
	require.False(t, look("1"))
}
