package optout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/internal/optout"
)

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
	made     int
	modified int
	taken    int // true time, of a file
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
	restored, deleted   bool

	// what the flow has of its own
	state      []byte
	backup     []byte
	mark       int // version up to which Dynamics was read
	backMark   int
	staged     []func(*optout.Contact) given
	backStaged []func(*optout.Contact) given
	exported   int       // Campaign's modified up to which was exported
	files      []profile // exported, not yet read
	kept       []profile // read already; may come again
	crashAt    int       // calls until a crash; 0 = none
	refused    string    // pair that Dynamics takes from nobody but people; "" = none
	reading    int       // true time of what the flow has of the profile in hand …
	told       int       // … and in its ledger
	backTold   int
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
	if w.c.gone {
		return
	}
	w.tick(1)
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

// deleteProfile takes the profile away, and with it what nobody but Campaign knew.
func (w *world) deleteProfile() {
	w.tick(1) // nothing is seen and made anew at once
	w.c.gone, w.deleted = true, true
	w.forget()
}

// forget drops Campaign's opt-outs that are nowhere any more: the flow has not seen them.
func (w *world) forget() {
	w.choices = slices.DeleteFunc(w.choices, func(made choice) bool { return made.inCampaign && made.out && made.at > w.told })
}

// makeProfile is ingress: a profile in which nobody has chosen anything.
func (w *world) makeProfile() {
	now := w.now + w.cSkew
	w.c = profile{values: map[string]bool{dated: false, undated: false}, stamps: map[string]int{}, made: now, modified: now}
}

// export writes a file of the profile if it changed since the last one.
func (w *world) export() {
	if !w.c.gone && w.c.modified >= w.exported {
		w.files = append(w.files, clone(w.c))
		w.files[len(w.files)-1].taken = w.now
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
	w.reading = w.now
	row := w.rowOf(w.c, w.restTells)
	row.Live, row.AsOf, row.Made = true, w.Now(), at(w.c.made)
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
			require.Equal(w.t, optout.Bidirectional, w.policy.Mode, "R19.5")
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
		return optout.DynamicsRow{Gone: w.d.gone}, map[bool]error{false: errChanged}[w.d.gone]
	}
	for _, d := range decisions {
		if d.ToDynamics && d.Pair == w.refused {
			w.rough = true
			return optout.DynamicsRow{}, fmt.Errorf("%w: a plug-in", errRefused)
		}
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
	w.staged = append(w.staged, func(c *optout.Contact) given {
		c.SeeDynamics(row)
		return given{New: true}
	})
}

func (w *world) stageFile(p profile) {
	row := w.rowOf(p, true)
	row.AsOf, row.Within = at(p.modified), w.policy.Skew
	w.staged = append(w.staged, func(c *optout.Contact) given {
		c.SeeCampaign(row)
		w.reading = max(w.reading, p.taken)
		return given{}
	})
}

// work carries what is staged; what a crash interrupts stays staged.
func (w *world) work() {
	for len(w.staged) > 0 {
		c := &optout.Contact{}
		require.NoError(w.t, json.Unmarshal(w.state, c))
		w.reading = 0
		look := w.staged[0](c)
		if _, err := reconcile(context.Background(), c, w.policy, pairs, w, look); err != nil && !errors.Is(err, errRefused) {
			require.ErrorIs(w.t, err, errCrash)
			return
		}
		var err error
		w.state, err = json.Marshal(c)
		require.NoError(w.t, err)
		w.staged = w.staged[1:]
		w.told = max(w.told, w.reading)
	}
}

// rest lets everything be exported, read and carried, until nothing is left.
func (w *world) rest() {
	w.crashAt, w.refused = 0, ""
	for range 6 {
		w.tick(1000)
		w.stageDynamics()
		w.staged = append(w.staged, func(c *optout.Contact) given { // what waits, or was refused, is looked at again
			if c.Campaign == optout.Gone {
				c.Campaign = optout.Unseen
			}
			return given{}
		})
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
	oneWay := w.policy.Mode == optout.CampaignToDynamics
	for _, pair := range pairs {
		if !w.c.gone && !oneWay {
			require.Equal(w.t, w.d.values[pair], w.c.values[pair], "%s: %s differs at rest", name, pair)
		}
		if w.d.values[pair] || oneWay && pair == undated {
			continue
		}
		// Opted in: every opt-out has been taken back later, in the same system or by
		// a choice in Campaign; or by hand in Dynamics, where nothing goes the other way.
		for i, made := range w.choices {
			if !made.out || made.pair != pair || w.unsure(made) {
				continue
			}
			require.True(w.t, slices.ContainsFunc(w.choices[i+1:], func(later choice) bool {
				return later.pair == pair && !later.out && (later.inCampaign || !made.inCampaign || oneWay)
			}), "%s: %s: an opt-out is lost: %+v of %+v", name, pair, made, w.choices)
		}
	}
	before := w.writes
	w.rest()
	require.Equal(w.t, before, w.writes, "%s: writes at rest", name)
}

// unsure is the trade-off of dating a choice by the edit that made it: what was
// taken back and chosen again unseen is as old as before. Only a ledger that is
// restored has not seen it here.
func (w *world) unsure(made choice) bool {
	byEdit := w.policy.AttributeLevel || w.policy.Mode == optout.CampaignToDynamics
	return byEdit && w.restored && (!made.inCampaign || w.c.made > 0)
}

func newWorld(t *rapid.T) *world {
	skew := rapid.SampledFrom([]int{0, 2000, 10_000}).Draw(t, "tolerance")
	clock := func(name string) int { return rapid.IntRange(-skew/2, skew/2).Draw(t, name) }
	w := &world{
		t: t, now: 1_000_000, dSkew: clock("dynamics' clock"), cSkew: clock("campaign's clock"), wSkew: clock("our clock"),
		policy:    optout.Policy{Mode: rapid.SampledFrom([]optout.Mode{optout.Bidirectional, optout.CampaignToDynamics}).Draw(t, "mode"), Skew: time.Duration(skew) * time.Millisecond, AttributeLevel: rapid.Bool().Draw(t, "attribute level")},
		restTells: rapid.Bool().Draw(t, "REST tells stamps"),
		d:         contactRow{values: map[string]bool{dated: false, undated: false}, version: 1},
		c:         profile{values: map[string]bool{dated: false, undated: false}, stamps: map[string]int{}},
		state:     []byte("{}"), backup: []byte("{}"),
	}
	w.d.modified, w.c.modified = w.now/1000*1000, w.now
	w.tick(60_000)
	return w
}
