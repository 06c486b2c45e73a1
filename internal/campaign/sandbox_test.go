package campaign_test

import (
	"crypto/x509"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/events"
	"causeway.dev/internal/transport"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
)

func boxes(t *testing.T) *stack.Stack {
	t.Helper()
	s, err := stack.Start(t.Context(), stack.Options{Dir: t.TempDir(), Contacts: 60, Seed: 3})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s
}

// wire is the way to the sandbox's Campaign port, with tokens of its IMS.
func wire(t *testing.T, s *stack.Stack) transport.Options {
	t.Helper()
	pem, err := os.ReadFile(s.CAPath)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	secret, err := os.ReadFile(s.CampaignSecretFile)
	require.NoError(t, err)
	return transport.Options{Service: "campaign", RootCAs: roots, MaxBody: campaign.JournalMaxBody, Tokens: campaign.NewIMSTokens(campaign.IMSOptions{
		URL: s.IMSURL, ClientID: s.CampaignClientID, Secret: strings.TrimSpace(string(secret)), Scopes: []string{"AdobeID", "openid"},
		HTTPClient: &http.Client{Transport: transport.NewBase(roots)},
	})}
}

func journalOf(t *testing.T, s *stack.Stack) *campaign.Journal {
	t.Helper()
	j, err := campaign.NewJournal(campaign.JournalOptions{URL: s.JournalURL, APIKey: s.CampaignClientID, OrgID: s.CampaignOrganization, Transport: transport.New(wire(t, s))})
	require.NoError(t, err)
	return j
}

// unruly is a mailing with everything that can happen, in a journal without order.
func unruly() eventlog.Funnel {
	f := eventlog.DefaultFunnel()
	f.Hard, f.LateHard, f.Soft, f.NoContact, f.SeedShare, f.ProofShare = 0.1, 0.1, 0.1, 0.1, 0.05, 0.05
	f.Duplicates, f.Disorder = 0.2, 0.3
	return f
}

// drain follows the journal from a link until it has no more.
func drain(t *testing.T, j *campaign.Journal, link string, limit int) (all []campaign.JournalEvent, next string) {
	t.Helper()
	for {
		page, err := j.Page(t.Context(), link, limit)
		require.NoError(t, err)
		all, link = append(all, page.Events...), page.Next
		if page.RetryAfter > 0 {
			return all, link
		}
	}
}

// R18.3, R18.14: every event of the log comes through the journal, whole and
// known by one key, however often and in whatever order.
func TestTheJournalOfTheSandbox(t *testing.T) {
	t.Parallel()
	s := boxes(t)
	j := journalOf(t, s)
	none, link := drain(t, j, "", 7)
	require.Empty(t, none)
	made, err := s.GenerateEvents(unruly())
	require.NoError(t, err)

	all, link := drain(t, j, link, 7)
	require.Greater(t, len(all), made, "some come twice")
	got := map[string]events.MarketingEvent{}
	for _, raw := range all {
		e, ours, err := events.FromJournal(raw.Position, raw.Raw)
		require.NoError(t, err)
		if !ours {
			continue
		}
		e.Source = ""
		if before, twice := got[e.Key]; twice {
			require.Equal(t, before, e)
		}
		got[e.Key] = e
	}
	want := 0
	s.Events.Each(func(truth eventlog.Event) bool {
		if truth.Kind == eventlog.OptOut || truth.Kind == eventlog.Mirror {
			return true
		}
		want++
		key := "tracking/" + truth.TrackingLogID
		if truth.TrackingLogID == "" {
			key = "broadlog/" + truth.BroadLogID + "/" + truth.Kind
		}
		e, ok := got[key]
		require.True(t, ok, key)
		require.Equal(t, truth.Kind, string(e.Type))
		require.Equal(t, events.ContactID(truth.ExternalID), e.ContactID)
		require.Equal(t, truth.Delivery.Name, e.DeliveryName)
		require.Equal(t, truth.CampaignName(), e.CampaignName)
		require.WithinDuration(t, truth.Time, e.Time, 0)
		require.Equal(t, truth.Seed, e.Seed)
		require.Equal(t, truth.Proof, e.Proof)
		return true
	})
	require.Len(t, got, want)

	after, _ := drain(t, j, j.After(all[len(all)-4].Position, 0), 0)
	require.Equal(t, all[len(all)-3:], after, "from within a page")
	_, err = s.GenerateEvents(unruly())
	require.NoError(t, err)
	more, _ := drain(t, j, link, 0)
	require.NotEmpty(t, more, "the last link goes on where it ended")
}

func TestTheSandboxForgetsAndRefuses(t *testing.T) {
	t.Parallel()
	s := boxes(t)
	j := journalOf(t, s)
	_, err := s.GenerateEvents(unruly())
	require.NoError(t, err)
	_, link := drain(t, j, "", 100)

	_, err = s.Faults.Add(kit.Rule{Service: "journal", Action: kit.Named, Name: "token_expired", Times: 1})
	require.NoError(t, err)
	_, err = j.Page(t.Context(), link, 0)
	require.NoError(t, err, "a fresh token is fetched")
	_, err = s.Faults.Add(kit.Rule{Service: "journal", Action: kit.Named, Name: "throttle", Times: 1})
	require.NoError(t, err)
	_, err = j.Page(t.Context(), link, 0)
	require.Equal(t, apierr.Throttled, failure(t, err).Class)

	s.Clock.Advance(8 * 24 * time.Hour)
	j = journalOf(t, s) // the tokens of a week ago are of no use either
	_, err = j.Page(t.Context(), link, 0)
	require.Equal(t, apierr.Blocked, failure(t, err).Class)
	require.Equal(t, apierr.ReasonPositionExpired, failure(t, err).Reason)
	_, err = s.GenerateEvents(unruly())
	require.NoError(t, err)
	left, _ := drain(t, j, "", 100)
	require.NotEmpty(t, left, "the oldest that is kept")

	other, err := campaign.NewJournal(campaign.JournalOptions{URL: s.JournalURL, APIKey: s.CampaignClientID, OrgID: "other@AdobeOrg", Transport: transport.New(wire(t, s))})
	require.NoError(t, err)
	_, err = other.Page(t.Context(), "", 0)
	require.Equal(t, apierr.ReasonPermission, failure(t, err).Reason)
	other, err = campaign.NewJournal(campaign.JournalOptions{URL: s.JournalURL + "x", APIKey: s.CampaignClientID, OrgID: s.CampaignOrganization, Transport: transport.New(wire(t, s))})
	require.NoError(t, err)
	_, err = other.Page(t.Context(), "", 0)
	require.Equal(t, apierr.ReasonConfig, failure(t, err).Reason)
}

func sftpOptions(t *testing.T, s *stack.Stack) campaign.SFTPOptions {
	t.Helper()
	key, err := os.ReadFile(s.SFTPKeyFile)
	require.NoError(t, err)
	return campaign.SFTPOptions{Addr: s.SFTPAddress, User: s.SFTPUser, Key: key, KnownHosts: s.SFTPKnownHostsFile}
}

func TestTheSFTPServerOfTheSandbox(t *testing.T) {
	t.Parallel()
	s := boxes(t)
	const folder = "d365_loads/exports"
	require.NoError(t, os.WriteFile(filepath.Join(s.SFTPDir, folder, "optout_20260301_020000.csv"), []byte("externalId\n"), 0o600))
	c := sftpClient(t, sftpOptions(t, s))
	files, err := c.List(t.Context(), folder)
	require.NoError(t, err)
	require.Len(t, files, 1)
	dest := filepath.Join(t.TempDir(), "o.csv")
	_, err = c.Download(t.Context(), files[0], dest)
	require.NoError(t, err)
	content, err := os.ReadFile(dest)
	require.NoError(t, err)
	require.Equal(t, "externalId\n", string(content))
	require.NoError(t, c.EnsureFolder(t.Context(), folder+"/processed"))
	require.NoError(t, c.Move(t.Context(), files[0].Path, folder+"/processed/"+files[0].Name()))
	require.NoError(t, c.Upload(t.Context(), folder+"/a.csv", strings.NewReader("x")))

	s.SFTP.SetCapacity(4)
	require.Equal(t, apierr.ReasonNoSpace, apierr.ReasonOf(c.Upload(t.Context(), folder+"/b.csv", strings.NewReader(strings.Repeat("x", 4096)))))
	require.NoError(t, c.Remove(t.Context(), folder+"/a.csv"), "a full server can be tidied up")
	s.SFTP.SetCapacity(0)

	s.SFTP.SetMaxSessions(0)
	s.SFTP.Drop()
	require.NoError(t, c.Close())
	_, err = c.List(t.Context(), folder)
	require.Equal(t, apierr.Retryable, failure(t, err).Class)
	s.SFTP.SetMaxSessions(5)

	require.NoError(t, s.SFTP.Allow(netip.MustParsePrefix("192.0.2.0/24")))
	require.NoError(t, c.Close())
	_, err = c.List(t.Context(), folder)
	require.Equal(t, apierr.Retryable, failure(t, err).Class)
	require.Contains(t, failure(t, err).Message, "allow list")
	require.NoError(t, s.SFTP.Allow())
}

func TestTheSandboxChangesItsHostKey(t *testing.T) {
	t.Parallel()
	s := boxes(t)
	known, pinned := sftpOptions(t, s), sftpOptions(t, s)
	pinned.KnownHosts, pinned.Fingerprint = "", s.SFTPFingerprint
	for _, o := range []campaign.SFTPOptions{known, pinned} {
		_, err := sftpClient(t, o).List(t.Context(), "d365_loads")
		require.NoError(t, err)
	}
	require.NoError(t, s.SFTP.RotateHostKey())
	s.SFTP.Drop()
	for _, o := range []campaign.SFTPOptions{known, pinned} {
		_, err := sftpClient(t, o).List(t.Context(), "d365_loads")
		require.Equal(t, apierr.Blocked, failure(t, err).Class)
		require.Equal(t, apierr.ReasonHostKeyChanged, failure(t, err).Reason)
	}
	require.NoError(t, s.SFTP.PublishHostKey())
	_, err := sftpClient(t, known).List(t.Context(), "d365_loads")
	require.NoError(t, err, "the file is read at each connection")
}
