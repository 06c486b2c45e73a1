package activitytest

import (
	"causeway.dev/activities"
)

// Audit runs a whole audit, as the workflow does.
func (s *World) Audit(run string) activities.AuditFindings {
	s.T.Helper()
	in := activities.AuditInput{Run: run, Table: s.Table}
	Call[activities.OpenAuditResult](s, s.Ingress.OpenAudit, in)
	for more := true; more; {
		more = Call[activities.AuditPagesResult](s, s.Ingress.AuditPages, in).More
	}
	for more, after := true, ""; more; {
		got := Call[activities.AuditMissingResult](s, s.Ingress.AuditMissing, activities.AuditMissingInput{AuditInput: in, After: after})
		more, after = got.More, got.After
	}
	return Call[activities.AuditFindings](s, s.Ingress.EndAudit, in)
}

// ApplyFindings makes the ledger say what an audit found.
func (s *World) ApplyFindings(run string) int64 {
	s.T.Helper()
	return Call[activities.ApplyFindingsResult](s, s.Ingress.ApplyFindings, activities.ApplyFindingsInput{Table: s.Table.Name, Run: run}).Corrected
}

// Explain says what is known of a record, and what both systems hold of it.
func (s *World) Explain(id string) activities.ExplainResult {
	s.T.Helper()
	return Call[activities.ExplainResult](s, s.Ingress.Explain, activities.ExplainInput{Table: s.Table, ID: id, Live: true})
}
