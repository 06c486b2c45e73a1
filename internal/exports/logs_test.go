package exports_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/events"
	"causeway.dev/internal/exports"
)

const (
	ada   = "6f1d2c3b-0000-4000-8000-00000000ada1"
	grace = "6f1d2c3b-0000-4000-8000-0000000c7ace"

	broadHeader = "broadLogId,externalId,email,deliveryName,deliveryLabel,campaignName,campaignLabel,eventDate,status,failureType,failureReason,reasonText,seed,mirrorPageUrl,lastModified\n"
	broadRow    = "8003," + ada + ",hidden@example.test,DM190,\"Spring, \"\"mail\"\"\n2026\",CMP12,Loyalty,2026-03-01T10:15:29.000Z,1,0,0,,0,https://m.example.test/?c=1,2026-03-01T10:20:00.000Z\n"
	trackHeader = "trackingLogId,broadLogId,externalId,deliveryName,campaignName,logDate,urlType,url,urlLabel,urlCategory,mirrorPageUrl\n"
	trackRow    = "5000,8003," + ada + ",DM190,CMP12,2026-03-01T11:00:00.000Z,1,https://shop.example.test/a?x=1,Shop,product,https://m.example.test/?c=1\n"
)

func zip(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, s)
	require.NoError(t, errors.Join(err, w.Close()))
	return b.String()
}

// readLog returns the events and refused rows of a log, and the error that ended it.
func readLog(kind exports.Kind, src io.Reader) (list []events.MarketingEvent, refused []*exports.RowError, counts exports.Counts, err error) {
	f, err := exports.OpenEvents(kind, "f.csv", src)
	if err != nil {
		return nil, nil, counts, err
	}
	for {
		some, err := f.Next()
		row, isRow := errors.AsType[*exports.RowError](err)
		switch {
		case isRow:
			refused = append(refused, row)
		case errors.Is(err, io.EOF):
			return list, refused, f.Counts(), nil
		case err != nil:
			return list, refused, f.Counts(), err
		}
		list = append(list, some...)
	}
}

func TestADeliveryLogInEveryDress(t *testing.T) {
	t.Parallel()
	want := events.MarketingEvent{Type: events.Send, Key: "broadlog/8003/send", ContactID: ada, BroadLogID: "8003", CampaignName: "CMP12", DeliveryName: "DM190",
		Time: time.Date(2026, 3, 1, 10, 15, 29, 0, time.UTC), MirrorPageURL: "https://m.example.test/?c=1", Source: "f.csv:2"}
	semicolons := func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(s, ",", ";"), "Spring; ", "Spring, ")
	}
	for name, text := range map[string]string{
		"commas":                  broadHeader + broadRow,
		"semicolons":              semicolons(broadHeader + broadRow),
		"tabs":                    strings.ReplaceAll(broadHeader+broadRow, ",", "\t"),
		"a byte order mark":       "\ufeff" + broadHeader + broadRow,
		"carriage returns":        strings.ReplaceAll(broadHeader+broadRow, "\n", "\r\n"),
		"compressed":              zip(t, broadHeader+broadRow),
		"compressed in pieces":    zip(t, broadHeader) + zip(t, broadRow),
		"compressed with a mark":  zip(t, "\ufeff"+broadHeader+broadRow),
		"quotes around all names": `"` + strings.ReplaceAll(strings.TrimSuffix(broadHeader, "\n"), ",", `","`) + "\"\n" + broadRow,
		"other cases of letters":  strings.ToUpper(broadHeader) + broadRow,
		"a column nobody asked":   "x," + broadHeader + "y," + broadRow,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, src := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text))} {
				got, refused, counts, err := readLog(exports.BroadLog, src)
				require.NoError(t, err)
				require.Empty(t, refused)
				require.Equal(t, []events.MarketingEvent{want}, got)
				require.Equal(t, exports.Counts{Rows: 1}, counts)
			}
		})
	}
}

func TestATrackingLog(t *testing.T) {
	t.Parallel()
	rows := trackRow + strings.Replace(strings.Replace(trackRow, "5000", "5001", 1), ",1,", ",2,", 1) + strings.Replace(strings.Replace(trackRow, "5000", "5002", 1), ",1,", ",6,", 1)
	got, refused, counts, err := readLog(exports.TrackingLog, strings.NewReader(trackHeader+rows))
	require.NoError(t, err)
	require.Empty(t, refused)
	require.Equal(t, exports.Counts{Rows: 3, Ignored: 1}, counts)
	require.Len(t, got, 2)
	require.Equal(t, events.MarketingEvent{Type: events.Click, Key: "tracking/5000", ContactID: ada, BroadLogID: "8003", TrackingLogID: "5000", CampaignName: "CMP12",
		DeliveryName: "DM190", Time: time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC), URL: "https://shop.example.test/a?x=1", MirrorPageURL: "https://m.example.test/?c=1", Source: "f.csv:2"}, got[0])
	require.Equal(t, events.Open, got[1].Type)
	require.Equal(t, "f.csv:3", got[1].Source)
}

func TestAFaultOfTheFileNamesItsPlace(t *testing.T) {
	t.Parallel()
	whole := broadHeader + broadRow
	utf16le := func(s string) string {
		var b bytes.Buffer
		_ = binary.Write(&b, binary.LittleEndian, utf16.Encode([]rune(s)))
		return b.String()
	}
	for name, tt := range map[string]struct {
		text, column string
		fault        exports.Fault
		line         int
		words        string
	}{
		"nothing at all":                 {"", "", exports.Columns, 1, "empty"},
		"only empty lines":               {"\n\r\n\n", "", exports.Columns, 1, "empty lines"},
		"an empty compressed file":       {zip(t, ""), "", exports.Columns, 1, "empty"},
		"half a header":                  {"broadLogId,exter", "", exports.Truncated, 1, "half-written"},
		"the last line does not end":     {strings.TrimSuffix(whole, "\n"), "", exports.Truncated, 1, "half-written"},
		"a quotation is not closed":      {broadHeader + broadRow + `"8004,` + "\n", "", exports.Quotes, 4, "quot"},
		"nor before half a file":         {broadHeader + broadRow + `8004,"x`, "", exports.Truncated, 2, "half-written"},
		"a quotation mark within a cell": {broadHeader + broadRow + `8004,` + ada + `,h"idden` + "\n", "", exports.Quotes, 4, "quotation mark"},
		"a compressed file breaks off":   {zip(t, whole)[:len(zip(t, whole))-9], "", exports.Truncated, 2, "compressed"},
		"its checksum is missing":        {zip(t, whole)[:len(zip(t, whole))-8], "", exports.Truncated, 2, "compressed"},
		"its checksum is wrong":          {zip(t, whole)[:len(zip(t, whole))-8] + "xxxxxxxx", "", exports.Truncated, 2, "compressed"},
		"only its first bytes":           {zip(t, whole)[:5], "", exports.Truncated, 1, "compressed"},
		"UTF-16 with a mark":             {"\xff\xfe" + utf16le(whole), "", exports.Encoding, 1, "UTF-16"},
		"UTF-16 without one":             {utf16le(whole), "", exports.Encoding, 1, "UTF-8"},
		"Latin-1":                        {broadHeader + broadRow + strings.Replace(broadRow, "Loyalty", "Loyalt\xe9", 1), "campaignLabel", exports.Encoding, 5, "UTF-8"},
		"Latin-1 in the header":          {strings.Replace(whole, "deliveryLabel", "d\xe9", 1), "", exports.Encoding, 1, "UTF-8"},
		"zero bytes":                     {broadHeader + strings.Replace(broadRow, "Loyalty", "Loyal\x00", 1), "campaignLabel", exports.Encoding, 3, "UTF-8"},
		"no header":                      {broadRow, "broadLogId, externalId, deliveryName, campaignName, eventDate, status, mirrorPageUrl, seed, failureType, lastModified", exports.Columns, 1, "not in the header"},
		"a column is missing":            {strings.Replace(whole, "failureType", "hiddenType", 1), "failureType", exports.Columns, 1, "not in the header"},
		"a column comes twice":           {strings.Replace(whole, "campaignLabel", "CAMPAIGNNAME", 1), "campaignName", exports.Columns, 1, "twice"},
		"labels for the status":          {broadHeader + broadRow + strings.Replace(broadRow, ",1,0,0,", ",Hidden,0,0,", 1), "status", exports.Labels, 4, "label"},
		"labels for the failure":         {broadHeader + strings.Replace(broadRow, ",1,0,0,", ",2,Hidden,0,", 1), "failureType", exports.Labels, 2, "label"},
		"a quotation swallows the file":  {broadHeader + `"` + strings.Repeat("hidden\n", 300_000), "", exports.TooLong, 1, "longer than"},
		"a header without end":           {strings.Repeat("hidden", 20_000), "", exports.TooLong, 1, "header line"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, _, err := readLog(exports.BroadLog, strings.NewReader(tt.text))
			var e *exports.FileError
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.fault, e.Fault)
			require.Equal(t, tt.line, e.Line)
			require.Equal(t, tt.column, e.Column)
			require.Contains(t, e.Problem, tt.words)
			require.Contains(t, e.Error(), "f.csv, line ")
			require.NotContains(t, strings.ToLower(e.Error()), "hidden")
			_, err = exports.Check(exports.BroadLog, "f.csv", strings.NewReader(tt.text))
			require.ErrorAs(t, err, &e, "and Check finds it first")
		})
	}
}

func TestARefusedRowStopsNothing(t *testing.T) {
	t.Parallel()
	broken := func(old, to string) string { // a row on two lines, as the good one
		require.Contains(t, broadRow, old)
		return strings.Replace(broadRow, old, to, 1)
	}
	text := broadHeader + broken("8003", "hid den") + broken("2026-03-01T10:15:29.000Z", "01/03/26") + broken("DM190", "") + broken(",0,https", ",hidden,https") +
		broken("Loyalty", "Loyalty,hidden") + "8004\n" + broken("8003", "8005")
	got, refused, counts, err := readLog(exports.BroadLog, strings.NewReader(text))
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "broadlog/8005/send", got[0].Key)
	require.Equal(t, "f.csv:13", got[0].Source)
	require.Equal(t, exports.Counts{Rows: 7, Refused: 6}, counts)
	var said []string
	for _, e := range refused {
		said = append(said, e.Error())
	}
	require.Equal(t, []string{
		"f.csv, line 2, column broadLogId: not valid, want an id of at most 64 letters, digits and . _ : - @ + =",
		"f.csv, line 4, column eventDate: not valid, want a date and time with its zone, such as 2026-03-01T10:15:29.000Z",
		"f.csv, line 6, column deliveryName: empty, want the delivery's id",
		"f.csv, line 8, column seed: not valid, want 0, 1, true or false",
		"f.csv, line 10: got 16 fields, want 15 as in the header",
		"f.csv, line 12: got 1 fields, want 15 as in the header",
	}, said)
	checked, err := exports.Check(exports.BroadLog, "f.csv", strings.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, counts, checked)
}

func TestAnErrorOfTheDiskIsNotTheFiles(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", broadHeader + broadRow, zip(t, broadHeader+broadRow)[:40]} {
		_, err := exports.Check(exports.BroadLog, "f.csv", io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrClosedPipe)))
		require.ErrorIs(t, err, io.ErrClosedPipe)
		var file *exports.FileError
		require.NotErrorAs(t, err, &file)
	}
}

func TestKindsOfFiles(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]exports.Kind{
		"broadlog_20260301_020000.csv": exports.BroadLog, "trackinglog_20260301_020000.csv.gz": exports.TrackingLog, "OptOut_20260301_020000.CSV": exports.OptOuts,
		"broadlog.csv": "", "optout_1.txt": "", "optout_1.csv.part": "", "x_optout_1.csv": "", "": "",
	} {
		got, ok := exports.KindOf(name)
		require.Equal(t, want, got, name)
		require.Equal(t, want != "", ok, name)
	}
	_, err := exports.OpenEvents(exports.OptOuts, "f.csv", strings.NewReader(broadHeader))
	require.ErrorContains(t, err, "want broadlog or trackinglog")
}
