package stack_test

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/exports"
	"causeway.dev/sandbox/stack"
)

// §7: a profile that changes is in the next file, which clients get by SFTP.
func TestExportOptOuts(t *testing.T) {
	t.Parallel()
	for _, names := range []string{"blackList", "denyList"} {
		t.Run(names, func(t *testing.T) {
			t.Parallel()
			s := start(t, stack.Options{OptOutNames: names, NoOptOutStamps: names == "denyList"})
			require.NoError(t, s.Campaign.Insert("profile", []byte(`{"externalId":"a","`+names+`Email":true,"ccpaOptOut":true}`)))
			s.Advance(time.Second) // rows of the very moment of a run are exported again by the next
			done, err := s.ExportOptOuts(t.Context(), exports.Gzip)
			require.NoError(t, err)
			require.Equal(t, 1, done.Rows)
			c, err := login(t, s)
			require.NoError(t, err)
			infos, err := c.ReadDir("d365_loads/exports")
			require.NoError(t, err)
			require.Len(t, infos, 1)
			require.Equal(t, done.Files[0], infos[0].Name())

			s.Advance(25 * time.Hour)
			infos, err = c.ReadDir("d365_loads/exports")
			require.NoError(t, err)
			require.Len(t, infos, 1, "nothing changed")
			require.NoError(t, s.Campaign.Update("profile", "a", []byte(`{"`+names+`Email":false}`)))
			s.Advance(25 * time.Hour)
			infos, err = c.ReadDir("d365_loads/exports")
			require.NoError(t, err)
			require.Len(t, infos, 2, "the daily export ran")
			f, err := c.Open("d365_loads/exports/" + infos[1].Name())
			require.NoError(t, err)
			text, err := io.ReadAll(f)
			require.NoError(t, err)
			stamp, _ := s.Campaign.Profile("a")[names+"EmailLastModified"].(string)
			require.Regexp(t, `\na,[^,]+,0,,0,`+strings.Replace(stamp, " ", "T", 1)+`,`, string(text))
		})
	}
}

// §6: the journal and the files hold the same events with the same ids.
func TestExportLogs(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{Contacts: 30})
	f := eventlog.DefaultFunnel()
	f.ProofShare, f.SeedShare = 0, 0
	n, err := s.GenerateEvents(f)
	require.NoError(t, err)
	done, err := s.ExportLogs(t.Context())
	require.NoError(t, err)
	inJournal := map[string]bool{}
	for i := range s.Events.Len() {
		raw, err := s.Events.Appearance(i, "", "")
		require.NoError(t, err)
		e := gjson.ParseBytes(raw)
		inJournal[e.Get("data.broadlogID").Str+"/"+e.Get("data.trackinglogID").Str] = true
	}
	require.Equal(t, done.Rows, len(inJournal), "a row for each message and each touch")
	require.GreaterOrEqual(t, n, done.Rows)
}

// §9 over REST, and the admin port.
func TestWorkflowControl(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{})
	state := func() string {
		code, body := admin(t, s, "GET", "/campaign/workflows/WKF_optout", "")
		require.Equal(t, 200, code, body)
		return gjson.Get(body, "state").Str
	}
	require.Equal(t, "started", state())
	code, body := admin(t, s, "POST", "/campaign/workflows/WKF_optout/fail", `{"reason":"no memory"}`)
	require.Equal(t, 200, code, body)
	require.Equal(t, "error", state())
	s.Exports.Command(exports.OptOuts, "stop")
	code, _ = admin(t, s, "POST", "/clock", `{"advance":"6s"}`)
	require.Equal(t, 200, code)
	require.Equal(t, "finished", state())

	require.NoError(t, s.Campaign.Insert("profile", []byte(`{"externalId":"a"}`)))
	code, body = admin(t, s, "POST", "/campaign/workflows/WKF_optout/run", `{"twists":["half_written"]}`)
	require.Equal(t, 201, code, body)
	name := gjson.Get(body, "files.0").Str
	require.FileExists(t, filepath.Join(s.SFTPDir, "d365_loads/exports", name))
	code, body = admin(t, s, "POST", "/campaign/workflows/complete", "")
	require.Equal(t, 200, code)
	require.Equal(t, name, gjson.Get(body, "files.0").Str)
	code, _ = admin(t, s, "POST", "/campaign/workflows/WKF_optout/last-run", `{"at":"2026-01-01T00:00:00Z"}`)
	require.Equal(t, 200, code)
	for _, c := range [][2]string{
		{"/campaign/workflows/WKF17/run", `{}`}, {"/campaign/workflows/WKF_optout/run", `{"twists":["x"]}`}, {"/campaign/workflows/WKF_optout/run", `{"twist":1}`},
	} {
		code, body = admin(t, s, "POST", c[0], c[1])
		require.Equal(t, 400, code, body)
		require.NotEmpty(t, gjson.Get(body, "error").Str)
	}
	none := start(t, stack.Options{NoSFTP: true})
	_, err := none.ExportOptOuts(t.Context())
	require.ErrorContains(t, err, "no SFTP server")
}

// A stack that is started again still has its events, files and workflows.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := stack.Start(t.Context(), stack.Options{Dir: dir, Contacts: 10})
	require.NoError(t, err)
	_, err = first.GenerateEvents(eventlog.DefaultFunnel())
	require.NoError(t, err)
	done, err := first.ExportLogs(t.Context())
	require.NoError(t, err)
	require.NoError(t, first.Close(t.Context()))

	again := start(t, stack.Options{Dir: dir})
	require.Equal(t, first.Events.Counts(), again.Events.Counts())
	require.FileExists(t, filepath.Join(again.SFTPDir, "d365_loads/exports", done.Files[0]))
	require.Equal(t, first.SFTPFingerprint, again.SFTPFingerprint)
	_, err = login(t, again)
	require.NoError(t, err)
	more, err := again.ExportLogs(t.Context())
	require.NoError(t, err)
	require.Zero(t, more.Rows, "the query knows when it ran last")
}

// An export costs as much as what changed, however many profiles there are.
func BenchmarkExportOptOuts(b *testing.B) {
	s, err := stack.Start(b.Context(), stack.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close(b.Context()) }()
	for i := range 100_000 {
		body, err := json.Marshal(map[string]string{"externalId": fmt.Sprint(i), "email": "a@example.test"})
		if err == nil {
			err = s.Campaign.Insert("profile", body)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := s.ExportOptOuts(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
