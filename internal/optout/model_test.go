package optout_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/internal/optout"
)

// The world of these tests is written apart from the rules under test: two
// records of one person, two clocks, files, crashes, and a list of what people
// chose.

const (
	dated   = "denyListEmail=donotbulkemail"
	undated = "ccpaOptOut=marketingonly" // Campaign keeps no stamp of it
)

var pairs = []string{dated, undated}

type choice struct {
	pair       string
	inCampaign bool
	out        bool
	at         int // true time, milliseconds
}

type contactRow struct {
	values   map[string]bool
	version  int
	modified int // by the clock of Dynamics
	gone     bool
}

type profile struct {
	values   map[string]bool
	stamps   map[string]int
	modified int
	gone     bool
}

type world struct {
	t                   *rapid.T
	now                 int // true time, milliseconds
	dSkew, cSkew, wSkew int // clocks of Dynamics, Campaign and the worker
	policy              optout.Policy
	restTells           bool // REST answers carry stamps
	d                   contactRow
	c                   profile
	choices             []choice
	edits, writes       int
	rough               bool // crashes or restores happened: writes may repeat
	restored            bool

	// what the flow has of its own
	state      []byte
	backup     []byte
	mark       int // version up to which Dynamics was read
	backMark   int
	staged     []func(*optout.Contact) optout.Look
	backStaged []func(*optout.Contact) optout.Look
	exported   int       // Campaign's modified up to which was exported
	files      []profile // exported, not yet read
	kept       []profile // read already; may come again
	crashAt    int       // calls until a crash; 0 = none
}

func at(ms int) time.Time { return mon.Add(time.Duration(ms) * time.Millisecond) }

func clone(p profile) profile {
	p.values, p.stamps = maps.Clone(p.values), maps.Clone(p.stamps)
	return p
}

func (w *world) tick(ms int) { w.now += ms }

func (w *world) chooseInDynamics(pair string, out bool, person bool) {
	if w.d.values[pair] != out && person {
		w.choices = append(w.choices, choice{pair, false, out, w.now})
	}
	w.d.values[pair] = out
	w.touchDynamics()
}

func (w *world) touchDynamics() {
	w.d.version++
	w.d.modified = (w.now + w.dSkew) / 1000 * 1000
}

func (w *world) chooseInCampaign(pair string, out bool, person bool) {
	w.c.modified = w.now + w.cSkew
	if w.c.values[pair] == out {
		return
	}
	if person {
		w.choices = append(w.choices, choice{pair, true, out, w.now})
	}
	w.c.values[pair] = out
	if pair != undated {
		w.c.stamps[pair] = w.c.modified
	}
}

// export writes a file of the profile if it changed since the last one.
func (w *world) export() {
	if !w.c.gone && w.c.modified >= w.exported {
		w.files = append(w.files, clone(w.c))
		w.exported = w.c.modified
	}
}

func (w *world) rowOf(p profile, stamps bool) optout.CampaignRow {
	row := optout.CampaignRow{Gone: p.gone, Values: map[string]optout.CampaignValue{}}
	for pair, out := range p.values {
		v := optout.CampaignValue{Out: out}
		if ms, ok := p.stamps[pair]; ok && stamps {
			v.At = at(ms)
		}
		row.Values[pair] = v
	}
	return row
}

func (w *world) dynamicsRow() optout.DynamicsRow {
	if w.d.gone {
		return optout.DynamicsRow{Gone: true}
	}
	row := optout.DynamicsRow{Version: time.Duration(w.d.version).String(), Modified: at(w.d.modified), Values: map[string]*bool{}}
	for pair, out := range w.d.values {
		row.Values[pair] = &out
	}
	return row
}

var errCrash = errors.New("the worker was killed")

// killed counts down to a crash, before or after the effect of a call.
func (w *world) killed() error {
	if w.crashAt > 0 {
		if w.crashAt--; w.crashAt == 0 {
			w.rough = true
			return errCrash
		}
	}
	return nil
}

func (w *world) Now() time.Time { return at(w.now + w.wSkew).Add(-w.policy.Skew) }

func (w *world) ReadCampaign(context.Context) (optout.CampaignRow, error) {
	w.tick(1)
	row := w.rowOf(w.c, w.restTells)
	row.Live, row.AsOf = true, w.Now()
	return row, w.killed()
}

func (w *world) WriteCampaign(_ context.Context, decisions []optout.Decision) (bool, error) {
	if err := w.killed(); err != nil {
		return false, err
	}
	w.tick(1)
	if w.c.gone {
		return false, nil
	}
	w.writes++
	for _, d := range decisions {
		if d.ToCampaign {
			require.True(w.t, d.Out, "Campaign is never written to clear an opt-out")
			w.chooseInCampaign(d.Pair, d.Out, false)
		}
	}
	return true, w.killed()
}

func (w *world) ReadDynamics(context.Context) (optout.DynamicsRow, error) {
	w.tick(1)
	return w.dynamicsRow(), w.killed()
}

func (w *world) WriteDynamics(_ context.Context, version string, decisions []optout.Decision) (optout.DynamicsRow, error) {
	if err := w.killed(); err != nil {
		return optout.DynamicsRow{}, err
	}
	w.tick(1)
	if w.d.gone || w.dynamicsRow().Version != version {
		return optout.DynamicsRow{Gone: w.d.gone}, map[bool]error{false: optout.ErrChanged}[w.d.gone]
	}
	w.writes++
	for _, d := range decisions {
		if d.ToDynamics {
			w.d.values[d.Pair] = d.Out
		}
	}
	w.touchDynamics()
	return w.dynamicsRow(), w.killed()
}

// stageDynamics reads what changed behind the mark, to be carried later.
func (w *world) stageDynamics() {
	if w.d.version <= w.mark {
		return
	}
	row := w.dynamicsRow()
	w.mark = w.d.version
	w.staged = append(w.staged, func(c *optout.Contact) optout.Look {
		c.SeeDynamics(row)
		return optout.Look{New: true}
	})
}

func (w *world) stageFile(p profile) {
	row := w.rowOf(p, true)
	row.AsOf = at(p.modified)
	w.staged = append(w.staged, func(c *optout.Contact) optout.Look {
		c.SeeCampaign(row)
		return optout.Look{}
	})
}

// work carries what is staged; what a crash interrupts stays staged.
func (w *world) work() {
	for len(w.staged) > 0 {
		c := &optout.Contact{}
		require.NoError(w.t, json.Unmarshal(w.state, c))
		look := w.staged[0](c)
		if _, err := c.Carry(context.Background(), w.policy, pairs, w, look); err != nil {
			require.ErrorIs(w.t, err, errCrash)
			return
		}
		var err error
		w.state, err = json.Marshal(c)
		require.NoError(w.t, err)
		w.staged = w.staged[1:]
	}
}

// rest lets everything be exported, read and carried, until nothing is left.
func (w *world) rest() {
	w.crashAt = 0
	for range 6 {
		w.tick(1000)
		w.stageDynamics()
		w.work()
		w.export()
		for _, f := range w.files {
			w.stageFile(f)
			w.kept = append(w.kept, f)
		}
		w.files = nil
		w.work()
	}
}

func (w *world) check(name string) {
	for _, pair := range pairs {
		if !w.d.gone && !w.c.gone {
			require.Equal(w.t, w.d.values[pair], w.c.values[pair], "%s: %s differs at rest", name, pair)
		}
		if w.d.values[pair] || w.d.gone {
			continue
		}
		// Opted in: every opt-out has been taken back later, in the same system or by
		// a choice in Campaign.
		for i, made := range w.choices {
			if !made.out || made.pair != pair || w.policy.AttributeLevel && w.restored && !made.inCampaign {
				continue
			}
			require.True(w.t, slices.ContainsFunc(w.choices[i+1:], func(later choice) bool {
				return later.pair == pair && !later.out && (later.inCampaign || !made.inCampaign)
			}), "%s: %s: an opt-out is lost: %+v of %+v", name, pair, made, w.choices)
		}
	}
	before := w.writes
	w.rest()
	require.Equal(w.t, before, w.writes, "%s: writes at rest", name)
}

func newWorld(t *rapid.T) *world {
	skew := rapid.SampledFrom([]int{0, 2000, 10_000}).Draw(t, "tolerance")
	clock := func(name string) int { return rapid.IntRange(-skew/2, skew/2).Draw(t, name) }
	w := &world{
		t: t, now: 1_000_000, dSkew: clock("dynamics' clock"), cSkew: clock("campaign's clock"), wSkew: clock("our clock"),
		policy:    optout.Policy{Mode: optout.Bidirectional, Skew: time.Duration(skew) * time.Millisecond, AttributeLevel: rapid.Bool().Draw(t, "attribute level")},
		restTells: rapid.Bool().Draw(t, "REST tells stamps"),
		d:         contactRow{values: map[string]bool{dated: false, undated: false}, version: 1},
		c:         profile{values: map[string]bool{dated: false, undated: false}, stamps: map[string]int{}},
		state:     []byte("{}"), backup: []byte("{}"),
	}
	w.d.modified, w.c.modified = w.now/1000*1000, w.now
	w.tick(60_000)
	return w
}

// R19.10–R19.12, R19.19, R19.20.
func TestChoicesConvergeAndNoOptOutIsLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		pair := rapid.SampledFrom(pairs)
		t.Repeat(map[string]func(*rapid.T){
			"somebody chooses in Dynamics": func(t *rapid.T) {
				w.edits++
				w.chooseInDynamics(pair.Draw(t, "pair"), rapid.Bool().Draw(t, "out"), true)
				if w.policy.AttributeLevel {
					// Its trade-off: a choice that is made and taken back between two looks is
					// not seen, so here each is looked at.
					w.stageDynamics()
				}
			},
			"somebody chooses in Campaign": func(t *rapid.T) {
				w.edits++
				w.chooseInCampaign(pair.Draw(t, "pair"), rapid.Bool().Draw(t, "out"), true)
			},
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
					w.files = slices.Delete(w.files, i, i+1)
				}
			},
			"a file is truncated, and refused": func(*rapid.T) {}, // nothing of it is taken
			"a file comes again": func(t *rapid.T) {
				if len(w.kept) > 0 {
					w.stageFile(rapid.SampledFrom(w.kept).Draw(t, "file"))
				}
			},
			"the worker is killed soon": func(t *rapid.T) { w.crashAt = rapid.IntRange(1, 6).Draw(t, "calls") },
			"the ledger is backed up": func(*rapid.T) {
				w.backup, w.backMark, w.backStaged = w.state, w.mark, slices.Clone(w.staged)
			},
			"the ledger is restored": func(*rapid.T) {
				// Files that were read since are kept for days, and found to be unknown.
				w.state, w.mark, w.staged, w.rough = w.backup, w.backMark, slices.Clone(w.backStaged), true
				w.restored = true
				w.files = append(w.files, w.kept...)
			},
		})
		w.rest()
		w.check("at rest")
		if !w.rough {
			require.LessOrEqual(t, w.writes, 2*w.edits, "a write storm")
		}

		// Later, somebody opts back in, in Campaign: by now that is the newest choice.
		w.tick(60_000)
		w.chooseInCampaign(dated, false, true)
		w.rest()
		require.False(t, w.c.values[dated], "a newer opt-in in Campaign wins (R19.10)")
		w.check("after an opt-in")
		// And out again, in Dynamics.
		w.tick(60_000)
		w.chooseInDynamics(dated, true, true)
		w.rest()
		require.True(t, w.c.values[dated], "an opt-out in Dynamics wins (R19.11)")
		w.check("after an opt-out")
	})
}
