package optout_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
	"causeway.dev/internal/optout"
	"causeway.dev/sandbox/exports"
)

// reopen closes the ledger, lets f work on its file, and opens it anew.
func (s *optOutWorld) reopen(f func(path string)) {
	s.T.Helper()
	require.NoError(s.T, s.Ledger.Close())
	path := filepath.Join(s.ledgerDir, "ledger.db")
	f(path)
	var err error
	s.Ledger, err = ledger.Open(s.T.Context(), ledger.Options{Driver: "sqlite", Path: path, Synchronous: "normal", Keys: ledgertest.Keys})
	require.NoError(s.T, err)
	s.T.Cleanup(func() { _ = s.Ledger.Close() })
	s.optOpts.Ledger = s.Ledger
	s.rebuild()
}

func (s *optOutWorld) backUp(to string) {
	s.T.Helper()
	s.reopen(func(path string) {
		data, err := os.ReadFile(path)
		require.NoError(s.T, err)
		require.NoError(s.T, os.WriteFile(to, data, 0o600))
	})
}

func (s *optOutWorld) restore(from string) {
	s.T.Helper()
	s.reopen(func(path string) {
		for _, part := range []string{"-wal", "-shm"} {
			_ = os.Remove(path + part)
		}
		data, err := os.ReadFile(from)
		require.NoError(s.T, err)
		require.NoError(s.T, os.WriteFile(path, data, 0o600))
	})
}

// halfway reads a page and carries some of its lanes, as a worker that dies.
func (s *optOutWorld) halfway(rng *rand.Rand) {
	s.T.Helper()
	s.optRuns++
	ref := s.ref
	ref.Run, ref.Kind = fmt.Sprintf("optout-%d", s.optRuns), activities.KindDelta
	got := activitytest.Call[activities.FetchResult](s.World, s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 4, Now: true})
	for lane, size := range got.Lanes {
		if size > 0 && rng.IntN(2) == 0 {
			s.carryLane(activities.LaneInput{RunRef: ref, Page: 1, Lane: lane})
		}
	}
	if !got.Nothing { // the workflow gives it up and reads it again from the mark
		_, err := s.Env.ExecuteActivity(s.opt.EndOptOutRun, activities.EndRunInput{RunRef: ref, State: "STOPPED", Drop: true})
		require.NoError(s.T, err)
	}
	s.rebuild()
}

// Random schedules through the real activities, ledger and sandboxes: edits on both
// sides, exports on time, late and broken, workers that die halfway, a ledger
// restored from a backup. At rest both sides agree, and who never opted back in is
// left alone (R19.10–R19.12, R19.19, R19.20).
func TestRandomSchedules(t *testing.T) {
	t.Parallel()
	for seed := range activitytest.RandomSchedules(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 19))
			source := []string{optout.SourceREST, optout.SourceSFTP}[seed%2]
			s := newOptOutWorld(t, 12, optout.Bidirectional, source)
			s.settings.AttributeLevel = seed%4 >= 2
			s.startOptOut()
			backup := filepath.Join(t.TempDir(), "backup.db")
			s.backUp(backup)
			outLast := map[string]bool{} // contact and attribute whose last choice was to be left alone
			twists := []exports.Twist{exports.Gzip, exports.TruncatedGzip, exports.Unterminated, exports.WrongStamp, exports.DuplicateIDs, exports.Duplicate}
			pairs := []struct {
				column, field string
				inverted      bool
			}{{"donotbulkemail", "blackListEmail", false}, {"followemail", "blackListPhone", true}}
			for range 60 {
				id, p := s.keys[rng.IntN(len(s.keys))], pairs[rng.IntN(len(pairs))]
				switch rng.IntN(11) {
				case 0, 1, 2:
					out := rng.IntN(3) > 0
					if s.settings.AttributeLevel && s.Sandboxes.Dynamics.Row("contacts", id)[p.column] == (out != p.inverted) {
						continue // the same value once more is no choice then
					}
					s.inDynamics(id, p.column, out != p.inverted)
					outLast[id+p.field] = out
					if s.settings.AttributeLevel { // its trade-off: what is taken back unseen is not seen as chosen anew
						s.optRun(activities.KindDelta, activities.PhaseDelta)
					}
				case 3, 4:
					out := rng.IntN(3) > 0
					s.inCampaign(id, p.field, out)
					outLast[id+p.field] = out
				case 5:
					s.inDynamics(id, "telephone1", fmt.Sprint(rng.IntN(1000)))
				case 6:
					s.Sandboxes.Clock.Advance(time.Duration(rng.IntN(3600)) * time.Second)
				case 7:
					var twist []exports.Twist
					if rng.IntN(2) == 0 {
						twist = append(twist, twists[rng.IntN(len(twists))])
					}
					_, err := s.Sandboxes.ExportOptOuts(t.Context(), twist...)
					require.NoError(t, err)
				case 8:
					s.halfway(rng)
				case 9:
					s.optRun(activities.KindDelta, activities.PhaseDelta)
				case 10:
					if rng.IntN(4) == 0 && !s.settings.AttributeLevel {
						s.optRuns += 100 // runs are named by the clock
						s.restore(backup)
						s.optRuns += 100
					}
				}
			}
			// At rest: everybody's profile is in a whole export once more.
			for _, id := range s.keys {
				require.NoError(t, s.Sandboxes.Campaign.Update("profile", id, fmt.Appendf(nil, `{"firstName":"Ann%d"}`, seed)))
			}
			s.later()
			_, err := s.Sandboxes.ExportOptOuts(t.Context())
			require.NoError(t, err)
			s.settle()
			s.later()
			s.settle()
			var diff []string
			for _, id := range s.keys {
				row, profile := s.Sandboxes.Dynamics.Row("contacts", id), s.Sandboxes.Campaign.Profile(id)
				for _, p := range pairs {
					here, there := row[p.column] == !p.inverted, profile[p.field] == true
					if here != there {
						diff = append(diff, fmt.Sprintf("%s: %s %v, %s %v", id, p.column, here, p.field, there))
					}
					if outLast[id+p.field] && (!here || !there) {
						diff = append(diff, fmt.Sprintf("%s: %s: an opt-out is lost (%v, %v)", id, p.field, here, there))
					}
				}
			}
			require.Empty(t, diff)
			require.Zero(t, s.settle().Updated, "at rest nothing is written")
		})
	}
}
