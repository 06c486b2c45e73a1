package simulation

import (
	"fmt"
	"math/rand/v2"
	"time"

	"causeway.dev/activities"
	optoutflow "causeway.dev/activities/optout"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/optout"
	"causeway.dev/internal/transport"
)

// phone is the opt-out that people choose on both sides.
var phone = optout.PairSetting{Campaign: "denyListPhone", Dynamics: "donotphone"}

const (
	phoneField = "blackListPhone"
	// clockSkew is what the clocks may differ by: an opt-in has to be newer by more.
	clockSkew = 5 * time.Minute
)

// chosen is what a person has chosen. Dates are by the clock of the systems.
type chosen struct {
	out    bool      // the last choice
	outAt  time.Time // the last opt-out
	inAt   time.Time // the last opt-in in Campaign; one in Dynamics never wins by its age
	unsure bool      // an opt-out may be gone with the record that held it
}

// staysOut says that the rules keep this person opted out.
func (c *chosen) staysOut() bool {
	return c != nil && c.out && !c.unsure && !c.inAt.Truncate(time.Second).After(c.outAt.Truncate(time.Second).Add(clockSkew))
}

// choose is a person who opts out or in, in one of the systems. The first one brings the
// flow of opt-outs about.
func (w *world) choose(rng *rand.Rand) {
	if w.choices == nil {
		w.choices = &flow{w: w, steps: w.choiceSteps()}
		w.running.Go(w.choices.run)
	}
	keys := w.dynamics.Keys(contacts)
	if under := w.underWay(keys); len(under) > 0 && rng.IntN(2) == 0 {
		keys = under
	}
	if len(keys) == 0 {
		return
	}
	key, out, there := keys[rng.IntN(len(keys))], rng.IntN(3) > 0, rng.IntN(2) == 0
	p, row := w.campaign.Profile(key), w.dynamics.Row(contacts, key)
	switch {
	case row["merged"] == true, there && (p == nil || (p[phoneField] == true) == out), !there && (row["donotphone"] == true) == out:
		return // the same once more is no choice
	case there:
		if !out && rng.IntN(2) == 0 { // late enough to be the newer choice
			w.clock.Advance(clockSkew + time.Minute)
		}
		w.note("  Campaign: %s %s = %v", key, phoneField, out)
		must(w.campaign.Update("profile", key, fmt.Appendf(nil, `{%q:%v}`, phoneField, out)))
	default:
		w.change(key, phone.Dynamics, out)
	}
	c := w.chosen[key]
	if c == nil {
		c = &chosen{}
		w.chosen[key] = c
	}
	switch c.out = out; {
	case out:
		c.outAt = w.clock.Now()
	case there:
		c.inAt = w.clock.Now()
	}
}

// forgets keeps that a record was deleted, and with it what only that one knew.
func (w *world) forgets(key string) {
	if c := w.chosen[key]; c != nil {
		c.unsure = true
	}
}

// deletedProfile is forgets for a profile that a flow deletes: what was carried to Dynamics
// stays known.
func (w *world) deletedProfile(key string) {
	if w.dynamics.Row(contacts, key)[phone.Dynamics] != true {
		w.forgets(key)
	}
}

// lostOptOuts compares what people chose with what both systems hold. They must agree, and
// nobody who opted out last may be reached, unless the clocks say that an opt-in is newer.
func (w *world) lostOptOuts() []string {
	if w.choices == nil {
		return nil
	}
	var out []string
	for _, key := range w.dynamics.Keys(contacts) {
		p, row := w.campaign.Profile(key), w.dynamics.Row(contacts, key)
		if p == nil || row["merged"] == true {
			continue
		}
		here, there := row[phone.Dynamics] == true, p[phoneField] == true
		if here != there {
			out = append(out, fmt.Sprintf("%s: %s is %v, %s is %v", key, phone.Dynamics, here, phoneField, there))
		}
		if w.chosen[key].staysOut() && (!here || !there) {
			out = append(out, fmt.Sprintf("%s: an opt-out is lost: %s is %v, %s is %v", key, phone.Dynamics, here, phoneField, there))
		}
	}
	return out
}

// optOutsOf makes a worker for an attempt at the opt-outs. Its clock is that of its ledger: both
// are those of one process, and what waits until a time is compared with the other one.
func (w *world) optOutsOf(a *attempt) *optoutflow.Activities {
	source, _ := w.dynamicsOf(a)
	target, err := campaign.New(campaign.Options{BaseURL: "https://" + campaignHost + "/" + tenant, APIKey: apiKey, Transport: transport.New(w.sender(a, "campaign", w.tokens[1]))})
	must(err)
	return optoutflow.New(optoutflow.Options{Dynamics: source, Campaign: target, Exports: target, Ledger: w.ledger(), Concurrency: 1,
		CatchUpSlack: 5 * time.Minute, Now: w.now})
}

// choiceSteps are those of workflows.OptOutSync, over REST.
func (w *world) choiceSteps() steps {
	settings := activities.OptOutSettings{Mode: optout.Bidirectional, Source: optout.SourceREST, Pairs: []optout.PairSetting{phone}, CampaignEvery: time.Second,
		Skew: clockSkew, ModifiedSince: optout.FilterSetting{Filter: "byModifiedSince", Parameter: "since_parameter"}, Profiles: contacts}
	return steps{
		name: "choices", table: activities.FlowOptOut, first: activities.PhaseDelta,
		phases: func(kind activities.Kind, _ int64) []activities.Phase {
			if kind == activities.KindDelta {
				return []activities.Phase{activities.PhaseDelta}
			}
			return []activities.Phase{activities.PhaseBaseline, activities.PhaseCatchUp}
		},
		preflight: func(a *attempt, restored string, mark activities.StartMark) (*started, error) {
			in := activities.PreflightOptOutInput{Settings: settings, StartMark: mark}
			if restored == restoredNow {
				in.Restored = "it was restored"
			}
			out, err := w.optOutsOf(a).PreflightOptOut(a.ctx, in)
			if err != nil {
				return nil, err
			}
			return &started{out.Revision, out.Plan, out.NeedsBaseline, out.UnfinishedRun, out.Restored != ""}, nil
		},
		open: func(a *attempt, in activities.OpenRunInput) (*activities.OpenRunResult, error) {
			return w.optOutsOf(a).OpenOptOutRun(a.ctx, in)
		},
		fetch: func(a *attempt, in activities.FetchInput) (*activities.FetchResult, error) {
			in.Now = true
			return w.optOutsOf(a).FetchOptOuts(a.ctx, in)
		},
		write: func(a *attempt, in activities.LaneInput) (*activities.LaneResult, error) {
			return w.optOutsOf(a).WriteOptOuts(a.ctx, in)
		},
		save: func(a *attempt, in activities.SaveWatermarkInput) (*activities.SaveWatermarkResult, error) {
			return w.optOutsOf(a).SaveOptOutPosition(a.ctx, in)
		},
		end: func(a *attempt, in activities.EndRunInput) error { return w.optOutsOf(a).EndOptOutRun(a.ctx, in) },
	}
}
