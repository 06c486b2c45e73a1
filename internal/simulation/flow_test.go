package simulation

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/internal/apierr"
)

const poll = 5 * time.Second

// steps are the activities of a flow.
type steps struct {
	name      string // of its runs
	table     string
	first     activities.Phase // looks for what is new
	phases    func(kind activities.Kind, known int64) []activities.Phase
	preflight func(a *attempt, restored string, mark activities.StartMark) (*started, error)
	open      func(a *attempt, in activities.OpenRunInput) (*activities.OpenRunResult, error)
	fetch     func(a *attempt, in activities.FetchInput) (*activities.FetchResult, error)
	write     func(a *attempt, in activities.LaneInput) (*activities.LaneResult, error)
	save      func(a *attempt, in activities.SaveWatermarkInput) (*activities.SaveWatermarkResult, error)
	end       func(a *attempt, in activities.EndRunInput) error
	audit     func(run string) error // nil: there is none
}

// started is what a start has found.
type started struct {
	revision, plan string
	baseline       bool
	unfinished     string
	restored       bool // the ledger says so, and the flow did not know
}

// flow orders the activities of a flow as its owner in package workflows and its
// passes do. Where it would wait as FAILED, its operator starts it again.
type flow struct {
	w       *world
	steps   steps
	table   *activities.Table // nil: it is not one of ingress
	started started

	mu       sync.Mutex
	runs     int
	idle     int // passes in a row that found nothing
	failures []string
	known    activities.LedgerKnown
	saved    string              // the last run that was saved
	stop     chan struct{}       // closed when an operator wants something else of the run in hand
	wish     string              // what: stop or cancel
	pause    time.Duration       // between stop and start
	queue    []string            // backfills
	undo     []string            // runs to be rolled back
	releases int                 // that were asked for
	trying   *activities.Release // by the release in hand
	nextDue  time.Time           // no release that nobody asked for before it
	// cancellable says that a load or a backfill is in hand.
	cancellable bool

	start     string // mark of the last start
	restored  string // what follows on a restored ledger
	pages     int    // that the run in hand has had staged
	settled   int64  // records of its lanes that were written
	open      bool   // the ledger holds it
	forgetful bool   // it remembers nothing of its ledger
}

const (
	restoredNow = "baseline"
	auditDue    = "audit"
	repairing   = "repair"
)

// audit compares Campaign with the ledger, and makes the ledger say what it found. Events
// and opt-outs need none.
func (f *flow) audit() error {
	if f.steps.audit == nil {
		return nil
	}
	return f.steps.audit(f.newRun())
}

// do runs an activity and gives its result its type.
func do[T any](w *world, name string, of func(a *attempt) (*T, error)) (*T, error) {
	return doUnless(w, nil, name, of)
}

// doUnless is do for what an operator may interrupt.
func doUnless[T any](w *world, stop <-chan struct{}, name string, of func(a *attempt) (*T, error)) (*T, error) {
	out, err := w.call(name, stop, func(a *attempt) (any, error) { return of(a) })
	if err != nil {
		return nil, err
	}
	return out.(*T), nil
}

func (f *flow) newRun() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runs++
	return fmt.Sprintf("%s%02d", f.steps.name, f.runs)
}

// idlePasses is how many passes in a row found nothing.
func (f *flow) idlePasses() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.idle
}

func (f *flow) sawWork() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = 0
}

// interrupt tells the run in hand what an operator wants.
func (f *flow) interrupt(wish string, pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil && !closed(f.stop) && (wish != "cancel" || f.cancellable) {
		f.wish, f.pause = wish, pause
		close(f.stop)
	}
}

// begin makes what is in hand open to interruption.
func (f *flow) begin(cancellable bool) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancellable = cancellable
	f.stop, f.wish = make(chan struct{}), ""
	return f.stop
}

func (f *flow) wanted() (wish string, pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wish, f.pause
}

// requestBackfill queues a backfill of all records.
func (f *flow) requestBackfill() {
	run := f.newRun()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = 0
	f.queue = append(f.queue, run)
}

func (f *flow) nextBackfill() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return ""
	}
	return f.queue[0]
}

func (f *flow) dequeue(run string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = slices.DeleteFunc(f.queue, func(r string) bool { return r == run })
}

// run is the life of an owner.
func (f *flow) run() {
	for {
		err := f.life()
		if errors.Is(err, errInterrupted) {
			_, pause := f.wanted()
			f.w.note("FLOW STOPPED for %s", pause)
			if !f.w.sleep(pause) {
				return
			}
			continue
		}
		if errors.Is(err, errClosing) {
			return
		}
		f.w.note("FLOW FAILED: %v", err)
		f.mu.Lock()
		f.failures = append(f.failures, err.Error())
		f.mu.Unlock()
		if !f.w.sleep(time.Minute) {
			return
		}
	}
}

// life is an owner from a start to its failure.
func (f *flow) life() error {
	mark := activities.StartMark{Start: time.Now().UTC().Format("2006-01-02T15:04:05.000Z") + " 1", After: f.start}
	checked, err := do(f.w, f.newRun()+" preflight", func(a *attempt) (*started, error) { return f.steps.preflight(a, f.restored, mark) })
	if err != nil {
		return err
	}
	f.start = mark.Start
	f.started = *checked
	baseline, unfinished := checked.baseline, checked.unfinished
	if checked.restored {
		f.restored = restoredNow
	}
	if f.restored == restoredNow && f.steps.audit == nil && !baseline {
		f.restored = "" // events are created once
	}
	for {
		if run := f.nextRollback(); run != "" {
			if run == unfinished {
				unfinished = ""
			}
			if err := f.rollBack(run); lost(err) {
				return f.again(err)
			} else if err != nil {
				return err
			}
			continue
		}
		if f.restored == auditDue && !baseline {
			if err := f.audit(); lost(err) {
				return f.again(err)
			} else if err != nil {
				return err
			}
			baseline, f.restored = true, repairing
		}
		if baseline {
			run := unfinished
			if run == "" {
				run = f.newRun()
			}
			unfinished = ""
			err = f.pass(f.ref(run, activities.KindInitial))
			baseline = err != nil
			switch {
			case err == nil && f.restored == restoredNow && f.steps.audit == nil:
				f.restored = "" // opt-outs need no more than the look at everybody
			case err == nil && f.restored == restoredNow:
				f.restored = auditDue
			case err == nil && f.restored == repairing:
				f.restored = ""
			}
		} else if run := f.nextBackfill(); run != "" {
			err = f.pass(f.ref(run, activities.KindBackfill))
			if !errors.Is(err, errInterrupted) {
				f.dequeue(run)
			}
		} else if f.releaseAsked() {
			err = f.release(&activities.Release{})
		} else {
			err = f.follow()
		}
		if wish, _ := f.wanted(); errors.Is(err, errInterrupted) && wish == "cancel" {
			if baseline {
				return err // an initial load that is cancelled leaves its flow stopped
			}
			f.dequeue(f.nextBackfill()) // a release that is cancelled was taken from the queue before
			continue
		}
		if err == nil {
			continue
		}
		app, ok := errors.AsType[*temporal.ApplicationError](err)
		switch {
		case ok && app.Type() == apierr.ReasonLinkExpired:
			baseline = true
		case lost(err):
			return f.again(err)
		default:
			return err
		}
	}
}

// lost says that the ledger is not what the flow knew.
func lost(err error) bool {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	return ok && (app.Type() == activities.FailureLedgerLost || app.Type() == activities.FailureLedgerRestored)
}

// again begins as at a start, with a new baseline.
func (f *flow) again(why error) error {
	f.w.note("FLOW: %v", why)
	f.known = activities.LedgerKnown{}
	f.restored = restoredNow
	return f.life()
}

func (f *flow) ref(run string, kind activities.Kind) activities.RunRef {
	return activities.RunRef{Run: run, Table: f.steps.table, Revision: f.started.revision, Plan: f.started.plan, Kind: kind}
}

// follow looks for changes once and applies them.
func (f *flow) follow() error {
	ref := f.ref(f.newRun(), activities.KindDelta)
	stop := f.begin(false)
	first, err := f.fetch(stop, activities.FetchInput{RunRef: ref, Page: 1, Phase: f.steps.first, Lanes: lanes, Known: f.knows(), DueFrom: f.dueFrom()})
	if err != nil {
		return err
	}
	f.known.Ledger = first.Ledger
	if first.Due {
		return f.release(&activities.Release{Due: true})
	}
	if !first.Nothing {
		return f.pass(ref)
	}
	f.mu.Lock()
	f.idle++
	f.mu.Unlock()
	return f.w.sleepUnless(poll, stop)
}

// knows is what the flow tells whoever looks into the ledger for it.
func (f *flow) knows() *activities.LedgerKnown {
	if f.forgetful {
		return nil
	}
	known := f.known
	known.Comparing, known.Marked = f.restored != "", f.restored == restoredNow
	known.Start = f.start
	return &known
}

func (f *flow) fetch(stop <-chan struct{}, in activities.FetchInput) (*activities.FetchResult, error) {
	return doUnless(f.w, stop, fmt.Sprintf("%s fetch %d", in.Run, in.Page), func(a *attempt) (*activities.FetchResult, error) {
		return f.steps.fetch(a, in)
	})
}
