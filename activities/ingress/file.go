package ingress

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/bulk"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/optout"
	"causeway.dev/internal/reconcile"
)

// FileLoad is how the records of a table go to Campaign by file.
type FileLoad struct {
	Outbox    bulk.Outbox
	Workflows interface {
		GetWorkflow(ctx context.Context, id string) (*campaign.Workflow, error)
		CommandWorkflow(ctx context.Context, id string, command campaign.WorkflowCommand) error
	}
	Workflow string        // its internal ID
	Folder   string        // for copies of results
	Poll     time.Duration // between two looks at the workflow
	Settles  time.Duration // how long a command, or a result, may take to show
	Tries    int           // of a part whose rows do not all have an outcome
	Sample   int           // records of a part that are read by REST
	// Wait waits between two looks, and Now is the time; nil: as long as Poll, and the clock's.
	Wait func(ctx context.Context) error
	Now  func() time.Time
}

// filePart is what the ledger keeps of a part.
type filePart struct {
	bulk.Progress
	Entries []int `json:"entries"` // of the lane, by row
}

// fileWriter writes the lane's records that are new to the ledger by file. The others, and
// what the file did not settle, it leaves to REST, which begins only when nothing of the
// file can be written any more.
type fileWriter struct {
	*laneWriter
	rest  *recordWriter
	load  *FileLoad
	sheet *bulk.Sheet
	id    ledger.LaneID
	token ledger.Token
}

// fileRow is a record in a part.
type fileRow struct {
	unit     *run.Unit[*recordState]
	decision decision
	payload  *mapping.Payload
}

// fileWriter prepares the part of a lane.
func (a *Activities) fileWriter(w *laneWriter, m *tableMapper, in activities.LaneInput) (*fileWriter, error) {
	load, err := a.fileLoad(in.Table)
	if err != nil {
		return nil, err
	}
	sheet, err := bulk.NewSheet(m.plan)
	if err != nil {
		return nil, run.Blocked("BadInput", err.Error())
	}
	return &fileWriter{laneWriter: w, rest: w.record.(*recordWriter), load: load, sheet: sheet, id: w.lane.ID, token: w.lane.Token}, nil
}

func (a *Activities) fileLoad(table string) (*FileLoad, error) {
	load, ok := a.o.Files[table]
	if !ok {
		return nil, run.Blocked("BadInput", fmt.Sprintf("no import workflow is set up for %s", table))
	}
	return &load, nil
}

// mayLoadByFile refuses at its beginning a run that cannot go by file. What Campaign has
// already would be updated without a before-image, so somebody must have said that this may
// be.
func (a *Activities) mayLoadByFile(ctx context.Context, m *tableMapper, in activities.OpenRunInput) error {
	if !in.ByFile {
		return nil
	}
	load, err := a.fileLoad(in.Table)
	if err != nil {
		return err
	}
	if _, err := bulk.NewSheet(m.plan); err != nil {
		return run.Blocked("BadInput", err.Error())
	}
	if _, err := load.Workflows.GetWorkflow(ctx, load.Workflow); err != nil {
		return run.ToTemporal(ctx, err)
	}
	if in.NoRollback {
		return nil
	}
	page, err := a.o.Target.List(ctx, m.resource, campaign.ListOptions{Lines: 1})
	if err != nil {
		return run.ToTemporal(ctx, err)
	}
	if len(page.Records) > 0 {
		return run.Blocked("BadInput", fmt.Sprintf("Campaign has records of %s already. A file may update them, and no before-images are kept of that, so the run could not be rolled back for them. Load %s by REST, or say --no-rollback", m.resource.Name, in.Table))
	}
	return nil
}

// Units loads the part of the lane. It returns what is left to REST.
func (w *fileWriter) Units(ctx context.Context, a *run.Attempt[*recordState]) ([]*run.Unit[*recordState], error) {
	units, err := w.laneWriter.Units(ctx, a)
	if err != nil {
		return nil, err
	}
	stands, err := w.stands(ctx)
	if err != nil {
		return nil, err
	}
	byEntry := make(map[int]*run.Unit[*recordState], len(units))
	for _, u := range units {
		byEntry[u.Entries[0]] = u
	}
	var wanted []int
	if stands == nil {
		for _, u := range units {
			if len(u.Entries) == 1 {
				wanted = append(wanted, u.Entries[0])
			}
		}
	} else {
		wanted = stands.Entries
	}
	rows := make([]fileRow, 0, len(wanted))
	for _, i := range wanted {
		row := fileRow{unit: byEntry[i]}
		if row.unit != nil {
			if err := w.read(ctx, &row, i); err != nil {
				return nil, err
			}
		}
		rows = append(rows, row)
	}
	tally, stood, err := w.bring(ctx, rows, wanted, stands)
	if err != nil || tally == nil {
		return units, err
	}
	return w.settle(ctx, a, units, byEntry, rows, tally, stood)
}

// read decides about a record. Its payload stays nil where it does not go by file.
func (w *fileWriter) read(ctx context.Context, row *fileRow, entry int) error {
	e := &w.lane.Entries[entry]
	r := w.rest
	if row.unit.State.known != nil || e.Deleted || len(r.inDoubt[e.Key]) > 0 {
		return nil
	}
	d, err := r.beginDecision(ctx, nil, e)
	if err != nil {
		return err
	}
	d.facts.Retried = false // an import again is an update, and no create that fails
	act, err := d.resolveFacts(ctx, reconcile.TargetRecord, reconcile.ShownParents, reconcile.GuardOpen)
	if err != nil || act.Needs != reconcile.NoFact || act.Kind != reconcile.Create {
		return err
	}
	body, err := d.createBody(ctx, e.Key, e.Raw, act.Payload.Body())
	if err != nil {
		return err
	}
	if len(body.handedOver) == 0 && bytes.Equal(body.doc, act.Payload.Body()) {
		row.decision, row.payload = d, act.Payload
	}
	return nil
}

// bring has the part of the rows imported. The tally is nil when there is none.
func (w *fileWriter) bring(ctx context.Context, rows []fileRow, entries []int, stands *filePart) (*bulk.Tally, *filePart, error) {
	if stands != nil && stands.Stage == bulk.Counted {
		tally, err := w.loader(stands).Load(ctx, stands.Progress, nil)
		return tally, stands, err
	}
	content, made, err := w.write(rows, entries)
	if err != nil {
		return nil, nil, err
	}
	if stands == nil {
		if made.Part.Rows == 0 {
			return nil, nil, nil
		}
		stands = made
	} else if len(made.Entries) != len(stands.Entries) || stands.Part.Same(made.Part) != nil {
		// Records or metadata are not as they were: what was sent is looked at by REST.
		tally, err := w.loader(stands).GiveUp(ctx, stands.Progress)
		return tally, stands, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	tally, err := w.loader(stands).Load(ctx, stands.Progress, open)
	return tally, stands, err
}

// write makes the part. Records that a file cannot hold are not in it.
func (w *fileWriter) write(rows []fileRow, entries []int) ([]byte, *filePart, error) {
	var content bytes.Buffer
	sum := sha256.Sum256([]byte(w.id.Run))
	split, err := w.sheet.Split("c"+hex.EncodeToString(sum[:8]), w.id.Page*100+w.id.Lane+1, bulk.Limits{Rows: len(rows) + 1, Bytes: math.MaxInt64},
		func(string) (io.WriteCloser, error) { return nopCloser{&content}, nil })
	if err != nil {
		return nil, nil, err
	}
	part := &filePart{Progress: bulk.Progress{Stage: bulk.Made}}
	for i := range rows {
		if rows[i].payload == nil {
			continue
		}
		_, _, err := split.Add(rows[i].payload)
		if _, rest := errors.AsType[*bulk.ByREST](err); rest {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		part.Entries = append(part.Entries, entries[i])
	}
	parts, err := split.Close()
	if err == nil && len(parts) == 1 {
		part.Part = parts[0]
	}
	return content.Bytes(), part, err
}

// settle records what the import has written, and returns what is left to REST: what was
// refused, for REST says why, and what has no outcome, which is looked at.
func (w *fileWriter) settle(ctx context.Context, a *run.Attempt[*recordState], units []*run.Unit[*recordState], byEntry map[int]*run.Unit[*recordState], rows []fileRow, tally *bulk.Tally, part *filePart) ([]*run.Unit[*recordState], error) {
	byUnit := make(map[*run.Unit[*recordState]]*fileRow, len(rows))
	for i := range rows {
		byUnit[rows[i].unit] = &rows[i]
	}
	type written struct {
		row     *fileRow
		outcome ledger.Outcome
		created string
	}
	var done []written
	for n, entry := range part.Entries {
		u := byEntry[entry]
		if u == nil {
			continue // an earlier attempt has recorded it
		}
		row := byUnit[u]
		switch outcome := tally.Outcome(n + 1); {
		case outcome == bulk.WasRefused:
		case row == nil || row.payload == nil:
			u.Ambiguous = true
		case outcome == bulk.WasInserted:
			done = append(done, written{row, ledger.Created, w.rest.run})
		case outcome == bulk.WasUpdated && part.Tries <= 1:
			done = append(done, written{row, ledger.Updated, ""})
		default: // also where a try that told nothing may have created it
			u.Ambiguous = true
		}
	}
	for i := 0; w.load.Sample > 0 && i < len(done); i += max(1, len(done)/w.load.Sample) {
		if done[i].outcome != ledger.Created {
			continue
		}
		if err := w.verify(ctx, done[i].row); err != nil {
			return nil, err
		}
	}
	for _, one := range done {
		u, d := one.row.unit, &one.row.decision
		result := d.done(one.outcome, nil, d.e, one.row.payload, one.created)
		result.Index = u.Entries[0]
		a.Done(u, result)
	}
	left := units[:0:0]
	for _, u := range units {
		if len(u.Entries) > 0 {
			left = append(left, u)
		}
	}
	return left, nil
}

// verify reads a record that the import has inserted, and fails where it is not as REST
// would have written it. Opt-outs may be of a person by now.
func (w *fileWriter) verify(ctx context.Context, row *fileRow) error {
	key := row.decision.e.Key
	there, err := row.decision.readTarget(ctx, key)
	if err != nil {
		return err
	}
	var fields []string
	if there.Payload != nil {
		_, changed := row.payload.Diff(there.Payload)
		for _, f := range changed {
			if optout.Canonical(f) == "" {
				fields = append(fields, f)
			}
		}
		if len(fields) == 0 {
			return nil
		}
	}
	return &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonConfig, Service: "campaign", Op: "verify what the import workflow has written",
		Message: fmt.Sprintf("the workflow %s says that record %s is written, and Campaign has it otherwise or not at all (fields %q); compare the workflow with docs/protocol/import-files.md", w.load.Workflow, key, fields)}
}
