package simulation

import (
	"causeway.dev/activities"
	"causeway.dev/internal/timeline"
)

// tableFlow is the flow of a table mapping; name is that of its runs.
func (w *world) tableFlow(name string, table activities.Table) *flow {
	f := &flow{w: w, table: &table}
	f.steps = w.ingressSteps(name, table, f)
	return f
}

// ingressSteps are those of workflows.TableSync.
func (w *world) ingressSteps(name string, table activities.Table, f *flow) steps {
	return steps{
		name: name, table: table.Name, first: activities.PhaseDelta,
		phases: func(kind activities.Kind, known int64) []activities.Phase {
			switch {
			case kind == activities.KindRollback:
				return []activities.Phase{activities.PhaseUndo}
			case kind == activities.KindDelta:
				return []activities.Phase{activities.PhaseDelta}
			case kind == activities.KindBackfill:
				return []activities.Phase{activities.PhaseScan}
			case kind == activities.KindRelease:
				return []activities.Phase{activities.PhaseQuarantined}
			case known > 0:
				return []activities.Phase{activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep}
			}
			return []activities.Phase{activities.PhaseBaseline, activities.PhaseCatchUp}
		},
		preflight: func(a *attempt, restored string, mark activities.StartMark) (*started, error) {
			in := activities.PreflightInput{Table: table, Comparing: restored != "", StartMark: mark}
			if restored == restoredNow {
				in.Restored = "it was restored"
			}
			out, err := w.ingressOf(a).Preflight(a.ctx, in)
			if err != nil {
				return nil, err
			}
			return &started{out.Revision, out.Plan, out.NeedsBaseline || restored == repairing, out.UnfinishedRun, out.Restored != ""}, nil
		},
		open: func(a *attempt, in activities.OpenRunInput) (*activities.OpenRunResult, error) {
			return w.ingressOf(a).OpenRun(a.ctx, in)
		},
		fetch: func(a *attempt, in activities.FetchInput) (*activities.FetchResult, error) {
			return w.ingressOf(a).FetchPage(a.ctx, in)
		},
		write: func(a *attempt, in activities.LaneInput) (*activities.LaneResult, error) {
			return w.ingressOf(a).WriteLane(a.ctx, in)
		},
		save: func(a *attempt, in activities.SaveWatermarkInput) (*activities.SaveWatermarkResult, error) {
			return w.ingressOf(a).SaveWatermark(a.ctx, in)
		},
		end:   func(a *attempt, in activities.EndRunInput) error { return w.ingressOf(a).EndRun(a.ctx, in) },
		audit: f.auditTable,
	}
}

// auditTable is that of workflows.Audit, and the repair that the owner begins with.
func (f *flow) auditTable(run string) error {
	w := f.w
	in := activities.AuditInput{Run: "audit-" + run, Table: *f.table}
	if _, err := do(w, in.Run+" open", func(a *attempt) (*activities.OpenAuditResult, error) { return w.ingressOf(a).OpenAudit(a.ctx, in) }); err != nil {
		return err
	}
	for more := true; more; {
		got, err := do(w, in.Run+" list", func(a *attempt) (*activities.AuditPagesResult, error) { return w.ingressOf(a).AuditPages(a.ctx, in) })
		if err != nil {
			return err
		}
		more = got.More
	}
	missing := activities.AuditMissingInput{AuditInput: in}
	for more := true; more; {
		got, err := do(w, in.Run+" missing", func(a *attempt) (*activities.AuditMissingResult, error) {
			return w.ingressOf(a).AuditMissing(a.ctx, missing)
		})
		if err != nil {
			return err
		}
		missing.After, more = got.After, got.More
	}
	if _, err := do(w, in.Run+" end", func(a *attempt) (*activities.AuditFindings, error) { return w.ingressOf(a).EndAudit(a.ctx, in) }); err != nil {
		return err
	}
	_, err := do(w, in.Run+" apply", func(a *attempt) (*activities.ApplyFindingsResult, error) {
		return w.ingressOf(a).ApplyFindings(a.ctx, activities.ApplyFindingsInput{Table: f.table.Name, Run: in.Run})
	})
	return err
}

// deleteStrays is what an operator does who has looked at the strays of the last audit.
func (f *flow) deleteStrays() error {
	w := f.w
	listed, err := do(w, "strays list", func(a *attempt) (*activities.StraysResult, error) {
		return w.ingressOf(a).ListStrays(a.ctx, activities.StraysInput{Table: *f.table})
	})
	if err != nil || len(listed.Gone) == 0 {
		return err
	}
	w.note("STRAYS %v", listed.Gone)
	in := activities.DeleteStraysInput{RunRef: f.ref(f.newRun(), activities.KindAudit), IDs: listed.Gone}
	_, err = do(w, in.Run+" strays", func(a *attempt) (*activities.DeleteStraysResult, error) {
		return w.ingressOf(a).DeleteStrays(a.ctx, in)
	})
	return err
}

// eventSteps are those of workflows.EventSync, with the journal as its source.
func (w *world) eventSteps() steps {
	settings := activities.EgressSettings{Source: timeline.SourceJournal, Sends: true, Opens: true, Clicks: true, Bounces: true,
		UnknownContact: timeline.UnknownCount, Tables: timeline.DefaultTables()}
	return steps{
		name: "events", table: activities.FlowEgress, first: activities.PhaseEvents,
		phases: func(activities.Kind, int64) []activities.Phase {
			return []activities.Phase{activities.PhaseJournal, activities.PhaseFiles}
		},
		preflight: func(a *attempt, _ string, mark activities.StartMark) (*started, error) {
			out, err := w.egressOf(a).PreflightEvents(a.ctx, activities.PreflightEventsInput{Settings: settings, StartMark: mark})
			if err != nil {
				return nil, err
			}
			return &started{revision: out.Revision, plan: out.Plan}, nil
		},
		open: func(a *attempt, in activities.OpenRunInput) (*activities.OpenRunResult, error) {
			return w.egressOf(a).OpenEventRun(a.ctx, in)
		},
		fetch: func(a *attempt, in activities.FetchInput) (*activities.FetchResult, error) {
			return w.egressOf(a).FetchEvents(a.ctx, in)
		},
		write: func(a *attempt, in activities.LaneInput) (*activities.LaneResult, error) {
			return w.egressOf(a).WriteTimeline(a.ctx, in)
		},
		save: func(a *attempt, in activities.SaveWatermarkInput) (*activities.SaveWatermarkResult, error) {
			return w.egressOf(a).SaveEventPosition(a.ctx, in)
		},
		end: func(a *attempt, in activities.EndRunInput) error { return w.egressOf(a).EndEventRun(a.ctx, in) },
	}
}
