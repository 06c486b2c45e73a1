package activities_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

// tornRelease is a release that is stopped after some of its lanes, with other
// work between what it read and what it writes.
func (s *spine) tornRelease(lanes int, between func()) {
	s.t.Helper()
	s.runs++
	ref := activities.RunRef{Run: s.lastRun(), Table: s.table.Name, Revision: s.table.Revision(), Kind: activities.KindRelease}
	all := &activities.Release{}
	call[activities.OpenRunResult](s, s.in.OpenRun, activities.OpenRunInput{RunRef: ref, Release: all})
	page := call[activities.FetchResult](s, s.in.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseQuarantined, Lanes: 4, Release: all})
	between()
	for lane, size := range page.Lanes {
		if size > 0 && lane < lanes {
			call[activities.LaneResult](s, s.in.WriteLane, activities.LaneInput{RunRef: ref, Page: 1, Lane: lane})
		}
	}
	_, err := s.env.ExecuteActivity(s.in.EndRun, activities.EndRunInput{RunRef: ref, State: "STOPPED", Drop: true})
	require.NoError(s.t, err)
}

// Whatever the order of edits, deletes, passes, releases, stops and discards: in
// the end what can be written is written, and what cannot is open or discarded.
func TestQuarantineLosesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 11))
			s := newSpine(t, 24)
			keys := s.boxes.Dynamics.Keys("contacts")
			edit := func() {
				key := keys[rng.IntN(len(keys))]
				address := []string{"ann@example.test", "ben@example.test", "not-an-address", "no-address-either"}[rng.IntN(4)]
				_ = s.boxes.Dynamics.Update("contacts", key, map[string]any{"emailaddress1": address, "address1_city": fmt.Sprint("Nebelheim ", rng.IntN(5))}) // it may be deleted
			}
			for range 12 {
				edit()
			}
			s.load()
			for range 40 {
				switch rng.IntN(9) {
				case 0, 1, 2, 3:
					edit()
				case 4:
					s.boxes.Dynamics.Delete("contacts", keys[rng.IntN(len(keys))])
				case 5:
					s.delta()
				case 6:
					s.release(activities.Release{})
				case 7:
					open := ids(s.quarantine(activities.QuarantineListInput{}))
					mend := func(address string) {
						for _, key := range open {
							if rng.IntN(2) == 0 {
								_ = s.boxes.Dynamics.Update("contacts", key, map[string]any{"emailaddress1": address})
							}
						}
					}
					mend("old@example.test")
					s.tornRelease(rng.IntN(5), func() {
						if rng.IntN(2) == 0 {
							mend("new@example.test")
							s.delta()
						}
					})
				case 8:
					if open := ids(s.quarantine(activities.QuarantineListInput{})); len(open) > 0 {
						call[activities.DiscardResult](s, s.op.DiscardQuarantined, activities.DiscardInput{Table: "contacts",
							Selection: activities.Selection{IDs: open[:1]}, Discard: activities.Discard{By: "ada", Reason: "test", At: time.Now()}})
					}
				}
			}
			s.delta()
			s.release(activities.Release{})

			state := map[string]string{}
			for _, r := range s.quarantine(activities.QuarantineListInput{State: "all"}).Records {
				state[r.ID] = r.State
			}
			for _, key := range keys {
				row, profile := s.boxes.Dynamics.Row("contacts", key), s.boxes.Campaign.Profile(key)
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
