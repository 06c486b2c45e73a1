package bulk_test

import (
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/bulk"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/transport"
	"causeway.dev/sandbox/imports"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
)

// site is a whole instance with an import workflow, and the clients of the product.
type site struct {
	*stack.Stack
	api    *campaign.Client
	outbox *bulk.Outbox
	sheet  *bulk.Sheet
}

const workflow = "WKF_import"

func newSite(t *testing.T, change ...func(*stack.Options)) *site {
	t.Helper()
	o := stack.Options{Dir: t.TempDir()}
	for _, c := range change {
		c(&o)
	}
	s, err := stack.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	read := func(path string) []byte {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		return content
	}
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(read(s.CAPath)))
	wire := transport.New(transport.Options{RootCAs: roots, Tokens: campaign.NewIMSTokens(campaign.IMSOptions{
		URL: s.IMSURL, ClientID: s.CampaignClientID, Secret: strings.TrimSpace(string(read(s.CampaignSecretFile))), Scopes: []string{"openid"},
		HTTPClient: &http.Client{Transport: transport.NewBase(roots)}})})
	out := &site{Stack: s, sheet: small(t)}
	out.api, err = campaign.New(campaign.Options{BaseURL: s.CampaignURL, APIKey: s.CampaignClientID, Transport: wire})
	require.NoError(t, err)
	files, err := campaign.NewSFTP(campaign.SFTPOptions{Addr: s.SFTPAddress, User: s.SFTPUser, Key: read(s.SFTPKeyFile), KnownHosts: s.SFTPKnownHostsFile})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, files.Close()) })
	out.outbox = &bulk.Outbox{Server: files, File: "import/profile.csv", Results: "import/results"}
	require.NoError(t, s.Imports.Build(imports.Workflow{ID: workflow, Resource: "profile", Columns: out.sheet.Columns(), File: out.outbox.File, Results: out.outbox.Results}))
	return out
}

// part writes one part of a number of records.
func (s *site) part(t *testing.T, records int) (bulk.Part, string) {
	t.Helper()
	out := files{}
	w, err := s.sheet.Split("r1", 1, bulk.Limits{Rows: records, Bytes: 1 << 20}, out.open)
	require.NoError(t, err)
	for n := range records {
		_, _, err := w.Add(record(t, n))
		require.NoError(t, err)
	}
	parts, err := w.Close()
	require.NoError(t, err)
	require.Len(t, parts, 1)
	return parts[0], out[parts[0].ID].String()
}

func (s *site) tell(t *testing.T, c campaign.WorkflowCommand) campaign.WorkflowStatus {
	t.Helper()
	require.NoError(t, s.api.CommandWorkflow(t.Context(), workflow, c))
	s.Advance(time.Minute)
	w, err := s.api.GetWorkflow(t.Context(), workflow)
	require.NoError(t, err)
	return w.Status
}

func (s *site) collect(t *testing.T, p bulk.Part) bulk.Counts {
	t.Helper()
	folder, tally := t.TempDir(), bulk.NewTally(p)
	require.NoError(t, s.outbox.Collect(t.Context(), tally, folder))
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, left, "no copy with personal data stays")
	return tally.Counts()
}

// One part, from the file to the result, by the clients of the product.
func TestAPartByFile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, content := s.part(t, 50)
	require.NoError(t, s.outbox.Put(t.Context(), p, strings.NewReader(content)))
	require.NoError(t, s.outbox.Put(t.Context(), p, strings.NewReader(content)), "again")
	there, err := s.outbox.Outstanding(t.Context())
	require.NoError(t, err)
	require.True(t, there)
	require.False(t, s.collect(t, p).Balanced())
	require.Equal(t, campaign.WorkflowFinished, s.tell(t, campaign.StartWorkflow))
	require.Equal(t, bulk.Counts{Read: 50, Inserted: 50}, s.collect(t, p))
	require.NoError(t, s.outbox.Withdraw(t.Context()))
	require.NoError(t, s.outbox.Withdraw(t.Context()), "again")
	there, err = s.outbox.Outstanding(t.Context())
	require.NoError(t, err)
	require.False(t, there)
	require.EqualValues(t, 50, s.Campaign.Count("profile"))
	require.NoError(t, s.outbox.Clear(t.Context()))
	require.Equal(t, 50, s.collect(t, p).Missing)
	require.Zero(t, s.Campaign.Calls().Engine())
	files, err := filepath.Glob(filepath.Join(s.SFTPDir, "import", "*", "*"))
	require.NoError(t, err)
	require.Empty(t, files, "nothing with personal data stays on the server")
}

// A run that broke half way leaves doubt, which the same part imported again removes.
func TestABrokenImportIsImportedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, content := s.part(t, 50)
	require.NoError(t, s.outbox.Put(t.Context(), p, strings.NewReader(content)))
	require.NoError(t, s.Imports.BreakAfter(workflow, 20))
	require.Equal(t, campaign.WorkflowError, s.tell(t, campaign.StartWorkflow))
	require.Equal(t, 50, s.collect(t, p).Missing, "20 of them are written, and nothing says which")
	require.EqualValues(t, 20, s.Campaign.Count("profile"))
	require.Equal(t, campaign.WorkflowFinished, s.tell(t, campaign.StopWorkflow))
	require.Equal(t, campaign.WorkflowFinished, s.tell(t, campaign.StartWorkflow))
	require.Equal(t, bulk.Counts{Read: 50, Inserted: 30, Updated: 20}, s.collect(t, p))
}

// A part whose upload broke is not at its place, and no half of one ever is.
func TestAnUploadThatBreaks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, content := s.part(t, 50)
	for _, op := range []string{"put", "rename"} {
		_, err := s.Faults.Add(kit.Rule{Service: "sftp", Method: op, Action: kit.ResetBefore, Times: 1})
		require.NoError(t, err)
		err = s.outbox.Put(t.Context(), p, strings.NewReader(content))
		require.Equal(t, apierr.Retryable, apierr.ClassOf(err), "%s: %v", op, err)
		there, err := s.outbox.Outstanding(t.Context())
		require.NoError(t, err)
		require.False(t, there, op)
	}
	require.Error(t, s.outbox.Put(t.Context(), p, strings.NewReader(content[:100])), "not the bytes of the part")
	there, err := s.outbox.Outstanding(t.Context())
	require.NoError(t, err)
	require.False(t, there)
	require.NoError(t, s.outbox.Put(t.Context(), p, strings.NewReader(content)))
}
