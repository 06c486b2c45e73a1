package commands

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

type optOutExportOptions struct {
	output       string
	since, until string
}

func newOptOutExport(e *env) *cobra.Command {
	var o optOutExportOptions
	cmd := &cobra.Command{
		Use: "export --output <file>", Short: "Write all decisions about opt-outs into a CSV file",
		Long: `Write what was decided about opt-outs into a CSV file, for a data-protection officer:
one line for each decision, with what each system had said and when, the rule, the
result and the run. The file holds ids and choices, no names and no addresses; only
this account can read it. It appears when it is complete. With --output - the lines
go to stdout, and how many there were to stderr: only exit code 0 says that they are
all.

Columns: contact, decided_at, attribute, column, dynamics, dynamics_chosen_at, campaign,
campaign_chosen_at, rule, decided, written, run.

With -o json: {file, decisions}.`,
		Example: "  causeway optout export --output opt-outs.csv\n  causeway optout export --output march.csv --since 2026-03-01 --until 2026-04-01\n  causeway optout export --output - | gzip > opt-outs.csv.gz",
		Args:    exactly("none", 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return optOutExport(cmd.Context(), e, o) },
	}
	cmd.Flags().StringVar(&o.output, "output", "", "`file` to write, - for stdout; one that exists is left alone")
	// The file takes the name of the global flag, so the format keeps its letter.
	cmd.Flags().StringVarP(&e.output, "format", "o", "table", "`format` of the result: table or json")
	cmd.Flags().StringVar(&o.since, "since", "", "decisions from then on: a `time`, a date, or how long ago, such as 720h")
	cmd.Flags().StringVar(&o.until, "until", "", "decisions before then: a `time`, a date, or how long ago")
	_ = cmd.MarkFlagFilename("output", "csv")
	return cmd
}

func optOutExport(ctx context.Context, e *env, o optOutExportOptions) error {
	switch o.output {
	case "":
		return badInput("--output: got nothing, want the CSV file to write")
	case "-":
		if e.json() {
			return badInput("got --output - and -o json, and both go to stdout, want one of them")
		}
	case "json", "table":
		return badInput("--output: got %q, want the CSV file to write; the format of the result is -o %s", o.output, o.output)
	}
	in := activities.EvidenceInput{}
	var err error
	for _, flag := range []struct {
		name, value string
		into        *time.Time
	}{{"--since", o.since, &in.Since}, {"--until", o.until, &in.Until}} {
		if flag.value == "" {
			continue
		}
		if *flag.into, err = e.instant(flag.name, flag.value); err != nil {
			return err
		}
	}
	if !in.Until.IsZero() && !in.Since.Before(in.Until) {
		return badInput("--until: got %s, want a time after --since", o.until)
	}
	if o.output == "-" {
		return e.with(ctx, func(i *operator.Instance) error {
			n, err := i.ExportOptOuts(ctx, in, e.out)
			if err == nil {
				e.say("%s", phrase.Count(n, "decision"))
			}
			return err
		})
	}
	if _, err := os.Lstat(o.output); err == nil {
		return badInput("--output: %s exists already; name another file, or remove it", o.output)
	}
	return e.with(ctx, func(i *operator.Instance) error {
		n, err := exportEvidence(ctx, i, in, o.output)
		if err != nil {
			return err
		}
		return e.show(struct {
			File      string `json:"file"`
			Decisions int64  `json:"decisions"`
		}{o.output, n}, func() { fmt.Fprintf(e.out, "%s: %s\n", o.output, phrase.Count(n, "decision")) })
	})
}

// exportEvidence writes beside the file, which appears when it is whole.
func exportEvidence(ctx context.Context, i *operator.Instance, in activities.EvidenceInput, path string) (int64, error) {
	temp, err := os.CreateTemp(filepath.Dir(path), ".opt-outs-*")
	if err != nil {
		return 0, badInput("--output: %s cannot be written: %s: %v", path, filepath.Dir(path), cause(err))
	}
	defer os.Remove(temp.Name())
	n, err := i.ExportOptOuts(ctx, in, temp)
	if closeErr := temp.Close(); err == nil && closeErr != nil {
		err = failed("writing %s: %v", path, closeErr)
	}
	if err != nil {
		return 0, err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return 0, failed("writing %s: %v", path, err)
	}
	return n, nil
}
