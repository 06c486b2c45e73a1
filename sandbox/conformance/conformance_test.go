package conformance_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"causeway.dev/sandbox/conformance"
	"causeway.dev/sandbox/stack"
)

// running is the sandboxes, and how they are asked.
type running struct {
	*stack.Stack
	target conformance.Target
}

func sandboxes(t *testing.T) running {
	t.Helper()
	s, err := stack.Start(t.Context(), stack.Options{Dir: t.TempDir(), Contacts: 5})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return running{s, conformance.Target{
		CampaignURL: s.CampaignURL, IMSURL: s.IMSURL, JournalURL: s.JournalURL, Organization: s.CampaignOrganization, ClientID: s.CampaignClientID,
		Secret: secret(t, s.CampaignSecretFile), Scopes: "campaign_sdk", Writes: true, Sandbox: true, Client: client(t, s.CAPath),
		DynamicsURL: s.DynamicsURL, Authority: s.Authority + "/" + s.Tenant, DynamicsClient: s.DynamicsClientID, DynamicsSecret: secret(t, s.DynamicsSecretFile),
		Files: files(t, s.SFTPAddress, s.SFTPUser, s.SFTPKeyFile, s.SFTPKnownHostsFile, true),
	}}
}

func secret(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

func files(t *testing.T, address, user, keyFile, knownHosts string, writes bool) conformance.Files {
	t.Helper()
	if address == "" {
		return conformance.Files{}
	}
	key, err := ssh.ParsePrivateKey([]byte(secret(t, keyFile)))
	require.NoError(t, err)
	hosts, err := knownhosts.New(knownHosts)
	require.NoError(t, err)
	return conformance.Files{Address: address, User: user, Key: key, HostKeys: hosts, Writes: writes}
}

// state is all that the sandboxes hold.
func (r running) state(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, set := range []string{"contacts", "accounts", "tasks", "activitypointers", "systemusers", "teams", "businessunits", "workflows"} {
		r.Dynamics.Each(set, func(key string, row map[string]any) bool { fmt.Fprintln(&b, set, key, row); return true })
	}
	fmt.Fprintln(&b, r.Campaign.Version(), r.Events.Len())
	require.NoError(t, filepath.WalkDir(r.SFTPDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			info, _ := d.Info()
			fmt.Fprintln(&b, path, info.Size())
		}
		return err
	}))
	return b.String()
}

// The sandboxes answer as the rows say. What is to be refused is refused really: it
// changes nothing.
func TestSandboxes(t *testing.T) {
	t.Parallel()
	s := sandboxes(t)
	refused := map[string]int{}
	_, err := s.target.Ask(t.Context(), func(c conformance.Check) func(string) {
		before := s.state(t)
		return func(answer string) {
			require.Equal(t, c.Answer(), answer, "%s: %s", c.Row, c.Name)
			if c.Refused() {
				refused[c.Service]++
				require.True(t, before == s.state(t), "%s: %s has changed something", c.Row, c.Name)
			}
		}
	})
	require.NoError(t, err)
	_, err = s.target.Files.Ask(func(c conformance.FileCheck) func(string) {
		before := s.state(t)
		return func(answer string) {
			require.Equal(t, c.Want, answer, "%s: %s", c.Row, c.Name)
			if c.Refused() {
				refused["sftp"]++
				require.True(t, before == s.state(t), "%s: %s has changed something", c.Row, c.Name)
			}
		}
	})
	require.NoError(t, err)
	all := 0
	for service, least := range map[string]int{"dataverse": 70, "campaign": 50, "entra": 12, "ims": 8, "journal": 8, "sftp": 8} {
		require.GreaterOrEqual(t, refused[service], least, service)
		all += refused[service]
	}
	require.GreaterOrEqual(t, all, 150)
}

// With addresses and credentials in the environment the real services are asked too, and
// what differs is printed (docs/protocol/campaign-rows.md, docs/protocol/dataverse-rows.md).
// Nothing is written unless CAUSEWAY_CONFORM_WRITE is 1.
func TestRealServices(t *testing.T) {
	env := func(name string) string { return os.Getenv("CAUSEWAY_CONFORM_" + name) }
	if env("CAMPAIGN_URL")+env("DYNAMICS_URL")+env("SFTP_ADDRESS") == "" {
		t.Skip("SKIPPED: neither CAUSEWAY_CONFORM_CAMPAIGN_URL nor _DYNAMICS_URL nor _SFTP_ADDRESS is set, so no real service is asked")
	}
	writes := env("WRITE") == "1"
	real := conformance.Target{
		CampaignURL: env("CAMPAIGN_URL"), IMSURL: env("IMS_URL"), JournalURL: env("JOURNAL_URL"), Organization: env("ORGANIZATION"), ClientID: env("CLIENT_ID"),
		Scopes: env("SCOPES"), DynamicsURL: strings.TrimSuffix(env("DYNAMICS_URL"), "/"), Authority: strings.TrimSuffix(env("AUTHORITY"), "/"), DynamicsClient: env("DYNAMICS_CLIENT_ID"),
		Files:  files(t, env("SFTP_ADDRESS"), env("SFTP_USER"), env("SFTP_KEY_FILE"), env("SFTP_KNOWN_HOSTS"), writes),
		Writes: writes, Client: client(t, env("CA_FILE")),
	}
	if real.CampaignURL != "" {
		real.Secret = secret(t, env("SECRET_FILE"))
	}
	if real.DynamicsURL != "" {
		real.DynamicsSecret = secret(t, env("DYNAMICS_SECRET_FILE"))
	}
	theirs, err := real.Ask(t.Context(), nil)
	require.NoError(t, err)
	files, err := real.Files.Ask(nil)
	require.NoError(t, err)
	s := sandboxes(t)
	ours, err := s.target.Ask(t.Context(), nil)
	require.NoError(t, err)
	oursOfFiles, err := s.target.Files.Ask(nil)
	require.NoError(t, err)
	asked, differ := 0, 0
	compare := func(row, name, ours, theirs string) {
		mark := ""
		if theirs != conformance.Skipped {
			asked++
			if theirs != ours {
				mark = "DIFFERS"
				differ++
			}
		}
		fmt.Printf("%-8s %-46s sandbox: %-44s real: %-44s %s\n", row, name, ours, theirs, mark)
	}
	for i, c := range conformance.All() {
		compare(c.Row, c.Name, ours[i], theirs[i])
	}
	for i, c := range conformance.FileChecks {
		compare(c.Row, c.Name, oursOfFiles[i], files[i])
	}
	fmt.Printf("%d of %d answers differ\n", differ, asked)
}

// client trusts the machine's authorities, or those of a file.
func client(t *testing.T, file string) *http.Client {
	t.Helper()
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if file != "" {
		pem, err := os.ReadFile(file)
		require.NoError(t, err)
		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM(pem))
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{Timeout: 70 * time.Second, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Without leave to write, nothing that writes is asked, and what is asked changes nothing. A
// real service is never asked what only a sandbox may be.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := sandboxes(t)
	s.target.Writes, s.target.Sandbox, s.target.Files.Writes = false, false, false
	before := s.state(t)
	got, err := s.target.Ask(t.Context(), nil)
	require.NoError(t, err)
	for i, c := range conformance.All() {
		require.Equal(t, c.Writes || c.Sandbox, got[i] == conformance.Skipped, "%s: %s", c.Row, c.Name)
		if !c.Writes && (c.Service == "campaign" || c.Service == "journal") && !c.Sandbox {
			require.Contains(t, []string{"", "HEAD"}, c.Method, "%s: %s reads", c.Row, c.Name)
		}
	}
	files, err := s.target.Files.Ask(nil)
	require.NoError(t, err)
	for i, c := range conformance.FileChecks {
		require.Equal(t, c.Writes, files[i] == conformance.Skipped, "%s: %s", c.Row, c.Name)
	}
	require.Equal(t, before, s.state(t))
}

// A service without an address is not asked.
func TestOneServiceAlone(t *testing.T) {
	t.Parallel()
	s := sandboxes(t)
	s.target.CampaignURL, s.target.IMSURL, s.target.JournalURL, s.target.Files.Address = "", "", "", ""
	got, err := s.target.Ask(t.Context(), nil)
	require.NoError(t, err)
	for i, c := range conformance.All() {
		require.Equal(t, c.Service != "dataverse" && c.Service != "entra", got[i] == conformance.Skipped, c.Name)
	}
}

const rowName = `(ACS|IMS|IO|SFTP|DV|AAD)-([A-Z]?)(\d+)`

var row = regexp.MustCompile(`(?m)^\| ((?:ACS|IMS|IO|SFTP|DV|AAD)-[A-Z]?\d+) \| .+ \| (.+) \|$`)

// Every row of the pages says where it comes from and is named by a suite, and every row
// that a suite names is there.
func TestEveryRowIsTried(t *testing.T) {
	t.Parallel()
	var rows []string
	for _, name := range []string{"campaign-rows.md", "dataverse-rows.md"} {
		page, err := os.ReadFile("../../docs/protocol/" + name)
		require.NoError(t, err)
		for _, m := range row.FindAllStringSubmatch(string(page), -1) {
			require.NotContains(t, rows, m[1], "twice")
			require.Regexp(t, "^(documented|live test|inferred|ours|unknown)", m[2], "row %s says where it comes from", m[1])
			rows = append(rows, m[1])
		}
	}
	named := map[string]bool{}
	for _, c := range conformance.All() {
		named[c.Row] = true
	}
	for _, c := range conformance.FileChecks {
		named[c.Row] = true
	}
	name := regexp.MustCompile(`\b` + rowName + `(?: to \w+-[A-Z]?(\d+))?`)
	for _, pattern := range []string{"../*/*_test.go", "../clients/*/*.js", "../clients/*/*.mjs", "../../internal/campaign/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, m := range name.FindAllStringSubmatch(string(text), -1) {
				var from, to int
				_, _ = fmt.Sscan(m[3], &from)
				if _, err := fmt.Sscan(m[4], &to); err != nil {
					to = from
				}
				for n := from; n <= to; n++ {
					named[fmt.Sprintf("%s-%s%d", m[1], m[2], n)] = true
				}
			}
		}
	}
	for one := range named {
		require.Contains(t, rows, one)
	}
	for _, one := range rows {
		require.True(t, named[one], "no suite tries row %s", one)
	}
}
