package commands

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"causeway.dev/config"
	"causeway.dev/internal/phrase"
)

func newConfig(e *env) *cobra.Command {
	cmd := group(&cobra.Command{
		Use: "config", Short: "Write, check, show, describe or restore the configuration file",
	})
	cmd.AddCommand(newConfigInit(e), newConfigValidate(e), newConfigShow(e), newConfigSchema(e), newConfigHistory(e), newConfigRestore(e))
	return cmd
}

func newConfigValidate(e *env) *cobra.Command {
	var secrets bool
	cmd := &cobra.Command{
		Use: "validate", Short: "Check the configuration file, offline",
		Long: `Check the configuration file, and the files it includes, without calling anybody.
Every problem is reported at once, each with its file and line, its path, what was
found, what is wanted and what to do; exit code 2 then. Warnings are settings that
work but deserve a look. Secrets that this machine cannot read are warnings, because
only the worker needs them; --secrets makes them problems.

With -o json: {file, valid, problems: [{file, line, path, got, want, remedy}],
warnings: [text], instance, tables: [{table, fields, revision, file}]}; file names
the included file that holds the mapping.`,
		Example: "  causeway config validate\n  causeway config validate --config staging.yaml --secrets",
		Args:    exactly("none", 0),
		RunE:    func(*cobra.Command, []string) error { return configValidate(e, secrets) },
	}
	cmd.Flags().BoolVar(&secrets, "secrets", false, "also fail when a secret cannot be read here")
	return cmd
}

// validation is what config validate prints with -o json.
type validation struct {
	File     string          `json:"file"`
	Valid    bool            `json:"valid"`
	Problems []configProblem `json:"problems"`
	Warnings []string        `json:"warnings"`
	Instance string          `json:"instance,omitempty"`
	Tables   []tableSummary  `json:"tables,omitempty"`
}

type configProblem struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Path   string `json:"path"`
	Got    string `json:"got"`
	Want   string `json:"want"`
	Remedy string `json:"remedy,omitempty"`
}

type tableSummary struct {
	Table    string `json:"table"`
	Fields   int    `json:"fields"`
	Revision string `json:"revision"`
	File     string `json:"file,omitempty"` // the included file that holds it
}

func configValidate(e *env, secrets bool) error {
	v := validation{File: e.configPath, Problems: []configProblem{}, Warnings: []string{}}
	cfg, err := config.Load(e.configPath)
	if err == nil {
		v.Warnings = append(v.Warnings, cfg.Warnings()...)
		v.Instance = cfg.Instance
		for _, name := range tableNames(cfg) {
			t := cfg.Ingress.Tables[name]
			summary := tableSummary{Table: name, Fields: len(t.Fields), Revision: t.Revision()}
			if file := cfg.DefinedIn(name); file != v.File {
				summary.File = file
			}
			v.Tables = append(v.Tables, summary)
		}
		if missing := cfg.CheckSecrets(); secrets {
			err = missing
		} else if missing != nil {
			v.Warnings = append(v.Warnings, strings.Split(missing.Error(), "\n")...)
		}
	}
	if problems, ok := errors.AsType[*config.Problems](err); ok {
		for _, p := range *problems {
			v.Problems = append(v.Problems, configProblem(p))
		}
	}
	v.Valid = err == nil
	switch {
	case e.json() && (v.Valid || len(v.Problems) > 0):
		if err := writeJSON(e.jsonOut, v); err != nil || v.Valid {
			return err
		}
		return quietly(exitBadInput)
	case err != nil:
		return configError(e.configPath, err)
	}
	fmt.Fprintf(e.out, "%s is valid: instance %s, %s\n", v.File, v.Instance, phrase.Count(int64(len(v.Tables)), "table mapping"))
	for _, t := range v.Tables {
		in := ""
		if t.File != "" {
			in = ", in " + t.File
		}
		fmt.Fprintf(e.out, "  %s: %s, revision %s%s\n", t.Table, phrase.Count(int64(t.Fields), "field"), t.Revision, in)
	}
	for _, w := range v.Warnings {
		e.say("warning: %s", w)
	}
	return nil
}

func newConfigShow(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Print the configuration in effect, defaults included",
		Long: `Print the configuration in effect: the file, with every default filled in and with
the mappings of the files it includes. Secrets print as [set] or [missing], as seen
from this machine.

With -o json: the same as JSON.`,
		Example: "  causeway config show",
		Args:    exactly("none", 0),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := e.load()
			if err != nil {
				return err
			}
			out := cfg.String()
			if e.json() {
				data, err := yaml.YAMLToJSON([]byte(out))
				if err != nil {
					return failed("writing the configuration as JSON: %v", err)
				}
				out = string(data)
			}
			fmt.Fprintln(e.out, strings.TrimRight(out, "\n"))
			return nil
		},
	}
}

func newConfigSchema(e *env) *cobra.Command {
	var mappings bool
	cmd := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the configuration file, for editors",
		Long: `Print the JSON Schema of the configuration file, or with --mappings that of a file
that it includes. With

  # yaml-language-server: $schema=causeway.schema.json

as its first line, editors complete and check the file.`,
		Example: "  causeway config schema > causeway.schema.json\n  causeway config schema --mappings > mappings.schema.json",
		Args:    exactly("none", 0),
		RunE: func(*cobra.Command, []string) error {
			schema := config.Schema
			if mappings {
				schema = config.MappingsSchema
			}
			fmt.Fprintln(e.out, strings.TrimRight(string(schema), "\n"))
			return nil
		},
	}
	cmd.Flags().BoolVar(&mappings, "mappings", false, "of an included file, which holds mappings only")
	return cmd
}
