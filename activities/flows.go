package activities

// FlowEgress is the flow's name in the ledger, and stands where ingress has the
// name of a table: there is one flow of events.
const FlowEgress = "egress"

// FlowIngress is the flow's name in the ledger.
const FlowIngress = "ingress"

// PlanKey names what a mapping resolved to in the ledger.
func (r RunRef) PlanKey() string {
	if r.Plan == "" {
		return r.Revision // the newest: what a run of an earlier build named
	}
	return r.Revision + "@" + r.Plan
}

// FlowOptOut is the flow's name in the ledger, and stands where ingress has the
// name of a table: there is one flow of opt-outs.
const FlowOptOut = "optout"
