package commands

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newDeploy(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "deploy", Short: "See and choose which version of the worker goes on with the flows",
		Long: `See and choose which version of the worker goes on with the flows. Temporal gives
what begins, and the flows, to the current version, and a pass to the version that
began it. With upgrades.versions: automatic, a new version becomes the current one
by itself, and nothing has to be done here. docs/upgrade.md tells more.`,
	}
	cmd.AddCommand(newDeployStatus(e), newDeployCurrent(e), newDeployRamp(e), newDeployRollback(e))
	return cmd
}

const deployJSON = `

With -o json: {name, current, ramping, percent, changed, by, versions: [{build,
state, since, created, last_current}], held: {build: text}}. state is new, current,
ramping, draining or drained.`

func newDeployStatus(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "List the versions of the worker, and what each is given",
		Long: `List the versions of the worker that Temporal knows, the newest first. A worker of
a draining version is still needed for the passes that it began; a drained one can
be stopped.` + deployJSON,
		Args: exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return tell(cmd.Context(), e, func(i *operator.Instance) (*operator.Deployment, error) { return i.DeployStatus(cmd.Context()) }, writeDeployment)
		},
	}
}

func newDeployCurrent(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "current <build>", Short: "Give the flows, and what begins, to a version",
		Long: `Give the flows, and what begins, to a version of the worker. Passes stay with the
version that began them. With upgrades.versions: automatic another version takes
over when no worker of this one is there.` + deployJSON,
		Example: "  causeway deploy current v1.1.0",
		Args:    exactly("the build", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return tell(cmd.Context(), e, func(i *operator.Instance) (*operator.Deployment, error) {
				return i.DeployCurrent(cmd.Context(), args[0])
			}, writeDeployment)
		},
	}
}

func newDeployRamp(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "ramp <build> <percent>", Short: "Give a share of the flows to a version",
		Long: `Give a share of the flows, and of what begins, to a version of the worker. 0 ends
it. It is meant for upgrades.versions: manual; "causeway deploy current" gives it
the rest.` + deployJSON,
		Example: "  causeway deploy ramp v1.1.0 20",
		Args:    exactly("the build and a percentage", 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			percent, err := strconv.ParseFloat(strings.TrimSuffix(args[1], "%"), 64)
			if err != nil {
				return badInput("percent: got %q, want 0 to 100", args[1])
			}
			return tell(cmd.Context(), e, func(i *operator.Instance) (*operator.Deployment, error) {
				return i.DeployRamp(cmd.Context(), args[0], percent)
			}, writeDeployment)
		},
	}
}

func newDeployRollback(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "rollback", Short: "Give the flows back to the version before",
		Long: `Give the flows, and what begins, back to the version of the worker that was the
current one before. A worker of it has to be there. Asked twice it changes nothing
more: name the build to go further back, or forward ("causeway deploy current").` + deployJSON,
		Args: exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return tell(cmd.Context(), e, func(i *operator.Instance) (*operator.Deployment, error) { return i.DeployRollback(cmd.Context()) }, writeDeployment)
		},
	}
}

func writeDeployment(e *env, d *operator.Deployment) {
	if len(d.Versions) == 0 {
		fmt.Fprintln(e.out, "no worker has told its version yet")
		return
	}
	rows := [][]cell{header(nil, "VERSION", "STATE", "SINCE", "FIRST SEEN")}
	for _, v := range d.Versions {
		state, since := v.State, "-"
		if v.Build == d.Ramping {
			state += fmt.Sprintf(" %g %%", d.Percent)
		}
		if !v.Since.IsZero() {
			since = phrase.Moment(e.now(), v.Since)
		}
		rows = append(rows, []cell{text(v.Build), text(state), text(since), text(phrase.Moment(e.now(), v.Created))})
	}
	writeTable(e.out, e.colours(), rows)
	for _, v := range d.Versions {
		if why := d.Held[v.Build]; why != "" {
			fmt.Fprintf(e.out, "%s does not go on with the flows: %s\n", v.Build, phrase.OneLine(why))
		}
	}
	if d.Current == "" {
		fmt.Fprintln(e.out, "no version is the current one: workers that tell no version are given what there is")
	}
}
