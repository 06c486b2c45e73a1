package operator

import (
	"context"

	"causeway.dev/activities"
)

// CompareMapping says in words what the mapping in the configuration says differently than
// the one that runs.
func (i *Instance) CompareMapping(ctx context.Context, name string) (r activities.CompareMappingResult, err error) {
	table, err := i.table(name)
	if err != nil {
		return r, err
	}
	f := i.flow(name)
	st, err := f.status(ctx)
	if err != nil {
		return r, f.explain(ctx, err)
	}
	if st.Revision == "" {
		return r, badInput("%s has not run yet, so there is nothing to compare with; causeway plan %s tells what its first start would do", name, name)
	}
	err = i.ask(ctx, i.Timeout, activities.CompareMapping, activities.CompareMappingInput{Table: table, Revision: st.Revision}, &r)
	if r.Differences == nil {
		r.Differences = []activities.MappingDifference{}
	}
	return r, err
}

// addDifferences says what is on file and does not run yet. It is left out when no worker
// answers soon.
func (i *Instance) addDifferences(ctx context.Context, r *FlowReport) {
	table, mapped := i.Config.Ingress.Tables[r.Flow]
	if !mapped || r.Status == nil || r.Status.Revision == "" || r.Status.Revision == r.FileRevision {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerWithin)
	defer cancel()
	var compared activities.CompareMappingResult
	if err := i.temporal.Run(ctx, activities.CompareMapping, activities.CompareMappingInput{Table: table, Revision: r.Status.Revision}, &compared); err == nil {
		r.Differences = compared.Differences
	}
}
