package simulation

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing/synctest"
	"time"
)

// A class is a kind of misfortune, by the words of what it is about.
type class string

const (
	plain       class = "plain"          // edits, outages, lost answers, kills, short pauses, clocks
	marketing   class = "events"         // what recipients do goes the other way meanwhile
	interrupted class = "interrupted"    // an operator stops the flow, or cancels a load or a backfill
	staleWriter class = "stale writer"   // an attempt, or its request in flight, outlives its heartbeat
	falseAnswer class = "false answer"   // a write is answered with a 200 that is no success
	falseRead   class = "false read"     // so is a read
	oddAnswer   class = "odd answer"     // one 404, 307 or 401 that means nothing
	merging     class = "merge"          // a contact becomes part of another, and profiles are erased
	choosing    class = "opt-outs"       // people choose on both sides
	undoing     class = "rollback"       // an operator undoes a run
	standing    class = "standing clock" // an attempt is frozen with its clock, for minutes or hours
	linking     class = "links"          // records that name others come, move and go
	refusing    class = "refusal"        // a healthy record is refused, and tried again
	restored    class = "restored"       // the ledger is replaced by an older copy
)

// A step is what the schedule does next. N decides the rest, together with what is
// there when its turn comes; a step that finds nothing to do does nothing, so that
// others can be left out of a schedule.
type step struct {
	do string
	n  uint64
}

func (s step) String() string { return fmt.Sprintf("%s/%d", s.do, s.n) }

type action struct {
	name   string
	weight int
	class  class
	act    func(w *world, rng *rand.Rand)
}

// actions are all that a schedule may do.
var actions = []action{
	{"deliver", 26, plain, func(w *world, rng *rand.Rand) { w.deliver(rng, 1) }},
	{"deliver some", 30, plain, func(w *world, rng *rand.Rand) { w.deliver(rng, 2+rng.IntN(14)) }},
	{"wait", 8, plain, func(w *world, rng *rand.Rand) { w.wait(time.Duration(rng.IntN(4000)) * time.Millisecond) }},
	{"edit", 18, plain, (*world).edit},
	{"recipient", 4, marketing, (*world).recipient},
	{"fail", 7, plain, (*world).fail},
	{"lose answer", 5, plain, (*world).loseAnswer},
	{"kill", 3, plain, (*world).killOne},
	{"pause", 3, plain, (*world).pauseOne},
	{"clock", 1, plain, (*world).moveClock},
	{"stop", 4, interrupted, func(w *world, rng *rand.Rand) {
		w.oneTable(rng).interrupt("stop", time.Duration(rng.Int64N(int64(20*time.Second))))
	}},
	{"backfill", 1, plain, func(w *world, rng *rand.Rand) { w.oneTable(rng).requestBackfill() }},
	{"cancel", 3, interrupted, func(w *world, rng *rand.Rand) { w.oneTable(rng).interrupt("cancel", time.Second) }},
	{"merge", 4, merging, (*world).merge},
	{"erase", 3, merging, (*world).eraseOne},
	{"choose", 8, choosing, (*world).choose},
	{"link", 22, linking, (*world).editFamily},
	{"refuse", 4, refusing, (*world).refuseOne},
	{"release", 3, refusing, func(w *world, rng *rand.Rand) { w.oneTable(rng).requestRelease() }},
	{"roll back", 3, undoing, (*world).rollBackOne},
	{"freeze", 6, staleWriter, (*world).freezeOne},
	{"thaw", 3, staleWriter, (*world).thawOne},
	{"kill in flight", 3, staleWriter, (*world).killInFlight},
	{"overtake", 4, staleWriter, (*world).overtake},
	{"stand still", 6, standing, (*world).standStill},
	{"lie", 6, falseAnswer, (*world).lie},
	{"lie about a read", 6, falseRead, (*world).lieAboutRead},
	{"answer oddly", 6, oddAnswer, (*world).answerOddly},
	{"back up", 3, restored, (*world).backUpNow},
	{"restore", 2, restored, (*world).restoreOne},
}

// scheduleOf is the schedule of a seed, with misfortunes of these classes.
func scheduleOf(seed uint64, classes []class) []step {
	rng := rand.New(rand.NewPCG(seed, 0x51)) //nolint:gosec // a schedule
	var of []action
	total := 0
	for _, a := range actions {
		if slices.Contains(classes, a.class) {
			of = append(of, a)
			total += a.weight
		}
	}
	steps := make([]step, 20+rng.IntN(100))
	for i := range steps {
		at := rng.IntN(total)
		for _, a := range of {
			if at -= a.weight; at < 0 {
				steps[i] = step{a.name, rng.Uint64N(1_000_000)}
				break
			}
		}
	}
	return steps
}

// perform carries out one step.
func (w *world) perform(s step) {
	for _, a := range actions {
		if a.name == s.do {
			synctest.Wait()
			w.note("%s", s)
			a.act(w, rand.New(rand.NewPCG(s.n, 0x57))) //nolint:gosec // a schedule
		}
	}
}

const (
	tick      = 250 * time.Millisecond
	patience  = 15 * time.Second // that somebody waits at a seam, at most
	impatient = 4 * time.Second  // before or after an activity: nobody tells Temporal that it lives
	longPause = 6 * time.Second  // that Temporal does not notice
	frozenFor = 55 * time.Second // and that it does; a request has a minute
)

// ready are those whose turn may come, in an order that is the same every time.
func (w *world) ready() []*op {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := slices.DeleteFunc(slices.Clone(w.waiting), func(o *op) bool {
		return o.a.isFrozen() || o.a.isDead() && !o.late
	})
	slices.SortStableFunc(out, func(a, b *op) int { return strings.Compare(a.order(), b.order()) })
	return out
}

// settle waits until nothing moves by itself, and then until somebody is ready.
func (w *world) settle() []*op {
	for range 20_000 {
		synctest.Wait()
		if ops := w.ready(); len(ops) > 0 {
			return ops
		}
		w.elapse()
	}
	return nil
}

// elapse lets a little time go by; who waited long enough goes on.
func (w *world) elapse() {
	time.Sleep(tick)
	synctest.Wait()
	for _, a := range w.alive() {
		a.mu.Lock()
		over := a.frozen != nil && time.Since(a.frozenAt) >= a.frozenFor
		a.mu.Unlock()
		if over {
			w.note("  %s goes on", a.name)
			a.resume()
		}
	}
	for _, o := range w.ready() {
		limit := patience
		if o.at == seamBegin || o.at == seamEnd {
			limit = impatient
		}
		if time.Since(o.since) >= limit && !o.late {
			w.give(o, goOn)
			synctest.Wait()
		}
	}
}

func (w *world) wait(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		w.elapse()
	}
}

// give lets one go on.
func (w *world) give(o *op, v verdict) {
	w.mu.Lock()
	w.waiting = slices.DeleteFunc(w.waiting, func(p *op) bool { return o == p })
	w.mu.Unlock()
	w.note("  %s: %s", o, v)
	o.answer <- v
}

func (w *world) deliver(rng *rand.Rand, n int) {
	for range n {
		ops := w.settle()
		if len(ops) == 0 {
			return
		}
		w.give(ops[rng.IntN(len(ops))], goOn)
		synctest.Wait()
	}
}

// oneAt picks one who waits at a seam and fits.
func (w *world) oneAt(rng *rand.Rand, at seam, fits func(*op) bool) *op {
	ops := slices.DeleteFunc(w.settle(), func(o *op) bool { return o.at != at || o.late || !fits(o) })
	if len(ops) == 0 {
		return nil
	}
	return ops[rng.IntN(len(ops))]
}

func anyOp(*op) bool { return true }

func (w *world) fail(rng *rand.Rand) {
	if o := w.oneAt(rng, seamArrive, anyOp); o != nil {
		verdicts := []verdict{reset, outage, timedOut, throttle}
		w.give(o, verdicts[rng.IntN(len(verdicts))])
	}
}

func (w *world) loseAnswer(rng *rand.Rand) {
	if o := w.oneAt(rng, seamAnswer, anyOp); o != nil {
		w.give(o, reset)
	}
}

// lie answers a write with a page that looks like success.
func (w *world) lie(rng *rand.Rand) {
	if o := w.oneAt(rng, seamArrive, func(o *op) bool { return o.method != http.MethodGet }); o != nil {
		w.give(o, falsely)
	}
}

func (w *world) lieAboutRead(rng *rand.Rand) {
	if o := w.oneAt(rng, seamArrive, func(o *op) bool { return o.method == http.MethodGet }); o != nil {
		w.give(o, falsely)
	}
}

func (w *world) answerOddly(rng *rand.Rand) {
	if o := w.oneAt(rng, seamArrive, anyOp); o != nil {
		v := []verdict{missing, moved, denied}[rng.IntN(3)]
		if v == denied { // a start tells a credential that is refused twice at once
			if o.a.denied {
				v = missing
			}
			o.a.denied = true
		}
		w.give(o, v)
	}
}

// overtake suspends an attempt in the middle of a write, changes that record, and
// lets others go on.
func (w *world) overtake(rng *rand.Rand) {
	o := w.oneAt(rng, seamArrive, func(o *op) bool { return o.service == "campaign" && o.method != http.MethodGet })
	if o == nil {
		return
	}
	w.note("  froze %s", o.a.name)
	o.a.freeze(frozenFor - time.Duration(rng.Int64N(int64(20*time.Second))))
	w.editUnderWay(rng)
	w.wait(heartbeatTimeout)
	w.deliver(rng, 20+rng.IntN(40))
}

// held picks an attempt of which something waits at a seam: nothing else of it can
// reach the ledger or a system while it does not go on.
func (w *world) held(rng *rand.Rand) *attempt {
	ops := slices.DeleteFunc(w.settle(), func(o *op) bool { return o.late })
	if len(ops) == 0 {
		return nil
	}
	return ops[rng.IntN(len(ops))].a
}

// killOne ends a worker. Its requests that are under way are lost or carried out.
func (w *world) killOne(rng *rand.Rand) {
	if a := w.held(rng); a != nil {
		w.note("  killed %s", a.name)
		a.kill()
		w.dropDead(rng.IntN(2) == 0)
	}
}

// dropDead ends what dead attempts have under way.
func (w *world) dropDead(carriedOut ...bool) {
	w.mu.Lock()
	dead := slices.DeleteFunc(slices.Clone(w.waiting), func(o *op) bool { return !o.a.isDead() || o.late })
	w.mu.Unlock()
	slices.SortStableFunc(dead, func(a, b *op) int { return strings.Compare(a.order(), b.order()) })
	for _, o := range dead {
		if o.at != seamArrive {
			continue // nobody is there who could go on
		}
		if len(carriedOut) > 0 && carriedOut[0] {
			w.give(o, goOn)
		} else {
			w.give(o, reset)
		}
		synctest.Wait()
	}
}

// killInFlight ends a worker; what it has sent is still under way.
func (w *world) killInFlight(rng *rand.Rand) {
	a := w.held(rng)
	if a == nil {
		return
	}
	w.note("  killed %s", a.name)
	a.kill()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.waiting {
		if o.a == a && o.at == seamArrive {
			o.late = true
		}
	}
}

// pauseOne suspends an attempt, but not so long that Temporal notices.
func (w *world) pauseOne(rng *rand.Rand) {
	if a := w.held(rng); a != nil {
		w.note("  paused %s", a.name)
		a.freeze(time.Second + time.Duration(rng.Int64N(int64(longPause-time.Second))))
	}
}

// freezeOne suspends an attempt until Temporal has given it up, and longer.
func (w *world) freezeOne(rng *rand.Rand) {
	if a := w.held(rng); a != nil {
		w.note("  froze %s", a.name)
		a.freeze(heartbeatTimeout + time.Duration(rng.Int64N(int64(frozenFor-heartbeatTimeout))))
		w.wait(heartbeatTimeout)
	}
}

// asleep is longer than a schedule: who stands so still wakes at rest.
const asleep = 23 * time.Hour

// standStill suspends an attempt together with its clock in the middle of a write, and
// changes that record: it wakes sure that the lane is still its own. One that was cancelled
// has reported already what it sent, and no request is under way for hours without the
// machine that has sent it.
func (w *world) standStill(rng *rand.Rand) {
	o := w.oneAt(rng, seamArrive, func(o *op) bool { return o.service == "campaign" && o.a.ctx.Err() == nil })
	if o == nil {
		return
	}
	d := heartbeatTimeout + time.Duration(rng.Int64N(int64(frozenFor)))
	if rng.IntN(3) == 0 {
		d = asleep
	}
	w.note("  %s stands still", o.a.name)
	o.a.stand(d)
	w.editUnderWay(rng)
	w.wait(heartbeatTimeout)
	w.deliver(rng, 20+rng.IntN(40))
}

// thawOne lets a suspended attempt go on.
func (w *world) thawOne(rng *rand.Rand) {
	frozen := slices.DeleteFunc(w.alive(), func(a *attempt) bool { return !a.isFrozen() })
	if len(frozen) > 0 {
		a := frozen[rng.IntN(len(frozen))]
		w.note("  %s goes on", a.name)
		a.resume()
	}
}

func (w *world) moveClock(rng *rand.Rand) {
	switch rng.IntN(4) {
	case 0:
		w.clock.Advance(8 * 24 * time.Hour) // delta links expire
	case 1:
		w.clock.Advance(time.Duration(rng.Int64N(int64(4*time.Minute))) - 2*time.Minute)
	default:
		w.mu.Lock()
		w.skew += time.Duration(rng.Int64N(int64(2*time.Hour))) - time.Hour
		w.mu.Unlock()
	}
}

func (w *world) backUpNow(*rand.Rand) {
	if err := w.backUp(); err != nil {
		panic(err)
	}
}

func (w *world) restoreOne(rng *rand.Rand) {
	if len(w.backups) == 0 {
		return
	}
	if err := w.restore(w.backups[rng.IntN(len(w.backups))]); err != nil {
		panic(err)
	}
}
