package optout

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/internal/optout"
)

// The world of these tests is written apart from the rules under test: two
// records of one person, two clocks, files, crashes, and a list of what people
// chose.

// R19.10–R19.12, R19.19, R19.20.
func TestChoicesConvergeAndNoOptOutIsLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		pair := rapid.SampledFrom(pairs)
		// Not everything happens in every life, or little of anything would.
		may := map[string]bool{}
		for _, what := range []string{"delete", "refuse", "restore", "kill"} {
			may[what] = rapid.IntRange(0, 2).Draw(t, "may "+what) == 0
		}
		when := func(what string, then func(*rapid.T)) func(*rapid.T) {
			return func(t *rapid.T) {
				if !may[what] {
					t.Skip()
				}
				then(t)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"somebody chooses in Dynamics": func(t *rapid.T) {
				w.edits++
				w.chooseInDynamics(pair.Draw(t, "pair"), rapid.Bool().Draw(t, "out"), true)
				if w.policy.AttributeLevel || w.policy.Mode == optout.CampaignToDynamics {
					// Its trade-off: a choice that is made and taken back between two looks is
					// not seen, so here each is looked at.
					w.stageDynamics()
				}
			},
			"somebody chooses in Campaign": func(t *rapid.T) {
				w.edits++
				w.chooseInCampaign(pair.Draw(t, "pair"), rapid.Bool().Draw(t, "out"), true)
			},
			"the profile is deleted": when("delete", func(*rapid.T) { w.deleteProfile() }),
			"the profile is made anew": when("delete", func(*rapid.T) {
				if w.c.gone {
					w.makeProfile()
					w.edits += len(pairs) // each opt-out that it does not hold
				}
			}),
			"Dynamics refuses a choice":     when("refuse", func(t *rapid.T) { w.refused = rapid.SampledFrom(append(pairs, "")).Draw(t, "refused") }),
			"the contact changes otherwise": func(*rapid.T) { w.touchDynamics() },
			"the profile changes otherwise": func(*rapid.T) { w.c.modified = w.now + w.cSkew },
			"time passes":                   func(t *rapid.T) { w.tick(rapid.SampledFrom([]int{1, 400, 1500, 4000, 9000, 30_000}).Draw(t, "ms")) },
			"Dynamics is read":              func(*rapid.T) { w.stageDynamics() },
			"what was read is carried":      func(*rapid.T) { w.work() },
			"Campaign exports":              func(*rapid.T) { w.export() },
			"a file arrives": func(t *rapid.T) { // on time, or late and out of order
				if len(w.files) > 0 {
					i := rapid.IntRange(0, len(w.files)-1).Draw(t, "file")
					w.stageFile(w.files[i])
					w.kept = append(w.kept, w.files[i])
					w.files = slices.Delete(slices.Clone(w.files), i, i+1)
				}
			},
			"a file comes again": func(t *rapid.T) {
				if len(w.kept) > 0 {
					w.stageFile(rapid.SampledFrom(w.kept).Draw(t, "file"))
				}
			},
			"the worker is killed soon": when("kill", func(t *rapid.T) { w.crashAt = rapid.IntRange(1, 6).Draw(t, "calls") }),
			"the ledger is backed up": when("restore", func(*rapid.T) {
				w.backup, w.backMark, w.backTold, w.backStaged = w.state, w.mark, w.told, slices.Clone(w.staged)
			}),
			"the ledger is restored": when("restore", func(*rapid.T) {
				// Files that were read since are kept for days, and found to be unknown.
				w.state, w.mark, w.staged, w.rough = w.backup, w.backMark, slices.Clone(w.backStaged), true
				w.restored = true
				if w.told = w.backTold; w.deleted {
					w.forget()
				}
				w.files = append(w.files, w.kept...)
			}),
		})
		w.rest()
		w.check("at rest")
		if !w.rough {
			require.LessOrEqual(t, w.writes, 2*w.edits, "a write storm")
		}

		// Later, somebody opts back in, in Campaign: by now that is the newest choice.
		w.tick(60_000)
		if w.c.gone {
			w.makeProfile()
			w.rest()
			w.tick(60_000)
		}
		w.chooseInCampaign(dated, false, true)
		w.rest()
		require.False(t, w.c.values[dated], "a newer opt-in in Campaign wins (R19.10)")
		w.check("after an opt-in")
		// And out again, in Dynamics.
		w.tick(60_000)
		w.chooseInDynamics(dated, true, true)
		w.rest()
		require.True(t, w.d.values[dated])
		require.Equal(t, w.policy.Mode == optout.Bidirectional, w.c.values[dated], "an opt-out in Dynamics wins (R19.11)")
		w.check("after an opt-out")
	})
}
