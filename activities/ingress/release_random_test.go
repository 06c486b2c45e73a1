package ingress_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
)

// Whatever the order of edits, deletes, passes, releases, stops and discards: in
// the end what can be written is written, and what cannot is open or discarded.
func TestQuarantineLosesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 11))
			s := activitytest.NewWorld(t, 24)
			keys := s.Sandboxes.Dynamics.Keys("contacts")
			edit := func() {
				key := keys[rng.IntN(len(keys))]
				address := []string{"ann@example.test", "ben@example.test", "not-an-address", "no-address-either"}[rng.IntN(4)]
				_ = s.Sandboxes.Dynamics.Update("contacts", key, map[string]any{"emailaddress1": address, "address1_city": fmt.Sprint("Nebelheim ", rng.IntN(5))}) // it may be deleted
			}
			for range 12 {
				edit()
			}
			s.Load()
			for range 40 {
				switch rng.IntN(9) {
				case 0, 1, 2, 3:
					edit()
				case 4:
					s.Sandboxes.Dynamics.Delete("contacts", keys[rng.IntN(len(keys))])
				case 5:
					s.Delta()
				case 6:
					s.ReleaseQuarantined(activities.Release{})
				case 7:
					open := ids(s.ListQuarantine(activities.QuarantineListInput{}))
					mend := func(address string) {
						for _, key := range open {
							if rng.IntN(2) == 0 {
								_ = s.Sandboxes.Dynamics.Update("contacts", key, map[string]any{"emailaddress1": address})
							}
						}
					}
					mend("old@example.test")
					s.InterruptedRelease(rng.IntN(5), func() {
						if rng.IntN(2) == 0 {
							mend("new@example.test")
							s.Delta()
						}
					})
				case 8:
					if open := ids(s.ListQuarantine(activities.QuarantineListInput{})); len(open) > 0 {
						activitytest.Call[activities.DiscardResult](s, s.Operator.DiscardQuarantined, activities.DiscardInput{Table: "contacts",
							Selection: activities.Selection{IDs: open[:1]}, Discard: activities.Discard{By: "ada", Reason: "test", At: time.Now()}})
					}
				}
			}
			s.Delta()
			s.ReleaseQuarantined(activities.Release{})

			state := map[string]string{}
			for _, r := range s.ListQuarantine(activities.QuarantineListInput{State: "all"}).Records {
				state[r.ID] = r.State
			}
			for _, key := range keys {
				row, profile := s.Sandboxes.Dynamics.Row("contacts", key), s.Sandboxes.Campaign.Profile(key)
				address, _ := row["emailaddress1"].(string)
				switch {
				case row == nil:
					require.Nil(t, profile, "deleted in both")
					require.NotEqual(t, "open", state[key])
				case !strings.Contains(address, "@"):
					require.Contains(t, []string{"open", "discarded"}, state[key], "what is refused is never lost silently")
					if profile != nil {
						require.Contains(t, profile["email"], "@", "Campaign keeps what was written before")
					}
				default:
					require.NotEqual(t, "open", state[key])
					require.Equal(t, address, profile["email"])
					require.Equal(t, row["address1_city"], profile["location"].(map[string]any)["city"])
				}
			}
		})
	}
}
