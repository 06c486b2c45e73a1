package activitytest

import (
	"causeway.dev/activities"
)

// Audit runs a whole audit, as the workflow does.
func (s *World) Audit(run string) activities.AuditFindings {
	s.T.Helper()
	in := activities.AuditInput{Run: run, Table: s.Table}
	Call[activities.OpenAuditResult](s, s.In.OpenAudit, in)
	for more := true; more; {
		more = Call[activities.AuditPagesResult](s, s.In.AuditPages, in).More
	}
	for more, after := true, ""; more; {
		got := Call[activities.AuditMissingResult](s, s.In.AuditMissing, activities.AuditMissingInput{AuditInput: in, After: after})
		more, after = got.More, got.After
	}
	return Call[activities.AuditFindings](s, s.In.EndAudit, in)
}

// Correct tells the ledger what an audit found.
func (s *World) Correct(run string) int64 {
	s.T.Helper()
	return Call[activities.ApplyFindingsResult](s, s.In.ApplyFindings, activities.ApplyFindingsInput{Table: s.Table.Name, Run: run}).Corrected
}

func (s *World) Explain(id string) activities.ExplainResult {
	s.T.Helper()
	return Call[activities.ExplainResult](s, s.In.Explain, activities.ExplainInput{Table: s.Table, ID: id, Live: true})
}
