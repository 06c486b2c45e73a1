package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// EventSyncInput starts the owner of the flow of events, or continues it as new.
type EventSyncInput struct {
	Instance string          `json:"instance"`
	State    *EventSyncState `json:"state,omitempty"` // nil: a new flow, stopped
}

// EventSyncState is everything the owner remembers across continue-as-new. The
// position in the journal is not in it: that is the ledger's.
type EventSyncState struct {
	OwnerState
	LagAlarm activities.Duration `json:"lag_alarm,omitempty"`
}

// EventSync owns the flow of events for as long as it exists: what the journal
// and the exported files have, and what operators ask for in between. It never
// ends by itself. A stopped one waits for Start, and warns when events are about to
// be lost.
func EventSync(ctx workflow.Context, in EventSyncInput) error {
	s := newEventSync(ctx, in)
	s.trail = openTrail(ctx, &s.Trail, &s.Status.LogEnd)
	s.receiveWakes(ctx)
	if err := s.handle(ctx); err != nil {
		return err
	}
	workflow.GoNamed(ctx, "lag", s.watchLag)
	return s.loop(ctx)
}

// eventSync is the owner at work.
type eventSync struct {
	owner
	in     EventSyncInput
	state  EventSyncState
	folder string // of the backfill in hand
}

func newEventSync(ctx workflow.Context, in EventSyncInput) *eventSync {
	s := &eventSync{in: in}
	if in.State != nil {
		s.state = *in.State
	} else {
		s.state.Status = neverStarted(ctx, EventFlow(in.Instance))
	}
	s.owner = owner{OwnerState: &s.state.OwnerState, self: s, id: EventFlow(in.Instance), name: activities.FlowEgress, seeks: "work"}
	return s
}

func (s *eventSync) continueAsNew(ctx workflow.Context) error {
	s.drainWakes()
	s.in.State = &s.state
	return workflow.NewContinueAsNewError(ctx, EventSync, s.in)
}

func (s *eventSync) handle(ctx workflow.Context) error {
	return errors.Join(s.owner.handle(ctx),
		registerUpdate(ctx, UpdateRequestBackfill, "Load events again: since a time, or from a folder of exported files.", s.onBackfill, s.mayBackfill),
	)
}

func (s *eventSync) steps() steps { return eventSteps }

func (s *eventSync) step(ctx workflow.Context) error {
	switch st := &s.Status; {
	case s.stopping:
		return s.halt(ctx)
	case s.starting != nil:
		return s.start(ctx)
	case st.State == StatePaused:
		return s.hold(ctx)
	case s.Held != nil && st.State == StateRunning:
		return s.resumeHeld(ctx)
	case st.State != StateRunning:
		return s.rest(ctx, func() bool { return s.starting != nil })
	case s.isQueued(RequestBackfill):
		next, _ := s.first(RequestBackfill)
		s.folder = next.Window.Folder
		defer func() { s.folder = "" }()
		return s.backfill(ctx, EventPass)
	default:
		return s.follow(ctx)
	}
}

// fits refuses what is not for the flow of events.
func (s *eventSync) fits(req StartRequest) error {
	if req.Egress == nil {
		return errors.New("got no settings of egress, and this is the flow of events")
	}
	return nil
}

func (s *eventSync) startable(req StartRequest) error {
	if !req.Egress.Enabled() { // R8.16
		return errors.New("no type of event is switched on; set egress.sends, opens, clicks or bounces to true")
	}
	return nil
}

func (s *eventSync) mayBackfill(_ workflow.Context, req BackfillRequest) error {
	w := req.Window
	switch st := s.Status.State; {
	case st != StateRunning && st != StatePaused:
		return s.refuse("start it before asking for a backfill")
	case len(w.IDs) > 0 || len(w.Where) > 0 || !w.Until.IsZero():
		return errors.New("got a window of records, want a time that the journal is read again from, or a folder of exported files")
	case w.Since.IsZero() == (w.Folder == ""):
		return errors.New("want either a time that the journal is read again from, or a folder of exported files")
	case s.countQueued(RequestBackfill) >= maxQueued:
		return s.refuse("%d backfills are queued already", maxQueued)
	}
	return nil
}

func (s *eventSync) onBackfill(ctx workflow.Context, req BackfillRequest) (BackfillAnswer, error) {
	detail := "files of " + req.Window.Folder
	if !req.Window.Since.IsZero() {
		detail = "the journal since " + req.Window.Since.UTC().Format(time.RFC3339)
	}
	return s.queueBackfill(ctx, req, detail), nil
}

// start checks the settings against Dynamics and the sources before anything is read.
func (s *eventSync) start(ctx workflow.Context) error {
	req := *s.starting
	s.starting = nil
	mark := s.begun(ctx, req)
	st := &s.Status
	s.Tuning, s.state.LagAlarm = req.Tuning.complete(), req.LagAlarm
	st.StartedBy, st.FiledRevision = req.By, req.Revision
	var checked activities.PreflightEventsResult
	ok, err := s.preflight(ctx, "check the settings against Dynamics and the sources", activities.PreflightEvents, activities.PreflightEventsInput{Settings: *req.Egress, StartMark: mark}, &checked)
	if !ok {
		return err
	}
	st.Revision, st.Watermark, st.Quarantined, st.Warnings, st.ModelChanges, st.LastError = checked.Revision, checked.Watermark, checked.Quarantined, checked.Warnings, nil, ""
	s.Plan, s.Start = checked.Plan, mark.Start
	events := &EventStatus{Enabled: req.Egress.Names(), Source: req.Egress.Source}
	if before := st.Events; before != nil {
		events.Newest, events.Lost, events.BadFiles = before.Newest, before.Lost, before.BadFiles
	}
	st.Events = events
	st.Restored = "" // events are created once, under fixed ids: nothing else is to be done
	s.enter(ctx, StateRunning, "started", "")
	return nil
}

// follow waits for events and brings them to the timeline.
func (s *eventSync) follow(ctx workflow.Context) error {
	st := &s.Status
	if st.Phase != "waiting for events" {
		st.Phase = "waiting for events"
		s.publish(ctx)
	}
	ref := s.ref(s.newRun(ctx), activities.KindDelta)
	wait := idleWait
	if st.Watermark.IsZero() {
		wait = time.Second // Status says soon whether there is anything at all
	}
	var first *activities.FetchResult
	wanted, err := s.waitForWork(ctx, func(waiting workflow.Context) (err error) {
		first, err = fetchEvents(waiting, ref, s.Tuning, wait, s.known())
		return err
	})
	switch {
	case wanted:
		return nil // an operator wants something
	case err != nil:
		return s.failed(ctx, err)
	}
	s.knows(first)
	s.noteModels(ctx, first)
	st.Events.BadFiles = first.BadFiles
	if first.Nothing {
		s.well()
		if !first.Watermark.IsZero() {
			st.Watermark = first.Watermark
			st.Events.Lagging = false
		}
		return nil
	}
	out, err := s.apply(ctx, "writing events", ref, first)
	if out != nil {
		s.account(&PassResult{Newest: first.Newest}) // the first page was read before the run began
	}
	return err
}

// account keeps how far the journal was read.
func (s *eventSync) account(out *PassResult) {
	if out.Newest.After(s.Status.Events.Newest) {
		s.Status.Events.Newest = out.Newest
	}
}

// failed begins with the journal's oldest event when the journal no longer holds
// the position; anything else is for an operator.
func (s *eventSync) failed(ctx workflow.Context, err error) error {
	if s.folder != "" && failureType(err) == "NotFound" && ctx.Err() == nil {
		s.recovered(ctx, err) // what an operator mistyped is no reason to stop the flow
		return nil
	}
	if s.ledgerDiffers(ctx, err) {
		return nil // events that come again are recognised
	}
	if ctx.Err() != nil || failureType(err) != "PositionExpired" {
		return s.fail(ctx, err)
	}
	opts := activityOptions(QueueMain, activities.KindDelta, "begin with the journal's oldest event")
	var lost activities.RestartJournalResult
	if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.RestartJournal, activities.RestartJournalInput{}).Get(ctx, &lost); err != nil {
		return s.fail(ctx, err)
	}
	if lost.Held { // only a backfill fell behind: the flow has lost nothing
		s.recovered(ctx, err)
		return nil
	}
	st := &s.Status
	gap := LostEvents{From: lost.Lost, To: workflow.Now(ctx)}
	st.Events.Lost = append(st.Events.Lost, gap)
	if len(st.Events.Lost) > 5 {
		st.Events.Lost = st.Events.Lost[1:]
	}
	s.recovered(ctx, err)
	return nil
}

// watchLag raises the alarm when the position has become too old, whatever the
// flow does: a stopped one loses events too (R18.17). It sleeps until that could
// be, so it costs one timer in days.
func (s *eventSync) watchLag(ctx workflow.Context) {
	for {
		st := &s.Status
		if err := workflow.Await(ctx, func() bool { return !st.Watermark.IsZero() && s.state.LagAlarm > 0 }); err != nil {
			return
		}
		left := st.Watermark.Add(time.Duration(s.state.LagAlarm)).Sub(workflow.Now(ctx))
		if left > 0 {
			if err := workflow.NewTimerWithOptions(ctx, left, workflow.TimerOptions{Summary: "until events are about to be lost"}).Get(ctx, nil); err != nil {
				return
			}
			continue
		}
		var found activities.RaiseLagResult
		opts := activityOptions(QueueMain, activities.KindDelta, "how old the position is")
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.RaiseLag, activities.RaiseLagInput{Alarm: s.state.LagAlarm}).Get(ctx, &found)
		if ctx.Err() != nil {
			return
		}
		if err == nil && found.Watermark.After(st.Watermark) {
			st.Watermark = found.Watermark
		}
		if st.Events != nil {
			st.Events.Lagging = err == nil && found.Raised
		}
		s.publish(ctx)
		if err := workflow.NewTimerWithOptions(ctx, lagAgain, workflow.TimerOptions{Summary: "until the age of the position is looked at again"}).Get(ctx, nil); err != nil {
			return
		}
	}
}

// lagAgain is how often an alarm is raised that nobody answered.
const lagAgain = 6 * time.Hour

// Sentence says what the gap means and what to do about it.
func (l LostEvents) Sentence() string {
	from := "the last position"
	if !l.From.IsZero() {
		from = l.From.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("the journal no longer held the events after %s when it was asked at %s, and was read again from its oldest; events in between may be missing: load them from exported logs with causeway events backfill --from <folder>",
		from, l.To.UTC().Format(time.RFC3339))
}
