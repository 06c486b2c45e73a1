package operator

import (
	"context"
	"path"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// JournalKeeps is how long events stay in the journal.
const JournalKeeps = 7 * 24 * time.Hour

// JournalLag is how far the flow of events is behind the journal, which forgets events.
type JournalLag struct {
	Handled time.Time     // everything until then is dealt with
	Age     time.Duration // of that
	Left    time.Duration // until events of then are forgotten; 0: some may be already
	Level   Level         // Hint: in time
}

// Journal says how far the flow of events is behind the journal; nil when it reads none, or
// when nothing is known yet. It warns when half of the time until the alarm has passed,
// because who has to act may be away over a weekend.
func (r FlowReport) Journal(now time.Time) *JournalLag {
	st := r.Status
	if st == nil || st.Events == nil || !(activities.EgressSettings{Source: st.Events.Source}).Journal() || st.Watermark.IsZero() {
		return nil
	}
	l := &JournalLag{Handled: st.Watermark, Age: max(0, now.Sub(st.Watermark)), Level: Hint}
	l.Left = max(0, JournalKeeps-l.Age)
	switch {
	case st.Events.Lagging, r.LagAlarm > 0 && l.Age >= r.LagAlarm:
		l.Level = Alarm
	case r.LagAlarm > 0 && l.Age >= r.LagAlarm/2:
		l.Level = Caution
	}
	return l
}

// CheckEvents fails when events cannot be read again as a window says.
func (i *Instance) CheckEvents(ctx context.Context, w activities.Window) error {
	on, sftp := strings.CutPrefix(w.Folder, "sftp:")
	switch {
	case !w.Since.IsZero() && w.Folder != "" || w.Since.IsZero() && w.Folder == "":
		return badInput("say since when the journal is read again, or which folder of exported logs")
	case !w.Since.IsZero() && !w.Since.Before(i.Now()):
		return badField("since", "got %s, want a time that is over", w.Since.Format(time.RFC3339))
	case !w.Since.IsZero() && i.Config.Campaign.Journal.URL == "":
		return badField("since", "the journal is read again, and %s has no campaign.journal.url; load exported files instead", i.File)
	case !w.Since.IsZero() && i.Now().Sub(w.Since) > JournalKeeps:
		return badField("since", "got %s, and the journal keeps events for 7 days; load older ones from exported logs", w.Since.Format(time.RFC3339))
	case w.Folder != "" && (!sftp && !path.IsAbs(w.Folder) || sftp && (on == "" || strings.Contains(on, ".."))):
		return badField("from", "got %q, want an absolute path on the worker's machine, or sftp:<folder>", w.Folder)
	case sftp && !i.Config.Campaign.SFTP.Configured():
		return badField("from", "got a folder of the file server, and %s has no campaign.sftp", i.File)
	case w.Folder != "":
		return i.checkFolder(ctx, w.Folder)
	}
	return nil
}

// BackfillEvents asks egress to read the journal again, or exported files.
func (i *Instance) BackfillEvents(ctx context.Context, w activities.Window) (answer workflows.BackfillAnswer, err error) {
	if err := i.CheckEvents(ctx, w); err != nil {
		return answer, err
	}
	return i.backfill(ctx, activities.FlowEgress, w, workflows.ByFile{})
}

// checkFolder asks a worker for the folder that is to be loaded: it is one of the worker's
// machine, or of the file server.
func (i *Instance) checkFolder(ctx context.Context, folder string) error {
	var r activities.CheckFolderResult
	err := i.ask(ctx, i.Timeout, activities.CheckFolder, activities.CheckFolderInput{Folder: folder}, &r)
	if err == nil && r.Problem != "" {
		err = badField("from", "%s", r.Problem)
	}
	return err
}

// EventsSince is about how many events the flow has read since a time, which the journal
// would be asked for again; nil when no worker answers in time.
func (i *Instance) EventsSince(ctx context.Context, since time.Time) *int64 {
	ctx, cancel := context.WithTimeout(ctx, estimateWithin)
	defer cancel()
	var out activities.EstimateResult
	if err := i.temporal.Run(ctx, activities.EstimateBackfill, activities.EstimateInput{Flow: activities.FlowEgress, Table: activities.FlowEgress, Since: since}, &out); err != nil {
		return nil
	}
	return &out.Records
}
