package config

import (
	_ "embed"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
)

// The example is also what a new file is made of, so that it has every setting.
//
//go:embed example.yaml
var example string

//go:embed mappings/contacts.yaml
var exampleMapping string

// Beginning is what a new configuration file has to be told. Everything else has a
// default, which is written into it with its comment.
type Beginning struct {
	Instance                              string
	DynamicsURL, Tenant, DynamicsClientID string
	CampaignURL, OrganizationID           string
	CampaignClientID                      string
	JournalURL                            string // "" where no events are read yet
	TemporalAddress, TemporalNamespace    string
	Secrets                               string // folder of the files with secrets, as the configuration names it
	Postgres                              bool   // else the ledger is a SQLite file
}

// Names of the secrets' files in Beginning.Secrets.
const (
	DynamicsSecretFile = "dynamics-secret"
	CampaignSecretFile = "campaign-secret"
	LedgerKeyFile      = "ledger-key"
	TemporalKeyFile    = "temporal-key"
	LedgerDSNFile      = "ledger-dsn"
	LedgerPasswordFile = "ledger-password"
)

// Begin makes the texts of a new configuration at name: the file itself, and one with a
// mapping of contacts that it includes, each by its path. The error is *Problems where
// something that was told cannot be.
func Begin(name string, b Beginning) (map[string][]byte, error) {
	text, err := b.text()
	if err != nil {
		return nil, err
	}
	mappings := strings.TrimPrefix(exampleMapping, "# yaml-language-server: $schema=../mappings.schema.json\n#\n")
	texts := map[string][]byte{name: []byte(text), MappingsBeside(name): []byte(mappings)}
	if _, _, err := Read(name, texts); err != nil {
		return nil, err
	}
	return texts, nil
}

// MappingsBeside is the file of mappings that a new configuration includes.
func MappingsBeside(name string) string {
	return filepath.Join(filepath.Dir(name), "mappings", "contacts.yaml")
}

func (b Beginning) text() (string, error) {
	file := func(name string) string { return scalar("file:" + path.Join(filepath.ToSlash(b.Secrets), name)) }
	edits := [][2]string{ // what stands in the example once, and what stands there instead
		{"# yaml-language-server: $schema=causeway.schema.json\n#\n", ""},
		{"#   causeway config validate --config example.yaml", "#   causeway config validate"},
		{"instance: acme #", "instance: " + scalar(b.Instance) + " #"},
		{"  url: https://acme.crm4.dynamics.com", "  url: " + scalar(b.DynamicsURL)},
		{"  tenant: 0f0e0d0c-1111-2222-3333-444455556666", "  tenant: " + scalar(b.Tenant)},
		{"  client_id: 1f1e1d1c-1111-2222-3333-444455556666", "  client_id: " + scalar(b.DynamicsClientID)},
		{"env:DYNAMICS_CLIENT_SECRET", file(DynamicsSecretFile)},
		{"  url: https://mc.adobe.io/acme #", "  url: " + scalar(b.CampaignURL) + " #"},
		{"  organization_id: 1234567890ABCDEF@AdobeOrg", "  organization_id: " + scalar(b.OrganizationID)},
		{"  client_id: 2f2e2d2c1b1a", "  client_id: " + scalar(b.CampaignClientID)},
		{"env:CAMPAIGN_CLIENT_SECRET", file(CampaignSecretFile)},
		{"  address: localhost:7233", "  address: " + scalar(b.TemporalAddress)},
		{"  namespace: default", "  namespace: " + scalar(b.TemporalNamespace)},
		{"env:TEMPORAL_ENCRYPTION_KEY", file(TemporalKeyFile)},
		{"env:LEDGER_ENCRYPTION_KEY", file(LedgerKeyFile)},
	}
	const journal = "    url: https://events-va6.adobe.io/events/organizations/112233/integrations/445566/aabbccdd-1111-2222-3333-444455556666\n"
	if b.JournalURL != "" {
		edits = append(edits, [2]string{journal, "    url: " + scalar(b.JournalURL) + "\n"})
	} else {
		edits = append(edits, [2]string{"  journal:\n" + journal, "  # journal: # without it no events are read\n  #" + journal[1:]},
			[2]string{"  sends: true #", "  sends: false #"}, [2]string{"  opens: true\n", "  opens: false\n"},
			[2]string{"  clicks: true\n", "  clicks: false\n"}, [2]string{"  bounces: true #", "  bounces: false #"})
	}
	if b.Postgres {
		edits = append(edits, [2]string{"  driver: sqlite # or postgres, for several workers: then dsn: env:LEDGER_DSN\n  path: causeway.db # relative to this file\n",
			"  driver: postgres # or sqlite, for one worker: then path: causeway.db\n" +
				"  dsn: " + file(LedgerDSNFile) + " # postgres://ledger@localhost:5432/ledger?sslmode=verify-full, without a password\n" +
				"  password: " + file(LedgerPasswordFile) + "\n" +
				"  # erasures: causeway.erasures # who was forgotten, as keyed hashes; on a volume that stays\n"},
			[2]string{"  synchronous: full # normal is faster, and may lose the last commits in a power cut\n", ""})
	}
	text := example
	for _, e := range edits {
		if n := strings.Count(text, e[0]); n != 1 {
			return "", fmt.Errorf("the example has %q %d times, want once", e[0], n)
		}
		text = strings.Replace(text, e[0], e[1], 1)
	}
	return text, nil
}

// scalar writes a text as YAML does, in quotes where it needs them.
func scalar(text string) string {
	out, err := yaml.Marshal(text)
	if err != nil || strings.Contains(text, "\n") {
		return fmt.Sprintf("%q", text)
	}
	return strings.TrimSpace(string(out))
}
