package commands

import (
	"context"
	"crypto/rand"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newOptOutHistory(e *env, g *global) *cobra.Command {
	return &cobra.Command{
		Use: "history <contact>", Short: "Show every decision about a contact's opt-outs, and what it rests on",
		Long: `Show what was decided about the opt-outs of a contact: what each system had said and
when, the rule that applied, and what was written. Decisions are kept for
opt_out.keep_evidence. The answer is encrypted on its way: Temporal keeps none of it.

With -o json: [{contact, at, run, attribute, column, dynamics: {known, opted_out, at},
campaign: {known, opted_out, at}, rule, opted_out, effect}], the oldest first.`,
		Example: "  causeway optout history 6f0c1d2e-0000-4000-8000-000000000001",
		Args:    exactly("the id of one contact in Dynamics", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return optOutHistory(cmd.Context(), e, g, args[0])
		},
	}
}

func optOutHistory(ctx context.Context, e *env, g *global, id string) error {
	ids, err := e.readIDs(id)
	if err != nil || len(ids) != 1 {
		return badInput("contact: got %q, want the id of one contact in Dynamics, such as 6f0c1d2e-0000-4000-8000-000000000001", id)
	}
	_, api, err := e.connect(ctx, g)
	if err != nil {
		return err
	}
	defer api.Close()
	all := []activities.Evidence{}
	err = evidence(ctx, e, g, api, activities.EvidenceInput{Contact: ids[0]}, func(page []activities.Evidence) error {
		all = append(all, page...)
		return nil
	})
	if err != nil {
		return err
	}
	if g.json() {
		return writeJSON(e.out, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(e.out, "nothing was decided about "+ids[0])
		return nil
	}
	rows := [][]cell{header(nil, "TIME", "ATTRIBUTE", "DYNAMICS", "CAMPAIGN", "RULE", "DECIDED", "WRITTEN", "RUN")}
	for _, d := range all {
		rows = append(rows, []cell{
			text(d.At.UTC().Format(time.RFC3339)), text(d.Attribute + " = " + d.Column), text(said(d.Dynamics)), text(said(d.Campaign)),
			text(ruleInWords[d.Rule]), text(outOrIn(d.OptedOut)), text(effectInWords[d.Effect]), text(d.Run),
		})
	}
	writeTable(e.out, e.colours(), rows)
	return nil
}

func outOrIn(out bool) string {
	if out {
		return "opted out"
	}
	return "may contact"
}

// said is what one side had chosen.
func said(c activities.Choice) string {
	switch {
	case !c.Known:
		return "nothing"
	case c.At.IsZero():
		return outOrIn(c.OptedOut) + ", time unknown"
	}
	return outOrIn(c.OptedOut) + " " + c.At.UTC().Format(time.RFC3339)
}

var ruleInWords = map[string]string{
	"campaign-newer": "Campaign is newer", "dynamics-newer": "Dynamics is newer or as old: an opt-out wins", "age-unknown": "an age is unknown: an opt-out wins",
	"only-dynamics": "only Dynamics has chosen", "only-campaign": "only Campaign has chosen", "campaign-changed": "Campaign overwrites", "kept": "Campaign has not changed",
	"nothing-known": "nothing is known",
}

var effectInWords = map[string]string{
	"": "nothing", "dynamics": "Dynamics", "campaign": "Campaign", "both": "both", "waits": "nothing yet: there is no profile", "refused": "nothing: it was refused",
}

type optOutExportOptions struct {
	output       string
	since, until string
}

func newOptOutExport(e *env, g *global) *cobra.Command {
	var o optOutExportOptions
	cmd := &cobra.Command{
		Use: "export --output <file>", Short: "Write all decisions about opt-outs into a CSV file",
		Long: `Write what was decided about opt-outs into a CSV file, for a data-protection officer:
one line for each decision, with what each system had said and when, the rule, the
result and the run. The file holds ids and choices, no names and no addresses; only
this account can read it. It appears when it is complete.

Columns: contact, decided_at, attribute, column, dynamics, dynamics_chosen_at, campaign,
campaign_chosen_at, rule, decided, written, run.

With -o json: {file, decisions}.`,
		Example: "  causeway optout export --output opt-outs.csv\n  causeway optout export --output march.csv --since 2026-03-01 --until 2026-04-01",
		Args:    exactly("none", 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return optOutExport(cmd.Context(), e, g, o) },
	}
	cmd.Flags().StringVar(&o.output, "output", "", "`file` to write; one that exists is left alone")
	// The file takes the name of the global flag, so the format keeps its letter.
	cmd.Flags().StringVarP(&g.output, "format", "o", "table", "`format` of the result: table or json")
	cmd.Flags().StringVar(&o.since, "since", "", "decisions from then on: a `time`, a date, or how long ago, such as 720h")
	cmd.Flags().StringVar(&o.until, "until", "", "decisions before then: a `time`, a date, or how long ago")
	_ = cmd.MarkFlagFilename("output", "csv")
	return cmd
}

func optOutExport(ctx context.Context, e *env, g *global, o optOutExportOptions) error {
	switch o.output {
	case "":
		return badInput("--output: got nothing, want the CSV file to write")
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
	if _, err := os.Lstat(o.output); err == nil {
		return badInput("--output: %s exists already; name another file, or remove it", o.output)
	}
	_, api, err := e.connect(ctx, g)
	if err != nil {
		return err
	}
	defer api.Close()
	temp, err := os.CreateTemp(filepath.Dir(o.output), ".opt-outs-*")
	if err != nil {
		return badInput("--output: %s cannot be written: %s: %v", o.output, filepath.Dir(o.output), cause(err))
	}
	defer os.Remove(temp.Name())
	n, err := writeEvidence(ctx, e, g, api, in, temp)
	if closeErr := temp.Close(); err == nil && closeErr != nil {
		err = failed("writing %s: %v", o.output, closeErr)
	}
	if err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), o.output); err != nil {
		return failed("writing %s: %v", o.output, err)
	}
	if g.json() {
		return writeJSON(e.out, struct {
			File      string `json:"file"`
			Decisions int64  `json:"decisions"`
		}{o.output, n})
	}
	fmt.Fprintf(e.out, "%s: %s\n", o.output, phrase.Count(n, "decision"))
	return nil
}

func writeEvidence(ctx context.Context, e *env, g *global, api operator.Temporal, in activities.EvidenceInput, to io.Writer) (n int64, err error) {
	w := csv.NewWriter(to)
	if err := w.Write([]string{"contact", "decided_at", "attribute", "column", "dynamics", "dynamics_chosen_at", "campaign", "campaign_chosen_at", "rule", "decided", "written", "run"}); err != nil {
		return 0, failed("writing the file: %v", err)
	}
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	side := func(c activities.Choice) string {
		if !c.Known {
			return ""
		}
		return outOrIn(c.OptedOut)
	}
	err = evidence(ctx, e, g, api, in, func(page []activities.Evidence) error {
		for _, d := range page {
			n++
			if err := w.Write([]string{d.Contact, stamp(d.At), d.Attribute, d.Column, side(d.Dynamics), stamp(d.Dynamics.At), side(d.Campaign), stamp(d.Campaign.At),
				d.Rule, outOrIn(d.OptedOut), d.Effect, d.Run}); err != nil {
				return failed("writing the file: %v", err)
			}
		}
		return nil
	})
	w.Flush()
	if err == nil && w.Error() != nil {
		err = failed("writing the file: %v", w.Error())
	}
	return n, err
}

// evidence reads decisions page by page. Each answer is sealed to a key made for it.
func evidence(ctx context.Context, e *env, g *global, api operator.Temporal, in activities.EvidenceInput, page func([]activities.Evidence) error) error {
	for {
		public, private, err := box.GenerateKey(rand.Reader)
		if err != nil {
			return failed("making a key for the answer: %v", err)
		}
		in.RevealTo = public[:]
		var r activities.EvidenceResult
		if err := ask(ctx, e, g, api, g.timeout, activities.OptOutEvidence, in, &r); err != nil {
			return err
		}
		rows, err := activities.RevealEvidence(r.Sealed, public, private)
		if err != nil {
			return failed("%v", err)
		}
		if err := page(rows); err != nil {
			return err
		}
		if r.Next == nil {
			return nil
		}
		in.After = r.Next
	}
}
