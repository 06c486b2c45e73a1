package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// good is the smallest file that is complete.
func good(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("testdata/good.yaml")
	require.NoError(t, err)
	return string(data)
}

// ledgerKey is the setting without which a configuration has a warning.
const ledgerKey = "ledger: { encryption_key: env:LEDGER_ENCRYPTION_KEY }\n"

// golden compares with a file in testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// problemsOf parses a file that is wrong.
func problemsOf(t *testing.T, name, text string) Problems {
	t.Helper()
	_, err := Parse(name, []byte(text))
	problems, ok := errors.AsType[*Problems](err)
	require.True(t, ok, "want *Problems, got %v", err)
	return *problems
}

// Every problem at once, each with file, line and path.
func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/many.yaml")
	require.NoError(t, err)
	problems := problemsOf(t, "causeway.yaml", string(text))
	golden(t, "many.golden", problems.text()+"\n")

	lines := strings.Split(string(text), "\n")
	seen := map[string]bool{}
	for _, p := range problems {
		require.Equal(t, "causeway.yaml", p.File)
		require.NotZero(t, p.Line, p.Path)
		require.NotEmpty(t, p.Got, p.Path)
		require.NotEmpty(t, p.Want, p.Path)
		require.False(t, seen[p.Path+p.Got], "%s is reported twice", p.Path)
		seen[p.Path+p.Got] = true
		// The line shows the setting, or the section in which it is missing.
		parts := strings.FieldsFunc(p.Path, func(r rune) bool { return r == '.' || r == '[' })
		last, line := parts[len(parts)-1], lines[p.Line-1]
		missing := p.Got == "nothing" || strings.HasSuffix(last, "]")
		require.True(t, missing || strings.Contains(line, last), "%s is not on line %d", p.Path, p.Line)
	}
	require.NotContains(t, problems.text(), "hunter2")
}

// One golden file holds what the operator reads for each of the bad files.
func TestProblemTexts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	var all strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		all.WriteString(problemsOf(t, filepath.Base(file), string(data)).text() + "\n")
	}
	golden(t, "bad.golden", all.String())
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := Parse("dir/causeway.yaml", []byte(good(t)))
	require.NoError(t, err)
	require.Equal(t, "https://login.microsoftonline.com", c.Dynamics.Authority)
	require.True(t, c.Dynamics.InstanceDiscovery)
	require.Equal(t, 5000, c.Dynamics.PageSize)
	require.Equal(t, 16, c.Dynamics.Concurrency)
	require.Equal(t, 8, c.Campaign.Concurrency)
	require.InDelta(t, 10, c.Campaign.Rate, 0)
	require.Equal(t, 65*time.Second, c.Campaign.Timeout)
	require.Contains(t, c.Campaign.Scopes, "campaign_sdk")
	require.Equal(t, "sqlite", c.Ledger.Driver)
	require.Equal(t, filepath.Join("dir", "causeway.db"), c.Ledger.Path)
	require.Equal(t, "full", c.Ledger.Synchronous)
	require.Equal(t, 8, c.Ingress.Lanes)
	require.Equal(t, 2, c.Ingress.ReadAhead)
	require.Equal(t, 3*time.Second, c.Ingress.PollEvery)
	require.Equal(t, 5*time.Minute, c.Ingress.CatchUpSlack)
	require.InDelta(t, 0.2, c.Quarantine.StopRatio, 0)
	require.Equal(t, 100, c.Quarantine.StopMin)
	require.True(t, c.Quarantine.Reveal)
	require.Equal(t, "127.0.0.1:9464", c.Telemetry.Listen)
	require.NoError(t, c.Validate())
}

// Zero is a value where it means something, and never replaced by a default.
func TestZeroIsKept(t *testing.T) {
	t.Parallel()
	c, err := Parse("c.yaml", []byte(good(t)+"  rate: 0\nquarantine: { stop_ratio: 0, reveal: false }\ntelemetry: { listen: \"\" }\ningress: { catch_up_slack: 0s }\n"))
	require.NoError(t, err)
	require.Zero(t, c.Campaign.Rate)
	require.Zero(t, c.Quarantine.StopRatio)
	require.False(t, c.Quarantine.Reveal)
	require.Empty(t, c.Telemetry.Listen)
	require.Zero(t, c.Ingress.CatchUpSlack)
}

// A mapping is called what its key says, and an empty section leaves defaults.
func TestTablesAreNamed(t *testing.T) {
	t.Parallel()
	c, err := Parse("c.yaml", []byte(good(t)+`
temporal:
ingress:
  tables:
    people:
      dynamics: { table: contact }
      campaign: { resource: profile, key: externalId }
      fields: &fields
        - { from: firstname, to: firstName }
    vehicles:
      dynamics: { table: acme_vehicle }
      campaign: { resource: cusVehicle, key: vin }
      fields: *fields
`))
	require.NoError(t, err)
	require.Equal(t, "people", c.Ingress.Tables["people"].Name)
	require.Equal(t, "cusVehicle", c.Ingress.Tables["vehicles"].Campaign.Resource)
	require.Equal(t, "firstName", c.Ingress.Tables["vehicles"].Fields[0].To)
}

// R9.4, R9.9: a table is mapped once, on either side. R9.10: at most 20 besides contact.
func TestTableLimits(t *testing.T) {
	t.Parallel()
	tables := func(n int) string {
		var b strings.Builder
		b.WriteString(good(t) + "ingress:\n  tables:\n")
		for i := range n {
			fmt.Fprintf(&b, "    t%02d: { dynamics: { table: acme_%d }, campaign: { resource: cus%d, key: id }, fields: [{ from: a, to: b }] }\n", i, i, i)
		}
		return b.String() + "    contacts: { dynamics: { table: contact }, campaign: { resource: profile, key: externalId }, fields: [{ from: a, to: b }] }\n"
	}
	_, err := Parse("c.yaml", []byte(tables(20)))
	require.NoError(t, err)
	require.Equal(t, "c.yaml:12: ingress.tables: got 21 mappings besides contact, want at most 20; move some to another instance",
		problemsOf(t, "c.yaml", tables(21)).text())

	twice := strings.Replace(tables(2), "cus1", "cus0", 1)
	require.Contains(t, problemsOf(t, "c.yaml", twice).text(), `ingress.tables.t01.campaign.resource: got "cus0", which ingress.tables.t00.campaign.resource maps already`)
	twice = strings.Replace(tables(2), "acme_1", "acme_0", 1)
	require.Contains(t, problemsOf(t, "c.yaml", twice).text(), `ingress.tables.t01.dynamics.table: got "acme_0", which ingress.tables.t00.dynamics.table maps already`)
}

func TestOddFiles(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"empty":           {"", "instance: got nothing"},
		"only comments":   {"# nothing\n", "instance: got nothing"},
		"a list":          {"- a\n", "got a list, want a section with instance, dynamics"},
		"two documents":   {good(t) + "---\ninstance: b\n", "got a second document"},
		"a tag":           {strings.Replace(good(t), "acme\n", "!!str acme\n", 1), "instance: got a YAML tag"},
		"an alias alone":  {strings.Replace(good(t), "acme\n", "*nowhere\n", 1), "instance: got an alias without an anchor"},
		"a merge":         {good(t) + "ledger:\n  <<: { driver: sqlite }\n", "ledger.<<: got an unknown key"},
		"an endless rate": {good(t) + "  rate: .inf\n", "campaign.rate: got .inf, want a number"},
		"a huge number":   {good(t) + "  concurrency: 99999999999\n", "campaign.concurrency: got 99999999999, want a whole number"},
		"a number as url": {strings.Replace(good(t), "https://mc.adobe.io/acme", "5", 1), "campaign.url: got 5, want text; put it in quotes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, problemsOf(t, "c.yaml", tt.text).text(), tt.want)
		})
	}
}

// A broken file is shown by line, never by quoting what is around the break.
func TestBrokenYAMLQuotesNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"dynamics:\n  client_secret: \"hunter2\n", "a: [hunter2\n", "dynamics:\n\tclient_secret: hunter2\n", "a: hunter2: b\n", "client_secret: @hunter2\n", "{hunter2", "a: 'hunter2",
	} {
		problems := problemsOf(t, "c.yaml", text)
		require.NotContains(t, problems.text(), "hunter2", text)
		require.Contains(t, problems.text(), "c.yaml:", text)
		require.Len(t, problems, 1, "what is missing in a file that was not read is not told: %s", text)
	}
}

// R5.2, R5.5 and what an address may not hold.
func TestAddresses(t *testing.T) {
	t.Parallel()
	tests := []struct{ old, new, want string }{
		{"https://acme.crm4.dynamics.com", "https://acme.crm4.dynamics.com/api/data/v9.2", "dynamics.url: got \"https://acme.crm4.dynamics.com/api/data/v9.2\", want the organisation's address without a path; write https://acme.crm4.dynamics.com"},
		{"https://acme.crm4.dynamics.com", "acme.crm4.dynamics.com", "dynamics.url: got an address that cannot be read"},
		{"https://acme.crm4.dynamics.com", "https://me:hunter2@acme.crm4.dynamics.com", "remove user, query and fragment"},
		{"https://mc.adobe.io/acme", "https://mc.adobe.io/", "campaign.url: got \"https://mc.adobe.io/\", want the instance's name after the host"},
		{"https://mc.adobe.io/acme", "http://mc.adobe.io/acme", "campaign.url: got \"http://mc.adobe.io\", want https"},
	}
	for _, tt := range tests {
		problems := problemsOf(t, "c.yaml", strings.Replace(good(t), tt.old, tt.new, 1))
		require.Len(t, problems, 1)
		require.Contains(t, problems.text(), tt.want)
		require.NotContains(t, problems.text(), "hunter2")
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	withTable := good(t) + "ingress: { tables: { c: { dynamics: { table: contact }, campaign: { resource: profile, key: externalId }, fields: [{ from: a, to: b }] } } }\n"
	for _, url := range []string{"https://acme.crm4.dynamics.com", "https://acme.crm.dynamics.com", "https://acme.api.crm11.dynamics.com/"} {
		c, err := Parse("c.yaml", []byte(strings.Replace(withTable+ledgerKey, "https://acme.crm4.dynamics.com", url, 1)))
		require.NoError(t, err)
		require.Empty(t, c.Warnings(), url)
	}
	c, err := Parse("c.yaml", []byte(strings.NewReplacer(
		"https://acme.crm4.dynamics.com", "https://localhost:8443", "https://mc.adobe.io/acme", "https://localhost:8444/other",
		"  tenant:", "  authority: https://localhost:8443\n  tenant:").Replace(good(t))))
	require.NoError(t, err)
	require.Len(t, c.Warnings(), 6)
	golden(t, "warnings.golden", strings.Join(c.Warnings(), "\n")+"\n")
}

func TestLedgerDrivers(t *testing.T) {
	t.Parallel()
	c, err := Parse("c.yaml", []byte(good(t)+"ledger: { driver: postgres, dsn: env:LEDGER_DSN }\n"))
	require.NoError(t, err)
	require.Equal(t, "env:LEDGER_DSN", string(c.Ledger.DSN))
	require.Contains(t, problemsOf(t, "c.yaml", good(t)+"ledger: { driver: postgres }\n").text(), "ledger.dsn: got nothing")
	require.Contains(t, problemsOf(t, "c.yaml", good(t)+"ledger: { driver: postgres, dsn: env:D, path: x.db }\n").text(), "ledger.path: got a setting of driver sqlite")
	require.Contains(t, problemsOf(t, "c.yaml", good(t)+"ledger: { dsn: env:D }\n").text(), "ledger.dsn: got a database address with driver sqlite")
	require.Contains(t, problemsOf(t, "c.yaml", good(t)+"ledger: { driver: postgres, dsn: env:D, backup: { nightly: \"02:30\" } }\n").text(), "ledger.backup.nightly: got a setting of driver sqlite")
	require.Contains(t, problemsOf(t, "c.yaml", good(t)+"doctor: { nightly: \"03:30\", audit: [nobody] }\n").text(), "doctor.audit[0]: got")
	require.Contains(t, problemsOf(t, "c.yaml", good(t)+"doctor: { audit: [contacts] }\n").text(), "a time of day in doctor.nightly")
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "causeway.yaml")
	_, err := Load(path)
	require.ErrorIs(t, err, os.ErrNotExist)

	require.NoError(t, os.WriteFile(path, []byte(good(t)+"  ca_file: ca.pem\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "campaign.secret"), []byte("s3cret\n"), 0o600))
	c, err := Load(path)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "ca.pem"), c.Campaign.CAFile)
	secret, err := c.Campaign.ClientSecret.Resolve()
	require.NoError(t, err)
	require.Equal(t, "s3cret", secret)
}

// text is the message an operator reads.
func (p Problems) text() string { return (&p).Error() }
