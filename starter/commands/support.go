package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/internal/support"
)

func newSupport(e *env) *cobra.Command {
	cmd := &cobra.Command{Use: "support", Short: "Make what whoever helps needs to see", Args: exactly("a subcommand", 1)}
	cmd.AddCommand(newSupportBundle(e))
	return cmd
}

func newSupportBundle(e *env) *cobra.Command {
	var run, file, reason string
	cmd := &cobra.Command{
		Use: "bundle", Short: "Write a zip that says how this instance is set up and what went wrong",
		Long: `Write a zip for whoever helps: version, configuration, status, failures in words,
the newest runs, metrics, and what was not well when the doctor looked at everything
last. With --run also the facts of one run, and which events its history has and when.

It holds no secret and nothing of a person: values of records, filters and replacements,
ids, addresses, names of operators and their reasons are left out. README.txt in it says
what is in it, missing.txt what could not be had. The operations log has who made it and
when, before the file is written; without Temporal there is none.

Here -o is the file, and not the format of the result. It must not be there yet.`,
		Example: "  causeway support bundle -o causeway.zip\n  causeway support bundle --run contacts-20260102T030405.000Z -o causeway.zip",
		Args:    exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return badInput("-o: got nothing, want the file to write, such as causeway.zip")
			}
			return supportBundle(cmd.Context(), e, support.Options{Run: run, Reason: reason, Now: e.now}, file)
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "`file` to write")
	cmd.Flags().StringVar(&run, "run", "", "the `run` that it is about")
	_ = cmd.RegisterFlagCompletionFunc("run", completeRuns(e))
	cmd.Flags().StringVar(&reason, "reason", "", "`why`, such as the number of a ticket, for the operations log")
	return cmd
}

func supportBundle(ctx context.Context, e *env, o support.Options, file string) error {
	return e.with(ctx, func(i *operator.Instance) error {
		out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return badInput("-o: %s is there already; name another file", file)
		}
		if err != nil {
			return badInput("-o: %v", err)
		}
		report, err := support.Write(ctx, i, o, out)
		if err = errors.Join(err, out.Close()); err != nil {
			_ = os.Remove(file)
			return err
		}
		fmt.Fprintf(e.out, "%s written: %s. Look into it before you send it.\n", file, phrase.Count(int64(len(report.Files)), "file"))
		for _, m := range report.Missing {
			e.say("left out: %s", m)
		}
		return nil
	})
}
