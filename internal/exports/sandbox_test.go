package exports_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/campaign"
	"causeway.dev/internal/events"
	"causeway.dev/internal/exports"
	"causeway.dev/internal/transport"
	"causeway.dev/sandbox/eventlog"
	sandbox "causeway.dev/sandbox/exports"
	"causeway.dev/sandbox/stack"
)

const folder = "d365_loads/exports"

// instance is a sandbox and the clients of its journal, files and workflows.
type instance struct {
	*stack.Stack
	journal  *campaign.Journal
	sftp     *campaign.SFTP
	campaign *campaign.Client
}

func newInstance(t *testing.T) *instance {
	t.Helper()
	s, err := stack.Start(t.Context(), stack.Options{Dir: t.TempDir(), Contacts: 60, Seed: 3})
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
	in := &instance{Stack: s}
	in.journal, err = campaign.NewJournal(campaign.JournalOptions{URL: s.JournalURL, APIKey: s.CampaignClientID, OrgID: s.CampaignOrganization, Transport: wire})
	require.NoError(t, err)
	in.campaign, err = campaign.New(campaign.Options{BaseURL: s.CampaignURL, APIKey: s.CampaignClientID, Transport: wire})
	require.NoError(t, err)
	in.sftp, err = campaign.NewSFTP(campaign.SFTPOptions{Addr: s.SFTPAddress, User: s.SFTPUser, Key: read(s.SFTPKeyFile), KnownHosts: s.SFTPKnownHostsFile})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, in.sftp.Close()) })
	return in
}

// fetch downloads the files of the folder and empties it.
func (in *instance) fetch(t *testing.T) []string {
	t.Helper()
	files, err := in.sftp.List(t.Context(), folder)
	require.NoError(t, err)
	var out []string
	for _, f := range files {
		path := filepath.Join(t.TempDir(), f.Name())
		_, err := in.sftp.Download(t.Context(), f, path)
		require.NoError(t, err)
		require.NoError(t, in.sftp.Remove(t.Context(), f.Path))
		out = append(out, path)
	}
	return out
}

// check reads a file with Check.
func check(t *testing.T, path string) (exports.Counts, error) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	kind, ok := exports.KindOf(filepath.Base(path))
	require.True(t, ok, path)
	return exports.Check(kind, filepath.Base(path), f)
}

// logged returns the events of log files.
func logged(t *testing.T, paths []string) map[string]events.MarketingEvent {
	t.Helper()
	out := map[string]events.MarketingEvent{}
	for _, path := range paths {
		kind, ok := exports.KindOf(filepath.Base(path))
		require.True(t, ok, path)
		f, err := os.Open(path)
		require.NoError(t, err)
		list, refused, _, err := readLog(kind, f)
		require.NoError(t, errors.Join(err, f.Close()), path)
		require.Empty(t, refused)
		for _, e := range list {
			e.Source = ""
			out[e.Key] = e
		}
	}
	return out
}

// published returns the events of the journal, without seeds and proofs, for which the
// files say nothing or not enough.
func (in *instance) published(t *testing.T) map[string]events.MarketingEvent {
	t.Helper()
	out := map[string]events.MarketingEvent{}
	for link := ""; ; {
		page, err := in.journal.Page(t.Context(), link, 100)
		require.NoError(t, err)
		for _, raw := range page.Events {
			e, ours, err := events.FromJournal(raw.Position, raw.Raw)
			require.NoError(t, err)
			if ours && !e.Seed && !e.Proof {
				e.Source, e.RecipientID = "", ""
				out[e.Key] = e
			}
		}
		if link = page.Next; page.RetryAfter > 0 {
			return out
		}
	}
}

// The journal and the files give the same events, with the same keys, times and texts,
// whether the file was exported before or after a message bounced.
func TestTheJournalAndTheFilesTellTheSame(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before bool // export before the late bounces too
		twists []sandbox.Twist
	}{
		"exported once":                  {false, nil},
		"exported before and after":      {true, nil},
		"in another dress":               {true, []sandbox.Twist{sandbox.Gzip, sandbox.Semicolon, sandbox.BOM, sandbox.CRLF, sandbox.Quotes, sandbox.Unknown, sandbox.Reordered}},
		"with tabs, and all of it twice": {false, []sandbox.Twist{sandbox.Tab, sandbox.Duplicate}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			f := eventlog.DefaultFunnel()
			f.Hard, f.LateHard, f.Soft, f.NoContact, f.SeedShare, f.ProofShare = 0.1, 0.1, 0.1, 0.1, 0.05, 0.05
			f.Duplicates, f.Disorder, f.Late = 0.2, 0.3, eventlog.Duration(24*time.Hour)
			_, err := in.GenerateEvents(f)
			require.NoError(t, err)
			var files []string
			if tt.before {
				_, err := in.ExportLogs(t.Context(), tt.twists...)
				require.NoError(t, err)
				files = in.fetch(t)
			}
			in.Clock.Advance(25 * time.Hour)
			_, err = in.ExportLogs(t.Context(), tt.twists...)
			require.NoError(t, err)
			files = append(files, in.fetch(t)...)
			got, want := logged(t, files), in.published(t)
			for key, e := range got {
				if e.Seed {
					delete(got, key)
				}
			}
			kinds := map[events.Type]int{}
			for key, e := range want {
				kinds[e.Type]++
				require.Equal(t, e, got[key], key)
			}
			require.Len(t, got, len(want))
			require.Len(t, kinds, 4, "sends, opens, clicks and bounces")
		})
	}
}

// Check finds every fault that the sandbox can put into a file, with its place, before
// anything of the file is used.
func TestEveryAnomalyOfAFile(t *testing.T) {
	t.Parallel()
	spoilFile := map[sandbox.Twist]exports.Fault{
		sandbox.HalfWritten: exports.Truncated, sandbox.TruncatedGzip: exports.Truncated, sandbox.Unterminated: exports.Truncated, sandbox.Labels: exports.Labels,
		sandbox.UTF16: exports.Encoding, sandbox.Latin1: exports.Encoding, sandbox.MissingColumn: exports.Columns,
	}
	for name, run := range map[string]func(in *instance, ctx context.Context, twists ...sandbox.Twist) (sandbox.Result, error){
		"logs": func(in *instance, ctx context.Context, twists ...sandbox.Twist) (sandbox.Result, error) {
			return in.ExportLogs(ctx, twists...)
		},
		"opt-outs": func(in *instance, ctx context.Context, twists ...sandbox.Twist) (sandbox.Result, error) {
			return in.ExportOptOuts(ctx, twists...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInstance(t)
			f := eventlog.DefaultFunnel()
			f.Hard = 0.2
			_, err := in.GenerateEvents(f) // before anybody opts out
			require.NoError(t, err)
			for id := range contactIDs(in) {
				require.NoError(t, in.campaign.Create(t.Context(), campaign.Resource{API: "profileAndServicesExt", Name: "profile"},
					[]byte(`{"externalId":"`+id+`","blackListEmail":true}`)))
			}
			for _, twist := range sandbox.Twists() {
				require.NoError(t, in.Exports.SetLastRun(sandbox.OptOuts, time.Time{}))
				require.NoError(t, in.Exports.SetLastRun(sandbox.Logs, time.Time{}))
				in.Clock.Advance(time.Minute) // another name
				made, err := run(in, t.Context(), twist)
				require.NoError(t, err)
				require.NotEmpty(t, made.Files, twist)
				for _, path := range in.fetch(t) {
					counts, err := check(t, path)
					fault, spoilt := spoilFile[twist]
					if !spoilt {
						require.NoError(t, err, twist)
						rowsOnly := slices.Contains([]sandbox.Twist{sandbox.WrongStamp, sandbox.WrongBoolean}, twist) && !(name == "logs" && twist == sandbox.WrongBoolean)
						require.Equal(t, rowsOnly, counts.Refused > 0, "%s of %s", twist, path)
						require.Greater(t, counts.Rows, counts.Refused, "the rest proceeds")
						continue
					}
					var e *exports.FileError
					require.ErrorAs(t, err, &e, "%s of %s", twist, path)
					require.Equal(t, fault, e.Fault, "%s of %s", twist, path)
					require.Positive(t, e.Line)
				}
			}
		})
	}
}

func contactIDs(in *instance) map[string]bool {
	out := map[string]bool{}
	in.Dynamics.Each("contacts", func(id string, _ map[string]any) bool {
		out[id] = true
		return true
	})
	return out
}

// R19.13: what a person chose in Campaign, and when, arrives with the file.
func TestOptOutsOfTheSandbox(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	before := in.Clock.Now()
	require.NoError(t, in.campaign.Create(t.Context(), campaign.Resource{API: "profileAndServicesExt", Name: "profile"}, []byte(`{"externalId":"`+ada+`"}`)))
	require.NoError(t, in.campaign.Patch(t.Context(), campaign.Resource{API: "profileAndServicesExt", Name: "profile"}, ada, []byte(`{"blackListEmail":true}`)))
	_, err := in.ExportOptOuts(t.Context())
	require.NoError(t, err)
	files := in.fetch(t)
	require.Len(t, files, 1)
	f, err := os.Open(files[0])
	require.NoError(t, err)
	defer f.Close()
	rows, refused, _, err := readOptOuts(f)
	require.NoError(t, err)
	require.Empty(t, refused)
	at := slices.IndexFunc(rows, func(r exports.OptOut) bool { return r.ContactID == ada })
	require.GreaterOrEqual(t, at, 0)
	require.Len(t, rows[at].Choices, len(exports.Attributes))
	for i, c := range rows[at].Choices {
		require.Equal(t, exports.Attributes[i], c.Attribute)
		require.NotNil(t, c.Value)
		require.Equal(t, c.Attribute == "denyListEmail", *c.Value)
		require.Equal(t, c.Attribute == "denyListEmail", c.Changed.After(before.Add(-time.Second)))
	}
}

// Commands take effect a little later, when the engine carries them out.
func TestWorkflowsOfTheSandbox(t *testing.T) {
	t.Parallel()
	in := newInstance(t)
	status := func() campaign.WorkflowStatus {
		w, err := in.campaign.GetWorkflow(t.Context(), sandbox.OptOuts)
		require.NoError(t, err)
		return w.Status
	}
	require.Equal(t, campaign.WorkflowStarted, status())
	for _, step := range []struct {
		command campaign.WorkflowCommand
		want    campaign.WorkflowStatus
	}{
		{campaign.PauseWorkflow, campaign.WorkflowWarning}, {campaign.ResumeWorkflow, campaign.WorkflowStarted},
		{campaign.StopWorkflow, campaign.WorkflowFinished}, {campaign.StartWorkflow, campaign.WorkflowStarted},
	} {
		require.NoError(t, in.campaign.CommandWorkflow(t.Context(), sandbox.OptOuts, step.command))
		in.Advance(time.Minute)
		require.Equal(t, step.want, status(), step.command)
	}
	require.NoError(t, in.Exports.Fail(sandbox.OptOuts, "disk"))
	require.Equal(t, campaign.WorkflowError, status())
	_, err := in.campaign.GetWorkflow(t.Context(), "WKF_none")
	require.ErrorContains(t, err, "there is no workflow with this id")
}
