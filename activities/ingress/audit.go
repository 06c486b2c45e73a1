package ingress

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"
	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
)

const (
	auditLines = 1000 // records per list call; Campaign may send fewer
	auditPages = 20   // list calls per activity
	auditReads = 500  // records per AuditMissing
)

// OpenAudit begins an audit. It refuses a table of which nothing was ever written.
func (a *Activities) OpenAudit(ctx context.Context, in activities.AuditInput) (*activities.OpenAuditResult, error) {
	if err := run.CheckInstance(a.o.Instance, in.Workflow); err != nil {
		return nil, err
	}
	if _, err := a.resolveOnce(ctx, in.Table); err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	held, err := a.o.Ledger.KnownCount(ctx, in.Table.Name)
	if err != nil {
		return nil, err
	}
	restored, err := run.Restored(ctx, a.o.Ledger, activities.FlowIngress, in.Table.Name)
	if err != nil {
		return nil, err
	}
	if held == 0 && !restored { // else Campaign may hold what the ledger has forgotten
		return nil, run.Blocked("NothingWritten", fmt.Sprintf("nothing of %s was written to Campaign yet, so there is nothing to audit; causeway plan %s tells what a start would write", in.Table.Name, in.Table.Name))
	}
	begun, err := a.o.Ledger.BeginRun(ctx, ledger.Run{
		ID: in.Run, Flow: activities.FlowAudit, Table: in.Table.Name, Kind: ledger.RunKind(activities.KindAudit), Revision: in.Table.Revision(), Workflow: in.Workflow, Started: time.Now().UTC(), Expected: held,
	})
	if err != nil {
		return nil, err
	}
	return &activities.OpenAuditResult{Held: held}, a.closeLostAudits(ctx, begun)
}

// AuditPages reads Campaign's list a few pages further and compares each record with what
// was last written. The ledger keeps how far that is.
func (a *Activities) AuditPages(ctx context.Context, in activities.AuditInput) (_ *activities.AuditPagesResult, err error) {
	defer func() { err = run.Lost(err) }()
	defer run.KeepBeating(ctx, nil)()
	defer a.reportEngineCalls(ctx)
	m, err := a.resolveOnce(ctx, in.Table)
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	if err := a.reopen(ctx, in.Run); err != nil {
		return nil, err
	}
	at, err := a.o.Ledger.Resume(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	last := at.LastPage
	out := &activities.AuditPagesResult{}
	for range auditPages {
		if last != nil && last.Next.None() {
			return out, nil
		}
		var page *campaign.Page
		if last == nil {
			last = &ledger.Page{}
			page, err = a.o.Target.List(ctx, m.resource, campaign.ListOptions{Lines: auditLines})
		} else {
			page, err = a.o.Target.Follow(ctx, m.resource, last.Next.At)
		}
		if err != nil {
			return nil, run.ToTemporal(ctx, fmt.Errorf("listing %s: %w", m.resource.Name, err))
		}
		if err := a.compareListed(ctx, m, in, page.Records); err != nil {
			return nil, run.ToTemporal(ctx, err)
		}
		next := ledger.PageInput{
			Run: in.Run, Table: in.Table.Name, Number: last.Number + 1, Phase: "campaign", Next: ledger.LinkCursor(page.Next), ServerTime: time.Now(),
		}
		if err := run.CheckProgress(ctx, a.o.Ledger, next); err != nil {
			return nil, err
		}
		if last, err = a.o.Ledger.StagePage(ctx, next); err != nil {
			return nil, err
		}
		out.Listed += int64(len(page.Records))
		activity.RecordHeartbeat(ctx, out.Listed)
	}
	out.More = !last.Next.None()
	return out, nil
}

// reopen lets an audit go on that had failed and whose workflow was reset afterwards.
func (a *Activities) reopen(ctx context.Context, id string) error {
	run, err := a.o.Ledger.Run(ctx, id)
	if err != nil || run.State != ledger.RunFailed && run.State != ledger.RunCancelled {
		return err
	}
	return a.o.Ledger.SetRunState(ctx, id, ledger.RunRunning, "")
}

// compareListed keeps an observation of every record of a list page that has a key. Writes
// go on while lists are read, so a record that seems to differ is read again.
func (a *Activities) compareListed(ctx context.Context, m *tableMapper, in activities.AuditInput, records [][]byte) error {
	listed := make(map[string][]byte, len(records))
	keys := make([]string, 0, len(records))
	otherwise := map[string]string{} // a key in another spelling -> as we write it
	var canonical []string
	for _, raw := range records {
		spelled := gjson.GetBytes(raw, m.plan.Table.Campaign.Key).String()
		key := m.mapper.MapKey(spelled)
		if spelled != key {
			otherwise[spelled] = key
			canonical = append(canonical, key)
			continue
		}
		if _, twice := listed[key]; key != "" && !twice { // a record without a key is not from here (R2.5)
			listed[key] = raw
			keys = append(keys, key)
		}
	}
	known, err := a.o.Ledger.Records(ctx, in.Table.Name, append(canonical, keys...))
	if err != nil {
		return err
	}
	var observations []ledger.Observation
	for spelled, key := range otherwise {
		finding := ledger.Stray
		if rec := known[key]; rec != nil && rec.Payload != nil {
			finding = ledger.Duplicate
		}
		observations = append(observations, ledger.Observation{Key: spelled, Finding: finding})
	}
	var doubtful []string
	for _, key := range keys {
		if known[key] == nil {
			observations = append(observations, ledger.Observation{Key: key, Finding: ledger.Stray})
			continue
		}
		if known[key].Payload == nil {
			doubtful = append(doubtful, key)
			continue
		}
		there, err := m.mapper.FromTarget(listed[key])
		if err != nil {
			return fmt.Errorf("reading record %s of %s from Campaign: %w", key, m.resource.Name, err)
		}
		observation, err := compareWithWritten(m, known[key], there)
		if err != nil {
			return err
		}
		if observation.Finding != ledger.AsWritten {
			doubtful = append(doubtful, key)
			continue
		}
		observations = append(observations, observation)
	}
	more, err := a.readOneByOne(ctx, m, in, doubtful)
	if err != nil {
		return err
	}
	return a.o.Ledger.SaveObservations(ctx, in.Table.Name, in.Run, append(observations, more...))
}

// AuditMissing reads one by one the records that were written and that Campaign's list did
// not show. The list has gaps, so only a 404 means that one is gone.
func (a *Activities) AuditMissing(ctx context.Context, in activities.AuditMissingInput) (_ *activities.AuditMissingResult, err error) {
	defer func() { err = run.Lost(err) }()
	defer a.reportEngineCalls(ctx)
	m, err := a.resolveOnce(ctx, in.Table)
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	keys, err := a.o.Ledger.Unaudited(ctx, in.Table.Name, in.Run, in.After, auditReads)
	if err != nil {
		return nil, err
	}
	observations, err := a.readOneByOne(ctx, m, in.AuditInput, keys)
	if err != nil {
		return nil, errors.Join(a.o.Ledger.SaveObservations(ctx, in.Table.Name, in.Run, observations), run.ToTemporal(ctx, err))
	}
	if err := a.o.Ledger.SaveObservations(ctx, in.Table.Name, in.Run, observations); err != nil {
		return nil, err
	}
	out := &activities.AuditMissingResult{Checked: int64(len(keys)), More: len(keys) == auditReads}
	if len(keys) > 0 {
		out.After = keys[len(keys)-1]
	}
	return out, nil
}

// EndAudit sums up what an audit found, and ends it.
func (a *Activities) EndAudit(ctx context.Context, in activities.AuditInput) (_ *activities.AuditFindings, err error) {
	defer func() { err = run.Lost(err) }()
	out := &activities.AuditFindings{}
	fields := map[string]int64{}
	examples := map[ledger.Finding]int{}
	var ours int64 // strays with a key of ours
	leaves := in.Table.LeavesErased(false)
	if leaves {
		var err error
		if out.Erased, err = a.o.Ledger.LostCount(ctx, in.Table.Name); err != nil {
			return nil, err
		}
	}
	if err := a.o.Ledger.EndAudit(ctx, in.Table.Name, in.Run); err != nil {
		return nil, err
	}
	for after := ""; ; {
		observations, err := a.o.Ledger.AuditFindings(ctx, in.Table.Name, in.Run, after, 0)
		if err != nil {
			return nil, err
		}
		var left map[string]bool
		if leaves {
			if left, err = a.leftErased(ctx, in.Table.Name, observations); err != nil {
				return nil, err
			}
		}
		for i := range observations {
			n := &observations[i]
			after = n.Key
			if n.Finding == ledger.Missing && leaves {
				if !left[n.Key] { // counted already
					out.Erased++
				}
				continue
			}
			switch n.Finding {
			case ledger.Changed:
				out.Changed++
			case ledger.Missing:
				out.Missing++
			case ledger.Stray:
				out.Stray++
				if isOurKey(n.Key) {
					ours++
				}
			case ledger.Duplicate:
				out.Duplicate++
			}
			for _, f := range n.Fields {
				fields[f]++
			}
			if examples[n.Finding]++; examples[n.Finding] <= maxAuditExamples {
				out.Examples = append(out.Examples, exampleOf(n))
			}
		}
		if len(observations) == 0 {
			break
		}
		activity.RecordHeartbeat(ctx, after)
	}
	out.Fields = ranked(fields)
	if err := a.o.Ledger.SaveStrays(ctx, in.Table.Name, ours); err != nil {
		return nil, err
	}
	if err := a.o.Ledger.ForgetPages(ctx, in.Run); err != nil {
		return nil, err
	}
	if err := a.o.Ledger.SetRunState(ctx, in.Run, ledger.RunCompleted, ""); err != nil {
		return nil, err
	}
	return out, nil
}

// leftErased says of which records of a page of findings the ledger knows by now that
// Campaign does not hold them.
func (a *Activities) leftErased(ctx context.Context, table string, page []ledger.Observation) (map[string]bool, error) {
	var keys []string
	for i := range page {
		if page[i].Finding == ledger.Missing {
			keys = append(keys, page[i].Key)
		}
	}
	known, err := a.o.Ledger.Records(ctx, table, keys)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, key := range keys {
		out[key] = known[key] == nil || known[key].Payload == nil
	}
	return out, nil
}

const maxAuditExamples = 5

func exampleOf(n *ledger.Observation) activities.PlanExample {
	x := activities.PlanExample{ID: n.Key, Outcome: string(n.Finding)}
	if n.Finding == ledger.Duplicate {
		x.Why = "its key is that of one of our records in another spelling; keep one of the two"
	}
	if len(n.Fields) > 0 {
		x.Changes = make(map[string]string, len(n.Fields))
		for _, f := range n.Fields {
			x.Changes[f] = "differs from what was written"
		}
	}
	return x
}
