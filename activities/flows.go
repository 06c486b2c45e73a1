package activities

// FlowEgress is the name of the flow of events in the ledger. It also takes the place of
// a table's name there, because there is one such flow.
const FlowEgress = "egress"

// FlowIngress is the name in the ledger of the flows that copy tables to Campaign.
const FlowIngress = "ingress"

// PlanKey is the key under which the ledger keeps what a mapping resolved to.
func (r RunRef) PlanKey() string {
	if r.Plan == "" {
		return r.Revision // the newest: what a run of an earlier build named
	}
	return r.Revision + "@" + r.Plan
}

// FlowOptOut is the name of the flow of opt-outs in the ledger. It also takes the place
// of a table's name there, because there is one such flow.
const FlowOptOut = "optout"
