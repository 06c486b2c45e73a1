package run

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A record is to blame when it has failed for long while others were taken, not when
// everything fails with it.
func TestWhichRecordIsToBlame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f failing
		bad := []string{"a", "b", "c", "d", "e"}
		for _, key := range bad {
			f.failed(key)
		}
		f.settled("others", true) // in flight when it began
		time.Sleep(10 * time.Minute)
		require.False(t, f.alone("a", 10*time.Minute, false), "others were taken only at its beginning")
		require.False(t, f.alone("unknown", time.Nanosecond, true))
		f.settled("others", false)
		require.False(t, f.alone("a", 10*time.Minute, false), "nothing was written for them")
		f.settled("others", true)
		require.True(t, f.alone("a", 10*time.Minute, false))
		require.False(t, f.alone("a", time.Hour, false))
		require.True(t, f.alone("a", time.Hour, true), "an answer that lasted stands for the time")

		time.Sleep(2 * time.Hour)
		require.False(t, f.alone("a", time.Minute, false), "nothing was taken for long")
		f.settled("d", false)
		f.settled("e", false)
		require.True(t, f.alone("a", time.Minute, false), "hardly anything else fails")
	})
}
