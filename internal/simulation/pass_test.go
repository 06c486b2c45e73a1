package simulation

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"causeway.dev/activities"
)

// pass carries a run out, and ends it where it fails.
func (f *flow) pass(ref activities.RunRef) error {
	f.sawWork()
	stop := f.begin(ref.Kind != activities.KindDelta)
	if ref.Kind == activities.KindRollback {
		stop = nil // it ends before a flow is stopped
	}
	err := f.drive(ref, stop)
	if err == nil && f.saved == ref.Run {
		f.known.Run = ref.Run
		f.opened(ref, "COMPLETED")
	}
	if err == nil || errors.Is(err, errClosing) {
		return err
	}
	end := activities.EndRunInput{RunRef: ref, State: "FAILED", Reason: "failed", Drop: true}
	if wish, _ := f.wanted(); errors.Is(err, errInterrupted) {
		err = errInterrupted // which wins over the errors that it causes
		switch wish {
		case "cancel":
			end.State = "CANCELLED"
		default: // a load goes on with its staged pages; the others read again
			end.State, end.Drop = "STOPPED", ref.Kind == activities.KindDelta || ref.Kind == activities.KindRelease
		}
	}
	end.Pages, end.Settled = f.pages, f.settled
	_, ended := do(f.w, ref.Run+" end", func(a *attempt) (*struct{}, error) {
		return &struct{}{}, f.steps.end(a, end)
	})
	if lost(ended) {
		return ended
	}
	if ended == nil {
		f.opened(ref, end.State)
	}
	return errors.Join(err, ended)
}

// opened keeps what is known of the run in hand, as the owner does.
func (f *flow) opened(ref activities.RunRef, state string) {
	if f.open {
		f.known.Opened = &activities.RunKnown{Run: ref.Run, State: state, Settled: f.settled}
	}
}

// between applies changes while a backfill owns the table; nothing interrupts them.
func (f *flow) between(of activities.RunRef) error {
	known := f.knows()
	if known != nil {
		known.Opened = &activities.RunKnown{Run: of.Run, State: "RUNNING", Settled: f.settled}
	}
	ref := f.ref(f.newRun(), activities.KindDelta)
	first, err := f.fetch(nil, activities.FetchInput{RunRef: ref, Page: 1, Phase: f.steps.first, Lanes: lanes, Known: known})
	if err != nil || first.Nothing {
		return err
	}
	err = f.drive(ref, nil)
	if err == nil && f.saved == ref.Run {
		f.known.Run = ref.Run
	}
	if err == nil || errors.Is(err, errClosing) {
		return err
	}
	_, ended := do(f.w, ref.Run+" end", func(a *attempt) (*struct{}, error) {
		return &struct{}{}, f.steps.end(a, activities.EndRunInput{RunRef: ref, State: "FAILED", Reason: "failed", Drop: true})
	})
	return errors.Join(err, ended)
}

func next(of []activities.Phase, phase activities.Phase, more bool) activities.Phase {
	if phase == "" {
		return of[0]
	}
	if more {
		return phase
	}
	if i := slices.Index(of, phase); i+1 < len(of) {
		return of[i+1]
	}
	return ""
}

// The tuning of workflows/options.go.
const (
	readAhead     = 2
	deltaInterval = 15 * time.Second
)

func (f *flow) drive(ref activities.RunRef, stop <-chan struct{}) error {
	f.pages, f.settled, f.open = 0, 0, false
	known := f.knows()
	open, err := do(f.w, ref.Run+" open", func(a *attempt) (*activities.OpenRunResult, error) {
		return f.steps.open(a, activities.OpenRunInput{RunRef: ref, Known: known, Release: f.releaseOf(ref)})
	})
	if err != nil {
		return err
	}
	f.open, f.settled = true, open.Counts.Settled()
	switch open.Ended {
	case "", "RUNNING":
	case "CANCELLED", "FAILED":
		return nil
	default:
		return f.save(ref, 0)
	}
	if ref.Undoes != "" && open.LastPage == 0 {
		if err := f.findUnrecorded(ref); err != nil {
			return err
		}
	}
	l := newLanes(f, ref, stop)
	l.add(open.Unfinished)
	if err := l.room(1); err != nil {
		return err
	}
	of := f.steps.phases(ref.Kind, open.Known)
	page, lastDelta := open.LastPage, time.Now()
	f.pages = page
	for phase := next(of, open.LastPhase, open.More); phase != ""; {
		ahead := readAhead
		if phase == activities.PhaseSweep {
			ahead = 1 // which records were not seen is known once everything seen is written
		}
		if err := l.room(ahead); err != nil {
			return err
		}
		if (ref.Kind == activities.KindBackfill || ref.Kind == activities.KindRelease) && time.Since(lastDelta) >= deltaInterval {
			// A page read before a change must be written before the change.
			if err := l.room(1); err != nil {
				return err
			}
			settled := f.settled
			err := f.between(ref)
			f.pages, f.settled = page, settled
			if err != nil {
				return err
			}
			lastDelta = time.Now()
		}
		page++
		fetched, err := f.fetch(stop, activities.FetchInput{RunRef: ref, Page: page, Phase: phase, Lanes: lanes, Release: f.releaseOf(ref)})
		if err != nil {
			return errors.Join(err, l.room(1))
		}
		if fetched.Nothing { // another source may have something
			page--
			phase = next(of, phase, false)
			continue
		}
		f.pages = page
		var refs []activities.LaneRef
		for lane, size := range fetched.Lanes {
			if size > 0 {
				refs = append(refs, activities.LaneRef{Page: page, Lane: lane, Size: size})
			}
		}
		l.add(refs)
		phase = next(of, phase, fetched.More)
	}
	if err := l.room(1); err != nil {
		return err
	}
	return f.save(ref, page)
}

// save ends a run; lanes that the ledger does not hold as written are written first.
func (f *flow) save(ref activities.RunRef, pages int) error {
	for range 10 {
		saved, err := do(f.w, ref.Run+" save", func(a *attempt) (*activities.SaveWatermarkResult, error) {
			return f.steps.save(a, activities.SaveWatermarkInput{RunRef: ref, Pages: pages, Settled: f.settled})
		})
		switch {
		case err != nil:
			return err
		case saved.State == "INCOMPLETE":
			return fmt.Errorf("%s is INCOMPLETE: %+v", ref.Run, saved.Counts)
		case len(saved.Unfinished) == 0:
			f.saved = ref.Run
			return nil
		}
		l := newLanes(f, ref, nil)
		l.add(saved.Unfinished)
		if err := l.room(1); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: the ledger keeps losing lanes", ref.Run)
}

// lanesInHand writes lane k of a page after lane k of the page before.
type lanesInHand struct {
	f    *flow
	ref  activities.RunRef
	stop <-chan struct{}

	mu     sync.Mutex
	wake   *sync.Cond
	queues map[int][]activities.LaneRef
	left   map[int]int // page -> lanes
	err    error
	active int
}

func newLanes(f *flow, ref activities.RunRef, stop <-chan struct{}) *lanesInHand {
	l := &lanesInHand{f: f, ref: ref, stop: stop, queues: map[int][]activities.LaneRef{}, left: map[int]int{}}
	l.wake = sync.NewCond(&l.mu)
	return l
}

func (l *lanesInHand) add(refs []activities.LaneRef) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ref := range refs {
		l.left[ref.Page]++
		l.queues[ref.Lane] = append(l.queues[ref.Lane], ref)
		if len(l.queues[ref.Lane]) == 1 {
			l.active++
			l.f.w.running.Go(func() { l.work(ref.Lane) })
		}
	}
}

func (l *lanesInHand) work(lane int) {
	l.mu.Lock()
	defer func() {
		l.active--
		l.wake.Broadcast()
		l.mu.Unlock()
	}()
	for len(l.queues[lane]) > 0 && l.err == nil {
		ref := l.queues[lane][0]
		l.mu.Unlock()
		done, err := doUnless(l.f.w, l.stop, fmt.Sprintf("%s write %d/%d", l.ref.Run, ref.Page, lane), func(a *attempt) (*activities.LaneResult, error) {
			return l.f.steps.write(a, activities.LaneInput{RunRef: l.ref, Page: ref.Page, Lane: lane})
		})
		l.mu.Lock()
		if err != nil {
			l.err = errors.Join(l.err, err)
			return
		}
		l.f.settled += done.Counts.Settled()
		l.queues[lane] = l.queues[lane][1:]
		if l.left[ref.Page]--; l.left[ref.Page] == 0 {
			delete(l.left, ref.Page)
		}
		l.wake.Broadcast()
	}
}

// room waits until fewer than n pages are unwritten, or for all in hand after a failure.
func (l *lanesInHand) room(n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.left) >= n && l.err == nil {
		l.wake.Wait()
	}
	if l.err == nil && closed(l.stop) {
		l.err = errInterrupted // no more is begun
	}
	for l.err != nil && l.active > 0 {
		l.wake.Wait()
	}
	return l.err
}
