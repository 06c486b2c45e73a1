package exports_test

import (
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/exports"
)

// Files differ from the plain form in the requested ways.
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

// Labels and missing columns of the logs.
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
