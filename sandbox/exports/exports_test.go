package exports_test

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/exports"
	"causeway.dev/sandbox/kit"
)

// profile is what Campaign holds of one, as Extract gives it.
type profile struct {
	id, email, emailStamp, ccpa string
	modified                    time.Time
}

type profiles []profile

func (p *profiles) Extract(_ string, fields []string, since, until time.Time, f func([]string, time.Time) error) error {
	for _, one := range *p {
		if one.modified.Before(since) || one.modified.After(until) {
			continue
		}
		values := make([]string, len(fields))
		for i, name := range fields {
			values[i] = map[string]string{"externalId": one.id, "blackListEmail": one.email, "blackListEmailLastModified": one.emailStamp, "ccpaOptOut": one.ccpa}[name]
		}
		if err := f(values, one.modified); err != nil {
			return err
		}
	}
	return nil
}

type engine struct {
	t *testing.T
	*exports.Engine
	clock    *kit.Clock
	log      *eventlog.Log
	profiles *profiles
	dir      string
	room     error
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{t: t, clock: &kit.Clock{}, profiles: &profiles{}, dir: t.TempDir()}
	e.log = eventlog.New(e.clock)
	e.Engine = exports.New(exports.Options{Clock: e.clock, Log: e.log, Profiles: e.profiles, Prefix: "blackList", Dir: e.dir, Temp: t.TempDir(),
		Room: func(int64) error { return e.room }})
	return e
}

// optOut adds a profile changed now.
func (e *engine) optOut(id, email string) {
	now := e.clock.Now()
	stamp := ""
	if email != "" {
		stamp = now.Format("2006-01-02 15:04:05.000Z")
	}
	*e.profiles = append(*e.profiles, profile{id: id, email: email, emailStamp: stamp, modified: now})
}

func (e *engine) files() (names []string) {
	e.t.Helper()
	entries, err := os.ReadDir(e.dir)
	require.NoError(e.t, err)
	for _, f := range entries {
		names = append(names, f.Name())
	}
	return names
}

func (e *engine) read(name string) string {
	e.t.Helper()
	data, err := os.ReadFile(filepath.Join(e.dir, name))
	require.NoError(e.t, err)
	return string(data)
}

// rows reads a file of the plain contract by column.
func (e *engine) rows(name string) []map[string]string {
	e.t.Helper()
	return parse(e.t, e.read(name), ',')
}

func parse(t *testing.T, text string, comma rune) (out []map[string]string) {
	t.Helper()
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = comma
	all, err := r.ReadAll()
	require.NoError(t, err)
	for _, values := range all[1:] {
		row := map[string]string{}
		for i, v := range values {
			row[all[0][i]] = v
		}
		out = append(out, row)
	}
	return out
}

func (e *engine) export(id string, twists ...exports.Twist) exports.Result {
	e.t.Helper()
	got, err := e.Run(e.t.Context(), id, twists...)
	require.NoError(e.t, err)
	return got
}

func (e *engine) status(id string) exports.Status {
	e.t.Helper()
	s, err := e.Status(id)
	require.NoError(e.t, err)
	return s
}

// §7: once a day, the profiles changed since the last run; no file for nothing.
func TestOptOuts(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.RunDue()
	require.Empty(t, e.files())
	e.optOut("a", "true")
	e.optOut("", "")
	e.clock.Advance(24*time.Hour + time.Minute)
	e.RunDue()
	files := e.files()
	require.Len(t, files, 1)
	require.Regexp(t, `^optout_\d{8}_\d{6}\.csv$`, files[0])
	require.Equal(t, "externalId,lastModified,denyList,denyListLastModified,denyListEmail,denyListEmailLastModified,denyListFax,denyListFaxLastModified,"+
		"denyListMobile,denyListMobileLastModified,denyListPhone,denyListPhoneLastModified,denyListPostalMail,denyListPostalMailLastModified,"+
		"denyListPushnotification,denyListPushnotificationLastModified,ccpaOptOut,ccpaOptOutLastModified", strings.SplitN(e.read(files[0]), "\n", 2)[0])
	rows := e.rows(files[0])
	require.Len(t, rows, 2)
	a := rows[0]
	require.Equal(t, "a", a["externalId"])
	require.Equal(t, "1", a["denyListEmail"])
	require.Equal(t, a["lastModified"], a["denyListEmailLastModified"])
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, a["lastModified"])
	require.Equal(t, "0", a["denyList"])
	require.Empty(t, a["denyListLastModified"])
	require.Equal(t, "0", a["ccpaOptOut"])

	e.clock.Advance(48 * time.Hour)
	e.RunDue()
	require.Len(t, e.files(), 1, "nothing changed")
	e.optOut("b", "true")
	got := e.export(exports.OptOuts)
	require.Equal(t, 1, got.Rows)
	e.optOut("c", "")
	require.NotEqual(t, got.Files, e.export(exports.OptOuts).Files, "two files in a second have two names")
}

// §6.4: the query is for rows at or after the last run, so those of its moment repeat.
func TestBoundaryRowsRepeat(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.optOut("a", "true")
	e.export(exports.OptOuts)
	last := e.status(exports.OptOuts).LastRun
	(*e.profiles)[0].modified = last
	e.optOut("b", "true")
	require.Equal(t, 2, e.export(exports.OptOuts).Rows)
	require.NoError(t, e.SetLastRun(exports.OptOuts, time.Time{}))
	require.Equal(t, 2, e.export(exports.OptOuts).Rows, "an operator may have everything again")
}

// §6.3: the logs by the contract; the same events as the journal's, with the
// same ids; a late bounce changes a row that was exported as sent.
func TestLogs(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	f := eventlog.DefaultFunnel()
	f.LateHard, f.Late = 0.2, eventlog.Duration(24*time.Hour)
	to := make([]eventlog.Recipient, 200)
	for i := range to {
		to[i] = eventlog.Recipient{ExternalID: "c" + string(rune('a'+i%26)) + strings.Repeat("x", i/26), Email: "p@example.test"}
	}
	_, err := e.log.Generate(f, to)
	require.NoError(t, err)
	truth := map[string]eventlog.Event{}
	e.log.Each(func(ev eventlog.Event) bool { truth[ev.Kind+ev.BroadLogID+ev.TrackingLogID] = ev; return true })

	got := e.export(exports.Logs)
	require.Len(t, got.Files, 2)
	sent := map[string]bool{}
	failed := 0
	for _, r := range e.rows(got.Files[0]) {
		kind := eventlog.Send
		if r["status"] == "2" {
			kind, failed = eventlog.Bounce, failed+1
			require.Contains(t, []string{"1", "2"}, r["failureType"])
		} else {
			require.Equal(t, "1", r["status"])
			sent[r["broadLogId"]] = true
		}
		ev, ok := truth[kind+r["broadLogId"]]
		require.True(t, ok, "%s of %s", kind, r["broadLogId"])
		require.False(t, ev.Proof, "test mailings are left out")
		require.Equal(t, ev.ExternalID, r["externalId"])
		require.Equal(t, ev.Delivery.Name, r["deliveryName"])
		require.Equal(t, ev.CampaignName(), r["campaignName"])
		require.Equal(t, ev.Time.Format("2006-01-02T15:04:05.000Z"), r["eventDate"])
		require.Equal(t, ev.MirrorPageURL, r["mirrorPageUrl"])
		require.Equal(t, map[bool]string{true: "1", false: "0"}[ev.Seed], r["seed"])
	}
	require.NotZero(t, failed)
	for _, r := range e.rows(got.Files[1]) {
		kind := map[string]string{"1": "click", "10": "click", "11": "click", "2": "open", "3": "optout", "6": "mirror"}[r["urlType"]]
		ev, ok := truth[kind+r["broadLogId"]+r["trackingLogId"]]
		require.True(t, ok, "%v", r)
		require.Equal(t, ev.Time.Format("2006-01-02T15:04:05.000Z"), r["logDate"])
		require.Equal(t, ev.URL, r["url"])
		require.False(t, ev.Seed)
	}

	e.clock.Advance(26 * time.Hour)
	again := e.export(exports.Logs)
	require.Zero(t, again.Rows, "the hourly runs took it")
	late := 0
	for _, name := range e.files() {
		if strings.HasPrefix(name, "broadlog") && name != got.Files[0] {
			for _, r := range e.rows(name) {
				require.Equal(t, "2", r["status"])
				require.Equal(t, "2", r["failureType"])
				require.True(t, sent[r["broadLogId"]], "it was sent before")
				require.Greater(t, r["lastModified"], r["eventDate"])
				late++
			}
		}
	}
	require.Greater(t, late, 30)
}

// Files that depart from the contract, in the ways asked for.
func TestTwists(t *testing.T) {
	t.Parallel()
	for twist, check := range map[exports.Twist]func(t *testing.T, e *engine, name, text string){
		exports.Gzip: func(t *testing.T, _ *engine, name, text string) {
			require.True(t, strings.HasSuffix(name, ".csv.gz"))
			z, err := gzip.NewReader(strings.NewReader(text))
			require.NoError(t, err)
			data, err := io.ReadAll(z)
			require.NoError(t, err)
			require.Len(t, parse(t, string(data), ','), 2)
		},
		exports.TruncatedGzip: func(t *testing.T, _ *engine, _, text string) {
			z, err := gzip.NewReader(strings.NewReader(text))
			require.NoError(t, err)
			_, err = io.ReadAll(z)
			require.Error(t, err)
		},
		exports.Semicolon: func(t *testing.T, _ *engine, _, text string) { require.Len(t, parse(t, text, ';'), 2) },
		exports.Tab:       func(t *testing.T, _ *engine, _, text string) { require.Len(t, parse(t, text, '\t'), 2) },
		exports.BOM: func(t *testing.T, _ *engine, _, text string) {
			require.True(t, strings.HasPrefix(text, "\ufeffexternalId"))
		},
		exports.CRLF: func(t *testing.T, _ *engine, _, text string) { require.Equal(t, 3, strings.Count(text, "\r\n")) },
		exports.BlackList: func(t *testing.T, _ *engine, _, text string) {
			require.Equal(t, "1", parse(t, text, ',')[0]["blackListEmail"])
		},
		exports.Quotes: func(t *testing.T, _ *engine, _, text string) {
			require.Equal(t, "said \"no\",\nthen; hung up", parse(t, text, ',')[0]["Bemerkung"])
		},
		exports.Unknown: func(t *testing.T, _ *engine, _, text string) {
			require.True(t, strings.HasPrefix(text, "segment,externalId,"))
		},
		exports.Reordered: func(t *testing.T, _ *engine, _, text string) {
			require.True(t, strings.HasPrefix(text, "ccpaOptOutLastModified,"))
		},
		exports.Duplicate: func(t *testing.T, e *engine, _, text string) {
			files := e.files()
			require.Len(t, files, 2)
			require.Equal(t, text, e.read(files[1]))
		},
		exports.HalfWritten: func(t *testing.T, e *engine, name, text string) {
			require.False(t, strings.HasSuffix(text, "\n"))
			names, err := e.Complete()
			require.NoError(t, err)
			require.Equal(t, []string{name}, names)
			require.Len(t, e.rows(name), 2)
			require.True(t, strings.HasPrefix(e.read(name), text))
			require.Zero(t, e.status(exports.OptOuts).Partial)
		},
		exports.Unterminated: func(t *testing.T, _ *engine, _, text string) { require.False(t, strings.HasSuffix(text, "\n")) },
		exports.Labels: func(t *testing.T, _ *engine, _, text string) {
			require.Equal(t, "Yes", parse(t, text, ',')[0]["denyListEmail"])
		},
		exports.UTF16: func(t *testing.T, _ *engine, _, text string) {
			require.True(t, strings.HasPrefix(text, "\xff\xfee\x00"))
		},
		exports.Latin1: func(t *testing.T, _ *engine, _, text string) { require.Contains(t, text, "\xc4nderung") },
		exports.MissingColumn: func(t *testing.T, _ *engine, _, text string) {
			require.True(t, strings.HasPrefix(text, "lastModified,denyList,"))
		},
		exports.WrongBoolean: func(t *testing.T, _ *engine, _, text string) {
			rows := parse(t, text, ',')
			require.Equal(t, "maybe", rows[0]["denyListEmail"])
			require.Equal(t, "0", rows[1]["denyListEmail"], "only some rows are spoiled")
		},
		exports.WrongStamp: func(t *testing.T, _ *engine, _, text string) {
			require.Equal(t, "28.02.2026 17:11", parse(t, text, ',')[0]["denyListEmailLastModified"])
		},
		exports.DuplicateIDs: func(t *testing.T, _ *engine, _, text string) {
			rows := parse(t, text, ',')
			require.Len(t, rows, 3)
			require.Equal(t, "a", rows[2]["externalId"])
			require.Equal(t, "0", rows[2]["denyListEmail"])
			require.Less(t, rows[2]["lastModified"], rows[0]["lastModified"], "the older state comes last")
		},
	} {
		t.Run(string(twist), func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			e.optOut("a", "true")
			e.optOut("b", "")
			got := e.export(exports.OptOuts, twist)
			require.NotEmpty(t, got.Files)
			check(t, e, got.Files[0], e.read(got.Files[0]))
		})
	}
	_, err := newEngine(t).Run(t.Context(), exports.OptOuts, "upside_down")
	require.ErrorContains(t, err, `twist: got "upside_down", want one of`)
}

// Labels and lost columns of the logs.
func TestLogTwists(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.clock.Advance(-time.Hour)
	for _, p := range []eventlog.Pushed{{Kind: eventlog.Bounce, ExternalID: "a", Email: "a@example.test"}, {Kind: eventlog.Click, ExternalID: "a"}} {
		_, err := e.log.Push(p)
		require.NoError(t, err)
	}
	e.clock.Advance(time.Hour)
	got := e.export(exports.Logs, exports.Labels, exports.Quotes)
	broad, tracking := e.rows(got.Files[0])[0], e.rows(got.Files[1])[0]
	require.Equal(t, []string{"Failed", "Hard", "User unknown"}, []string{broad["status"], broad["failureType"], broad["failureReason"]})
	require.Contains(t, broad["deliveryLabel"], "\"Spring\" mail,\n")
	require.Contains(t, tracking["urlLabel"], "\"Shop\"")
	require.NoError(t, e.SetLastRun(exports.Logs, time.Time{}))
	got = e.export(exports.Logs, exports.MissingColumn)
	require.NotContains(t, e.read(got.Files[0]), "eventDate")
	require.NotContains(t, e.read(got.Files[1]), "logDate")
	require.NoError(t, e.SetLastRun(exports.Logs, time.Time{}))
	got = e.export(exports.Logs, exports.WrongStamp)
	require.Equal(t, "01.03.2026 10:15", e.rows(got.Files[0])[0]["eventDate"])
	require.Equal(t, "01.03.2026 10:15", e.rows(got.Files[1])[0]["logDate"])
	_, err := e.log.Push(eventlog.Pushed{Kind: eventlog.Click, ExternalID: "a", URL: "https://shop.example.test/žluťoučký"})
	require.NoError(t, err)
	e.clock.Advance(time.Minute)
	got = e.export(exports.Logs, exports.Latin1)
	require.Contains(t, e.read(got.Files[0]), "\xd6ffnung", "what Latin-1 lacks does not fail the export")
}

// §9: commands take effect later; each state lets some of them do something.
func TestCommands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare []string
		command string
		want    string
	}{
		"a running one is paused":                    {nil, "pause", "warning"},
		"a paused one is resumed":                    {[]string{"pause"}, "resume", "started"},
		"start resumes a paused one":                 {[]string{"pause"}, "start", "started"},
		"a running one is stopped":                   {nil, "stop", "finished"},
		"a paused one is stopped":                    {[]string{"pause"}, "stop", "finished"},
		"a stopped one is started":                   {[]string{"stop"}, "start", "started"},
		"a stopped one cannot be resumed":            {[]string{"stop"}, "resume", "finished"},
		"a stopped one cannot be paused":             {[]string{"stop"}, "pause", "finished"},
		"one that failed is not started":             {[]string{"fail"}, "start", "error"},
		"one that failed is not resumed":             {[]string{"fail"}, "resume", "error"},
		"one that failed is stopped":                 {[]string{"fail"}, "stop", "finished"},
		"one that failed and was stopped is started": {[]string{"fail", "stop"}, "start", "started"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			for _, p := range c.prepare {
				if p == "fail" {
					require.NoError(t, e.Fail(exports.OptOuts, ""))
				} else {
					e.Command(exports.OptOuts, p)
				}
				e.clock.Advance(6 * time.Second)
			}
			before := e.status(exports.OptOuts).State
			e.Command(exports.OptOuts, c.command)
			require.Equal(t, before, e.status(exports.OptOuts).State, "not at once")
			e.clock.Advance(6 * time.Second)
			require.Equal(t, c.want, e.status(exports.OptOuts).State)
			require.Equal(t, "started", e.status(exports.Logs).State, "the other one is left alone")
		})
	}
}

// §9: what is paused, stopped or failed exports nothing, and takes up where the
// query was; a workflow left alone for seven days is stopped.
func TestStoppedWorkflows(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"pause", "stop", "fail"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			e.optOut("a", "true")
			if how == "fail" {
				require.NoError(t, e.Fail(exports.OptOuts, "out of memory"))
				require.Equal(t, "out of memory", e.status(exports.OptOuts).Error)
			} else {
				e.Command(exports.OptOuts, how)
			}
			e.clock.Advance(50 * time.Hour)
			e.RunDue()
			require.Empty(t, e.files())
			w, ok := e.Workflow(exports.OptOuts)
			require.True(t, ok)
			require.True(t, w.Next.IsZero())
			if how == "fail" {
				require.Equal(t, []string{"erroneous", "error"}, []string{w.State, w.LogicalStatus})
				e.Command(exports.OptOuts, "stop")
			}
			e.Command(exports.OptOuts, "start")
			e.clock.Advance(6 * time.Second)
			e.RunDue()
			require.Empty(t, e.files(), "the scheduler waits for its time")
			e.clock.Advance(25 * time.Hour)
			e.RunDue()
			require.Len(t, e.files(), 1)
		})
	}
	e := newEngine(t)
	e.Command(exports.OptOuts, "pause")
	require.NoError(t, e.Fail(exports.Logs, ""))
	e.clock.Advance(6*24*time.Hour + time.Hour)
	require.Equal(t, "warning", e.status(exports.OptOuts).State)
	e.clock.Advance(24 * time.Hour)
	require.Equal(t, "finished", e.status(exports.OptOuts).State)
	require.Equal(t, "finished", e.status(exports.Logs).State)
}

// §8: a full server stops the workflow; what was not exported comes later.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.optOut("a", "true")
	e.room = errors.New("disk quota exceeded")
	_, err := e.Run(t.Context(), exports.OptOuts)
	require.ErrorContains(t, err, "disk quota exceeded")
	require.Equal(t, "error", e.status(exports.OptOuts).State)
	require.Contains(t, e.status(exports.OptOuts).Error, "disk quota exceeded")
	require.Empty(t, e.files())
	e.room = nil
	require.Equal(t, 1, e.export(exports.OptOuts).Rows)
}

// States and the last run survive a restart; missed runs are not made up for.
func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.optOut("a", "true")
	e.clock.Advance(time.Second)
	e.export(exports.OptOuts)
	e.Command(exports.Logs, "pause")
	e.clock.Advance(6 * time.Second)
	e.RunDue()
	dir := t.TempDir()
	require.NoError(t, e.Save(dir))
	again := newEngine(t)
	again.clock.Advance(72 * time.Hour)
	*again.profiles = *e.profiles
	again.optOut("b", "true")
	require.NoError(t, again.Load(dir))
	require.NoError(t, again.Load(t.TempDir()), "nothing was saved")
	require.Equal(t, "warning", again.status(exports.Logs).State)
	require.Empty(t, again.files())
	require.True(t, again.status(exports.OptOuts).Next.After(again.clock.Now()))
	require.Equal(t, 1, again.export(exports.OptOuts).Rows)
}

func TestUnknownWorkflow(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	const want = `workflow: got "WKF17", want WKF_optout or WKF_logs`
	_, err := e.Run(t.Context(), "WKF17")
	require.EqualError(t, err, want)
	require.EqualError(t, e.Fail("WKF17", ""), want)
	require.EqualError(t, e.SetLastRun("WKF17", time.Time{}), want)
	_, ok := e.Workflow("WKF17")
	require.False(t, ok)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = e.Run(ended, exports.OptOuts)
	require.ErrorIs(t, err, context.Canceled)
}
