package commands

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/config"
)

// beginQuestion is something that a new configuration needs to know.
type beginQuestion struct {
	flag, ask, fallback string
	optional            bool
	into                *string
}

func beginQuestions(b *config.Beginning, ledger *string) []beginQuestion {
	return []beginQuestion{
		{"instance", "name of this installation, such as acme-prod", "", false, &b.Instance},
		{"dynamics-url", "address of Dynamics 365, such as https://acme.crm4.dynamics.com", "", false, &b.DynamicsURL},
		{"tenant", "directory (tenant) id of the app registration", "", false, &b.Tenant},
		{"dynamics-client-id", "application (client) id of the app registration", "", false, &b.DynamicsClientID},
		{"campaign-url", "address of Campaign's API, such as https://mc.adobe.io/acme", "", false, &b.CampaignURL},
		{"organization", "organisation id at Adobe, such as 1234567890ABCDEF@AdobeOrg", "", false, &b.OrganizationID},
		{"campaign-client-id", "client id of the OAuth server-to-server credential at Adobe", "", false, &b.CampaignClientID},
		{"journal-url", "address of the events' journal; nothing where no events are read yet", "", true, &b.JournalURL},
		{"temporal-address", "Temporal server", "localhost:7233", true, &b.TemporalAddress},
		{"temporal-namespace", "Temporal namespace, one for each installation", "causeway", true, &b.TemporalNamespace},
		{"ledger", "ledger: sqlite for one worker, postgres for several", "sqlite", true, ledger},
		{"secrets", "folder with the files of secrets, as seen from the configuration file", "secrets", true, &b.Secrets},
	}
}

func newConfigInit(e *env) *cobra.Command {
	var b config.Beginning
	var ledger string
	questions := beginQuestions(&b, &ledger)
	cmd := &cobra.Command{
		Use: "init", Short: "Write a new configuration file, complete and with comments",
		Long: `Write a new configuration file where --config says, with every setting, its default
and a comment, and a mapping of contacts beside it in mappings/contacts.yaml. What no
flag gives is asked for where there is a terminal. A file that is there is never
overwritten. Secrets are not asked for: the configuration names files for them, and
this command says which.

With -o json: {file, mappings, secrets: [path]}.`,
		Example: "  causeway config init\n  causeway config init --config prod.yaml --instance acme-prod --ledger postgres",
		Args:    exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := e.ask(cmd.Context(), cmd, questions); err != nil {
				return err
			}
			if ledger != "sqlite" && ledger != "postgres" {
				return badInput("--ledger: got %q, want sqlite or postgres", ledger)
			}
			b.Postgres = ledger == "postgres"
			return configInit(e, b)
		},
	}
	for _, q := range questions {
		cmd.Flags().StringVar(q.into, q.flag, q.fallback, q.ask)
	}
	return cmd
}

// ask fills in what no flag has given: by questions where somebody can answer them, else
// it says which flags are missing.
func (e *env) ask(ctx context.Context, cmd *cobra.Command, questions []beginQuestion) error {
	people := e.inTerminal && e.errTerminal
	lines := bufio.NewScanner(e.in)
	var missing []string
	for _, q := range questions {
		if cmd.Flags().Changed(q.flag) {
			continue
		}
		for people {
			hint := ""
			if q.fallback != "" {
				hint = " [" + q.fallback + "]"
			}
			fmt.Fprintf(e.err, "%s%s: ", q.ask, hint)
			if !lines.Scan() || ctx.Err() != nil {
				fmt.Fprintln(e.err)
				return failed("interrupted; nothing was written")
			}
			if answer := strings.TrimSpace(lines.Text()); answer != "" {
				*q.into = answer
			}
			if *q.into != "" || q.optional {
				break
			}
		}
		if *q.into == "" && !q.optional {
			missing = append(missing, "--"+q.flag)
		}
	}
	if len(missing) > 0 {
		return badInput("nobody can be asked here, and there is no default for %s", strings.Join(missing, ", "))
	}
	return nil
}

// begun is what config init prints with -o json.
type begun struct {
	File     string   `json:"file"`
	Mappings string   `json:"mappings"`
	Secrets  []string `json:"secrets"`
}

func configInit(e *env, b config.Beginning) error {
	texts, err := config.Begin(e.configPath, b)
	if err != nil {
		return configError("what you said", err)
	}
	done := begun{File: e.configPath, Mappings: config.MappingsBeside(e.configPath)}
	for path := range texts {
		if _, err := os.Lstat(path); err == nil {
			return badInput("%s is there already and stays as it is; name another file with --config, in another folder where it is the mappings", path)
		}
	}
	if err := os.MkdirAll(filepath.Dir(done.Mappings), 0o755); err != nil {
		return failed("making the folder of the mappings: %v", err)
	}
	for _, path := range []string{done.Mappings, done.File} { // what is included first
		if err := writeNew(path, texts[path]); err != nil {
			return err
		}
	}
	names := []string{config.DynamicsSecretFile, config.CampaignSecretFile}
	keys := []string{config.LedgerKeyFile, config.TemporalKeyFile}
	if b.Postgres {
		names = append(names, config.LedgerDSNFile, config.LedgerPasswordFile)
	}
	folder := b.Secrets
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(filepath.Dir(e.configPath), folder)
	}
	for _, name := range append(names, keys...) {
		done.Secrets = append(done.Secrets, filepath.Join(folder, name))
	}
	return e.show(done, func() { done.next(e, folder, names, keys) })
}

// writeNew writes a file that is not there.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return badInput("%s is there already and stays as it is", path)
	}
	if err != nil {
		return failed("writing the configuration: %v", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return failed("writing %s: %v", path, err)
	}
	return nil
}

// next says what is to be done now.
func (d begun) next(e *env, folder string, secrets, keys []string) {
	fmt.Fprintf(e.out, "wrote %s, and a mapping of contacts in %s\n\nNow\n", d.File, d.Mappings)
	fmt.Fprintf(e.out, "1. put the secrets into %s, each in a file: %s; and make the keys, of which you keep copies elsewhere:\n", folder, strings.Join(secrets, ", "))
	fmt.Fprintf(e.out, "     install -d -m 700 %s\n", folder)
	for _, key := range keys {
		fmt.Fprintf(e.out, "     openssl rand -base64 32 > %s\n", filepath.Join(folder, key))
	}
	fmt.Fprintf(e.out, "2. look at the mapping, then check everything: causeway config validate --secrets --config %s\n", d.File)
	fmt.Fprintf(e.out, "3. prepare Temporal and start a worker: causeway setup --config %s && worker --config %s\n   then, elsewhere, look at what is outside: causeway doctor --config %s\n", d.File, d.File, d.File)
}
