package conformance_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/conformance"
	"causeway.dev/sandbox/stack"
)

func sandboxes(t *testing.T) conformance.Target {
	t.Helper()
	s, err := stack.Start(t.Context(), stack.Options{Dir: t.TempDir(), Contacts: 5})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	pem, err := os.ReadFile(s.CAPath)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	secret, err := os.ReadFile(s.CampaignSecretFile)
	require.NoError(t, err)
	return conformance.Target{
		CampaignURL: s.CampaignURL, IMSURL: s.IMSURL, JournalURL: s.JournalURL, Organization: s.CampaignOrganization, ClientID: s.CampaignClientID,
		Secret: strings.TrimSpace(string(secret)), Scopes: "campaign_sdk", Writes: true,
		Client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
	}
}

// The sandboxes answer as the rows say.
func TestSandboxes(t *testing.T) {
	t.Parallel()
	got, err := sandboxes(t).Ask(t.Context())
	require.NoError(t, err)
	for i, c := range conformance.Checks {
		require.Equal(t, c.Want, got[i], "%s: %s", c.Row, c.Name)
	}
}

// With CAUSEWAY_CONFORM_CAMPAIGN_URL, _IMS_URL, _CLIENT_ID, _SECRET_FILE and _SCOPES the
// real services are asked too, and what differs is printed; _JOURNAL_URL and
// _ORGANIZATION add the journal. Nothing is written unless _WRITE is 1.
func TestRealServices(t *testing.T) {
	env := func(name string) string { return os.Getenv("CAUSEWAY_CONFORM_" + name) }
	if env("CAMPAIGN_URL") == "" {
		t.Skip("SKIPPED: CAUSEWAY_CONFORM_CAMPAIGN_URL is not set, so no real service is asked")
	}
	secret, err := os.ReadFile(env("SECRET_FILE"))
	require.NoError(t, err, "CAUSEWAY_CONFORM_SECRET_FILE")
	real := conformance.Target{
		CampaignURL: env("CAMPAIGN_URL"), IMSURL: env("IMS_URL"), JournalURL: env("JOURNAL_URL"), Organization: env("ORGANIZATION"), ClientID: env("CLIENT_ID"),
		Secret: strings.TrimSpace(string(secret)), Scopes: env("SCOPES"), Writes: env("WRITE") == "1", Client: client(t, env("CA_FILE")),
	}
	theirs, err := real.Ask(t.Context())
	require.NoError(t, err)
	ours, err := sandboxes(t).Ask(t.Context())
	require.NoError(t, err)
	differ := 0
	for i, c := range conformance.Checks {
		mark := ""
		if theirs[i] != conformance.Skipped && theirs[i] != ours[i] {
			mark = "DIFFERS"
			differ++
		}
		fmt.Printf("%-8s %-32s sandbox: %-34s real: %-34s %s\n", c.Row, c.Name, ours[i], theirs[i], mark)
	}
	fmt.Printf("%d of %d answers differ\n", differ, len(ours))
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

// Without leave to write, nothing that writes is asked.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	target := sandboxes(t)
	target.Writes = false
	got, err := target.Ask(t.Context())
	require.NoError(t, err)
	for i, c := range conformance.Checks {
		require.Equal(t, c.Writes, got[i] == conformance.Skipped, "%s: %s", c.Row, c.Name)
		if !c.Writes && c.Service != "ims" {
			require.Contains(t, []string{"", "HEAD"}, c.Method, "%s: %s reads", c.Row, c.Name)
		}
	}
}

var row = regexp.MustCompile(`(?m)^\| ((?:ACS|IMS|IO|SFTP)-[A-Z]?\d+) \|`)

// Every row of the table is named by a suite, and every row that a suite names is there.
func TestEveryRowIsTried(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/protocol/campaign-rows.md")
	require.NoError(t, err)
	var rows []string
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		require.NotContains(t, rows, m[1], "twice")
		rows = append(rows, m[1])
	}
	named := map[string]bool{}
	for _, c := range conformance.Checks {
		named[c.Row] = true
	}
	name := regexp.MustCompile(`\b(ACS|IMS|IO|SFTP)-([A-Z]?)(\d+)(?: to \w+-[A-Z]?(\d+))?`)
	for _, pattern := range []string{"../campaign/*_test.go", "../ims/*_test.go", "../journal/*_test.go", "../sftpd/*_test.go", "../exports/*_test.go", "../clients/campaign/*.js", "../../internal/campaign/*_test.go"} {
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
	require.True(t, slices.IsSortedFunc(rows, func(a, b string) int { return strings.Compare(a[:2], b[:2]) }))
}
