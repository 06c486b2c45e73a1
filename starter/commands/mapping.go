package commands

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newMapping(e *env) *cobra.Command {
	cmd := group(&cobra.Command{
		Use: "mapping", Short: "Make and compare table mappings",
	})
	cmd.AddCommand(newMappingInit(e), newMappingDiff(e))
	return cmd
}

func newMappingInit(e *env) *cobra.Command {
	var in activities.ProposeInput
	cmd := &cobra.Command{
		Use: "init <dynamics table> <campaign resource>", Short: "Propose a mapping from the data models of both sides",
		Long: `Propose a mapping: a worker reads the definitions of both tables and pairs what
belongs together, by what is usual for contacts, by equal names, and by names that
are alike. The result is YAML to put under ingress.tables of the configuration
file, with the types of both sides; pairs that deserve a look are marked doubtful,
with the reason. Campaign fields without a partner are listed at the end. Nothing
is changed anywhere. When it is as you want it: causeway config validate, then
causeway plan.

With -o json: {proposal: {table, pairs: [{source, target, doubts}], key, unused},
yaml}.`,
		Example: "  causeway mapping init contact profile\n  causeway mapping init new_vehicle cusVehicle --name vehicles >> causeway.yaml",
		Args:    exactly("a Dynamics table and a Campaign resource", 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Table, in.Resource = args[0], args[1]
			return tell(cmd.Context(), e, func(i *operator.Instance) (activities.ProposeResult, error) {
				return i.ProposeMapping(cmd.Context(), in)
			}, writeProposal)
		},
	}
	cmd.Flags().StringVar(&in.Name, "name", "", "`name` of the mapping (default: the Dynamics table, with an s)")
	cmd.Flags().StringVar(&in.API, "api", "", "Campaign `API` of the resource: profileAndServicesExt (default), profileAndServices or customResources")
	return cmd
}

func newMappingDiff(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "diff <table>", Short: "Say what the mapping on file says and the one that runs does not",
		Long: `Say in words what the mapping in the configuration file says differently than the
revision that runs. A saved edit runs after stop and start.

Exit code 1 when they differ.

With -o json: {revision, runs, known, differences: [{path, kind, before, after,
sentence}]}; kind is added, removed or changed.`,
		Example:           "  causeway mapping diff contacts",
		Args:              exactly("a table mapping", 1),
		ValidArgsFunction: completeTables(e),
		RunE: func(cmd *cobra.Command, args []string) error {
			return judge(cmd.Context(), e, func(i *operator.Instance) (activities.CompareMappingResult, error) {
				return i.CompareMapping(cmd.Context(), args[0])
			}, writeMappingDifferences, func(r activities.CompareMappingResult) int { return failedIf(r.Revision != r.Runs) })
		},
	}
}

func writeMappingDifferences(e *env, r activities.CompareMappingResult) {
	switch {
	case r.Revision == r.Runs:
		fmt.Fprintf(e.out, "Revision %s runs and is on file.\n", r.Runs)
		return
	case !r.Known:
		fmt.Fprintf(e.out, "Revision %s runs, %s is on file. What the former said is not known any more.\n", r.Runs, r.Revision)
		return
	}
	fmt.Fprintf(e.out, "Revision %s runs, %s is on file:\n", r.Runs, r.Revision)
	for _, d := range r.Differences {
		fmt.Fprintln(e.out, "  "+d.Sentence)
	}
}

func writeProposal(e *env, result activities.ProposeResult) {
	for _, line := range strings.Split(strings.TrimRight(result.YAML, "\n"), "\n") {
		fmt.Fprintln(e.out, "    "+line) // as deep as it stands in the file
	}
	p, doubts := result.Proposal, 0
	if p == nil {
		return
	}
	for _, pair := range p.Pairs {
		if len(pair.Doubts) > 0 {
			doubts++
		}
	}
	e.say("%s, %d of them doubtful; %s of Campaign without a partner", phrase.Count(int64(len(p.Pairs)), "pair"), doubts, phrase.Count(int64(len(p.Unused)), "field"))
}
