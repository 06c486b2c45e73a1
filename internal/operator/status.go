package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/phrase"
	"causeway.dev/internal/temporalcodec"
	"causeway.dev/workflows"
)

// Report is what there is to know of an instance, or of one of its flows.
type Report struct {
	Instance string       `json:"instance"`
	Flows    []FlowReport `json:"tables"`
	Meter    *Meter       `json:"engine_calls,omitempty"` // when it was asked for, and a worker answered
	// Credentials are the certificates that a worker signs in with; known with Meter.
	Credentials []activities.CredentialEnd `json:"credentials,omitempty"`
	// Clear are the tables whose mapping holds text that goes into Temporal unsealed.
	Clear []string `json:"unsealed_text,omitempty"`
	// Ledger says how the ledger is sealed; known with Meter.
	Ledger *activities.LedgerSealing `json:"ledger,omitempty"`
	// Doctor is what the last night's checks found that is not well; known with Meter.
	Doctor *activities.DoctorResult `json:"doctor,omitempty"`
	// ConfigDiffers are the sections in which the worker runs with another configuration than
	// the one that is asked with; known with Meter.
	ConfigDiffers []string `json:"config_differs,omitempty"`
	// OddAnswers are the services that answer as nobody expects; known with Meter.
	OddAnswers []activities.OddAnswers `json:"odd_answers,omitempty"`
	// Notify says whether the webhook takes messages; known with Meter.
	Notify *activities.NotifyState `json:"notify,omitempty"`
	// LogExport is how the export of logs stands; known with Meter.
	LogExport *activities.LogExportState `json:"log_export,omitempty"`
	// Erasures says what was forgotten, and what is to be; known with Meter.
	Erasures *activities.ErasuresState `json:"erasures,omitempty"`
	// Pushes say how flows are told of changes; known with Meter.
	Pushes []activities.PushState `json:"pushes,omitempty"`
	// Backup says how backups of a SQLite ledger stand; known with Meter.
	Backup *activities.BackupState `json:"backup,omitempty"`
	// Workers are those that live, with their shares of the common limits; known with Meter.
	Workers []activities.WorkerState `json:"workers,omitempty"`
}

// endsSoon is how near its end a certificate is told of. Registering a new one takes days.
const endsSoon = 30 * 24 * time.Hour

// Notes are those that concern every flow.
func (r Report) Notes(now time.Time) []Note { return r.notes(now).plain() }

func (r Report) notes(now time.Time) notes {
	var n notes
	if len(r.Clear) > 0 {
		n.add(Caution, "the filters or replacements of %s hold text, which Temporal has unsealed: set %s", strings.Join(r.Clear, ", "), temporalcodec.Setting)
	}
	if len(r.ConfigDiffers) > 0 {
		n.add(Caution, "the worker runs with other settings than the file here says, in %s: start the worker again if they were saved since, or give both the same file", strings.Join(r.ConfigDiffers, ", "))
	}
	n.sealing(r.Ledger, now)
	n.erasures(r.Erasures, now)
	n.doctor(r.Doctor, now)
	n.notify(r.Notify, now)
	n.logExport(r.LogExport, now)
	for _, odd := range r.OddAnswers {
		n.because(config.CauseOddAnswers, Caution, "%s answers as nobody expects, since %s: a redirect, a page, a refused credential; the worker's log says what; flows fail when it lasts, and go on by themselves when it ends", odd.Service, phrase.Moment(now, odd.Since))
	}
	n.backup(r.Backup, now)
	n.pushes(r.Pushes, now)
	for _, c := range r.Credentials {
		switch left := c.Ends.Sub(now); {
		case left <= 0:
			n.because(config.CauseCredential, Alarm, "%s ended %s: register a new certificate and replace the file", c.Setting, phrase.Moment(now, c.Ends))
		case left <= endsSoon:
			n.because(config.CauseCredential, Caution, "%s ends %s (%s): register a new certificate and replace the file; the worker takes it up by itself",
				c.Setting, phrase.Clock(now, c.Ends), phrase.Until(now, c.Ends))
		}
	}
	return n
}

// WithMeter adds what Meter found; nil adds nothing.
func (r *Report) WithMeter(m *Meter) {
	if r.Meter = m; m != nil {
		r.Credentials, r.Ledger, r.Erasures, r.Doctor, r.Backup = m.credentials, m.ledger, m.erasures, m.doctor, m.backup
		r.ConfigDiffers, r.OddAnswers, r.Notify, r.LogExport, r.Pushes = m.differs, m.odd, m.notify, m.logExport, m.pushes
		r.Workers = m.workers
	}
}

// FlowReport is what there is to know of one flow.
type FlowReport struct {
	Flow           string                `json:"table"`
	WorkflowID     string                `json:"workflow_id"`
	Known          bool                  `json:"known"`
	Answered       bool                  `json:"answered"`
	Problem        string                `json:"problem,omitempty"`
	Status         *workflows.Status     `json:"status"`
	Recorded       *Recorded             `json:"recorded,omitempty"`
	Waiting        []Pending             `json:"waiting,omitempty"`
	Stuck          *Stuck                `json:"stuck,omitempty"`
	LastChecked    time.Time             `json:"last_checked,omitzero"`    // the source was asked then
	LagSeconds     *int64                `json:"lag_seconds,omitempty"`    // the part of the time up to LastChecked that is not settled; not known before the first load
	CarriedUpTo    time.Time             `json:"carried_up_to,omitzero"`   // choices until then are held by both systems; of the opt-out flow
	Typology       *activities.Operation `json:"typology,omitempty"`       // who has looked at Campaign's typology rules; of the opt-out flow
	Deadline       time.Duration         `json:"-"`                        // how old a choice may become that is not
	LagAlarm       time.Duration         `json:"-"`                        // from which age on the position in the journal is an alarm; of egress
	RefusedLately  int64                 `json:"refused_lately,omitempty"` // records within the last hour
	Growth         int64                 `json:"-"`                        // from how many on that deserves a look; 0: never
	FileRevision   string                `json:"file_revision,omitempty"`
	ChangesPending bool                  `json:"changes_pending"`

	Differences []activities.MappingDifference `json:"differences,omitempty"` // of the mapping on file; where one flow was asked about
	Removed     bool                           `json:"removed,omitempty"`
}

// Recorded is what the server knows without a worker; counters are those of
// finished runs.
type Recorded struct {
	Running     bool   `json:"running"`
	Ended       string `json:"ended,omitempty"`
	State       string `json:"state,omitempty"`
	Read        int64  `json:"read"`
	Written     int64  `json:"written"`
	Quarantined int64  `json:"quarantined"`
}

// Answered says that a worker carries out at least one of the flows.
func (r Report) Answered() bool {
	return slices.ContainsFunc(r.Flows, func(f FlowReport) bool { return f.Answered })
}

// Status looks at one flow; with name "" at all flows of the configuration, and at
// those that go on though their mapping was removed from it.
func (i *Instance) Status(ctx context.Context, name string) (Report, error) {
	report, names := Report{Instance: i.Config.Instance, Flows: []FlowReport{}}, []string{name}
	totals, looked, err := i.totals(ctx) // before the flows, so that no run counts twice which ends meanwhile
	if KindOf(err) == Unreachable {
		return report, err // no flow can be asked, and to wait for each of them takes long
	}
	if name == "" {
		names = i.Flows()
	}
	for _, clear := range i.Config.ClearTexts() {
		if name == "" || name == clear {
			report.Clear = append(report.Clear, clear)
		}
	}
	looks, err := i.lookAt(ctx, names)
	report.Flows = append(report.Flows, looks...)
	if err != nil {
		return report, err
	}
	if name == "" {
		report.Flows = append(report.Flows, i.removed(ctx)...)
	}
	for n := range report.Flows {
		if r := &report.Flows[n]; r.Known {
			r.addTotals(totals[r.Flow])
			r.addTypology(looked)
			r.Deadline, r.LagAlarm = i.Config.OptOut.Deadline, i.Config.Egress.LagAlarm
			r.Growth = int64(i.Config.Notify.Quarantined)
			if name != "" {
				i.addDifferences(ctx, r)
			}
		}
	}
	return report, nil
}

// totals are what the ledger says that each flow did, by its name. There are none when no
// worker answers soon: a status with the owners' own figures is better than one that waits.
// It fails when Temporal does not say whether there is a worker.
func (i *Instance) totals(ctx context.Context) (map[string]*activities.FlowTotals, *activities.Operation, error) {
	if _, lives, err := i.workerSeen(ctx); err != nil || !lives {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, min(i.Timeout, ledgerWithin))
	defer cancel()
	var result activities.TotalsResult
	if i.temporal.Run(ctx, activities.Totals, activities.TotalsInput{}, &result) != nil {
		return nil, nil, nil
	}
	out := map[string]*activities.FlowTotals{}
	for n, t := range result.Flows {
		out[t.Table] = &result.Flows[n]
	}
	return out, result.Typology, nil
}

// addTypology leaves out that the typology rules are to be looked at, where somebody has
// said that they did.
func (r *FlowReport) addTypology(looked *activities.Operation) {
	if looked == nil || r.Status == nil || r.Status.OptOut == nil {
		return
	}
	r.Typology = looked
	r.Status.Warnings = slices.DeleteFunc(r.Status.Warnings, func(w string) bool { return w == activities.TypologyWarning })
}

// addTotals puts the ledger's figures in place of those that the owner remembers: it counts
// no run that failed or was stopped, and forgets all when it is ended from outside.
func (r *FlowReport) addTotals(t *activities.FlowTotals) {
	if t == nil {
		return
	}
	r.CarriedUpTo, r.RefusedLately = t.CarriedUpTo, t.RefusedLately
	if st := r.Status; st != nil {
		st.Runs, st.Totals, st.Quarantined, st.Parked = t.Runs, t.Counts, t.Quarantined, t.Parked
	}
	if rec := r.Recorded; rec != nil {
		rec.Read, rec.Written, rec.Quarantined = t.Counts.Read, t.Counts.Written(), t.Quarantined
	}
}

// removed are the flows that go on though their mapping is not in the configuration
// any more. Where the server cannot list them, they are left out.
func (i *Instance) removed(ctx context.Context) (out []FlowReport) {
	ctx, cancel := context.WithTimeout(ctx, min(i.Timeout, questionTimeout))
	defer cancel()
	running, err := i.temporal.Flows(ctx, i.Config.Instance)
	if err != nil {
		return nil
	}
	slices.Sort(running)
	for _, name := range running {
		if i.IsTable(name) {
			continue
		}
		one, err := i.flow(name).look(ctx)
		if err != nil || one.Status == nil || one.Status.State == workflows.StateStopped {
			continue
		}
		one.Removed = true
		out = append(out, one)
	}
	return out
}

// looksAtOnce bounds the flows that are looked at together. It is more than an instance has
// (20 tables, contacts, events, opt-outs): each wait for who does not answer is as long as a
// page of the console may take.
const looksAtOnce = 32

// lookAt looks at flows together: where nobody answers, the wait for one is the wait for all.
// It returns those before the first that fails.
func (i *Instance) lookAt(ctx context.Context, names []string) ([]FlowReport, error) {
	reports, errs := make([]FlowReport, len(names)), make([]error, len(names))
	var group errgroup.Group
	group.SetLimit(looksAtOnce)
	for n, name := range names {
		group.Go(func() error {
			reports[n], errs[n] = i.flow(name).look(ctx)
			return nil
		})
	}
	_ = group.Wait()
	for n, err := range errs {
		if err != nil {
			return reports[:n], err
		}
	}
	return reports, nil
}

// look asks everything there is to know about one flow.
func (f *flow) look(ctx context.Context) (FlowReport, error) {
	r := FlowReport{Flow: f.name, WorkflowID: f.owner()}
	revision, mapped := f.configured()
	if mapped {
		r.FileRevision = revision
	}
	d, err := f.describe(ctx, r.WorkflowID)
	switch {
	case errors.Is(err, ErrNotFound) && !mapped:
		return r, f.notConfigured()
	case errors.Is(err, ErrNotFound):
		r.Answered = true
		return r, nil
	case err != nil:
		return r, f.explain(ctx, err)
	}
	r.Known = true
	r.Recorded = &Recorded{Running: d.Running, Ended: d.Ended, State: d.State, Read: d.Read, Written: d.Written, Quarantined: d.Quarantined}
	if !d.Running { // it would still answer, with the state it had then
		r.Answered = true
		r.Problem = fmt.Sprintf("the workflow of %s has ended (%s), so nothing flows; run: causeway start %s", f.name, d.Ended, f.name)
		return r, nil
	}
	if r.Stuck = d.Stuck; r.Stuck != nil { // the server does not even pass a query on
		r.Problem = r.Stuck.Sentence(f.Now(), f.name)
		return r, nil
	}
	st, err := f.status(ctx)
	switch {
	case errors.Is(err, ErrCode):
		r.Stuck = &Stuck{WorkflowID: r.WorkflowID, NonDeterministic: true}
		r.Problem = r.Stuck.Sentence(f.Now(), f.name)
		return r, nil
	case errors.Is(err, ErrNoWorker):
		ago, lives, err := f.workerSeen(ctx)
		if err != nil {
			return r, err
		}
		r.Problem = fmt.Sprintf("no worker answers for %s, so this is what Temporal recorded last; start one with: worker --config %s", f.name, f.File)
		if lives {
			r.Problem = fmt.Sprintf("no answer for %s, so this is what Temporal recorded last; a worker asked for work %s ago, so it is busy, or has just died: look into its log", f.name, phrase.Span(ago))
		}
		return r, nil
	case err != nil:
		return r, f.explain(ctx, err)
	}
	r.Answered, r.Status, r.Recorded = true, &st, nil
	r.LastChecked = st.Watermark
	for _, p := range d.Pending {
		if p.Checked.After(r.LastChecked) {
			r.LastChecked = p.Checked
		}
	}
	r.addLag()
	r.ChangesPending = st.ChangesPending() || st.Revision != "" && r.FileRevision != "" && st.Revision != r.FileRevision
	r.Waiting = d.Retried()
	if st.RunWorkflow != "" {
		// Like the progress of a run it is left out when it cannot be had.
		if run, err := f.describe(ctx, st.RunWorkflow); err == nil {
			r.Waiting, r.Stuck = append(r.Waiting, run.Retried()...), run.Stuck
		}
	}
	return r, nil
}

// addLag says how far the flow is behind its source. While it is idle, everything up to the
// last look is settled; while it is at work, what came since the last run is not. A flow that
// is stopped looks at nothing, so nobody knows.
func (r *FlowReport) addLag() {
	st := r.Status
	if st.Watermark.IsZero() || st.State != workflows.StateRunning {
		return
	}
	var lag int64
	if st.Run == "" {
		st.Watermark = r.LastChecked
	} else if st.Progress != nil && !st.Progress.Started.IsZero() {
		r.LastChecked = st.Progress.Started
		lag = max(0, int64(r.LastChecked.Sub(st.Watermark).Seconds()))
	}
	r.LagSeconds = &lag
}

// ledgerWithin bounds the questions that a status asks the ledger: one without the answer
// is better than one that waits.
const ledgerWithin = 5 * time.Second

// Meter is how many engine calls were made in the hour in hand.
type Meter struct {
	Hour    time.Time `json:"hour"`
	Changes int64     `json:"changes"`
	Loads   int64     `json:"loads"`
	Budget  int64     `json:"budget,omitempty"` // 0 = none

	credentials []activities.CredentialEnd
	doctor      *activities.DoctorResult
	ledger      *activities.LedgerSealing
	erasures    *activities.ErasuresState
	backup      *activities.BackupState
	differs     []string
	odd         []activities.OddAnswers
	notify      *activities.NotifyState
	logExport   *activities.LogExportState
	pushes      []activities.PushState
	workers     []activities.WorkerState
	config      map[string]string
}

// Credentials are when those that the worker signs in with end.
func (m *Meter) Credentials() []activities.CredentialEnd { return m.credentials }

// Doctor is what the last full look of the doctor found that is not well; nil: none was kept.
func (m *Meter) Doctor() *activities.DoctorResult { return m.doctor }

// Workers are those that live, with their shares of the common limits.
func (m *Meter) Workers() []activities.WorkerState { return m.workers }

// Config are the digests of what the worker runs with.
func (m *Meter) Config() map[string]string { return m.config }

// Meter asks a worker; nil when none answers in time.
func (i *Instance) Meter(ctx context.Context) *Meter {
	ctx, cancel := context.WithTimeout(ctx, ledgerWithin)
	defer cancel()
	var result activities.MeterResult
	if err := i.temporal.Run(ctx, activities.Meter, activities.MeterInput{}, &result); err != nil {
		return nil
	}
	out := &Meter{Hour: i.Now().UTC().Truncate(time.Hour), Budget: result.Budget, credentials: result.Credentials, ledger: result.Ledger, erasures: result.Erasures, backup: result.Backup, doctor: result.Doctor, odd: result.OddAnswers, notify: result.Notify, logExport: result.LogExport, pushes: result.Pushes, workers: result.Workers,
		config: result.Config, differs: config.Differing(i.Config.Digests(), result.Config)}
	for _, h := range result.Hours {
		if h.Hour.Equal(out.Hour) {
			out.Changes, out.Loads = h.Changes, h.Loads
		}
	}
	return out
}
