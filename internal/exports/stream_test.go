package exports_test

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/internal/exports"
)

// rowsOf streams the text of a log of n rows, without keeping it in memory.
type rowsOf struct {
	n, next int
	rest    []byte
}

func (r *rowsOf) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.next > r.n {
			return 0, io.EOF
		}
		if r.next == 0 {
			r.rest = []byte(broadHeader)
		} else {
			r.rest = fmt.Appendf(nil, "%d,%s,hidden@example.test,DM190,%s,CMP12,Loyalty,2026-03-01T10:15:29.000Z,1,0,0,,0,https://m.example.test/?c=%d,2026-03-01T10:20:00.000Z\n", r.next, ada, strings.Repeat("x", 200), r.next)
		}
		r.next++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	const rows = 40_000 // some 16 MB
	pr, pw := io.Pipe()
	go func() {
		w, _ := gzip.NewWriterLevel(pw, gzip.BestSpeed) // a level there is
		_, err := io.Copy(w, &rowsOf{n: rows})
		pw.CloseWithError(errors.Join(err, w.Close()))
	}()
	f, err := exports.OpenEvents(exports.BroadLog, "f.csv", pr)
	require.NoError(t, err)
	inUse := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most := inUse(), uint64(0)
	for {
		_, err := f.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if f.Counts().Rows%10_000 == 0 {
			most = max(most, inUse())
		}
	}
	require.Equal(t, rows, f.Counts().Rows)
	require.Less(t, most, before+4<<20)
}

func TestAnOpenQuotationIsNotReadToTheEnd(t *testing.T) {
	t.Parallel()
	endless := &rowsOf{n: 1 << 40}
	_, err := exports.Check(exports.BroadLog, "f.csv", io.MultiReader(strings.NewReader(broadHeader+`"`), endless))
	var e *exports.FileError
	require.ErrorAs(t, err, &e)
	require.Contains(t, []exports.Fault{exports.TooLong, exports.Quotes}, e.Fault)
	require.Less(t, endless.next, 10_000)
}

// Events have the texts that were written, whatever they are, and with any delimiter,
// quoting and compression. The reference is the standard library's writer.
func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("aé€😀 ,;\t\"'\n\r|=")), 0, 12, -1).Filter(func(s string) bool {
			return !strings.Contains(s, "\r\n") && !strings.HasSuffix(s, "\r") // the reader normalises line ends
		})
		header := strings.Split(strings.TrimSpace(broadHeader), ",")
		order := rapid.Permutation(header).Draw(t, "order")
		var b strings.Builder
		w := csv.NewWriter(&b)
		w.Comma = rapid.SampledFrom([]rune{',', ';', '\t'}).Draw(t, "delimiter")
		require.NoError(t, w.Write(order))
		var want []string
		for i := range rapid.IntRange(0, 5).Draw(t, "rows") {
			delivery := text.Filter(func(s string) bool { return s != "" }).Draw(t, "delivery")
			campaign := text.Draw(t, "campaign")
			cells := map[string]string{"broadLogId": fmt.Sprint(i), "externalId": ada, "deliveryName": delivery, "campaignName": campaign, "eventDate": "2026-03-01T10:15:29Z",
				"status": "1", "failureType": "0", "seed": "0", "mirrorPageUrl": text.Draw(t, "mirror"), "lastModified": ""}
			row := make([]string, len(order))
			for k, name := range order {
				row[k] = cells[name]
				if _, known := cells[name]; !known {
					row[k] = text.Draw(t, name)
				}
			}
			require.NoError(t, w.Write(row))
			want = append(want, fmt.Sprintf("%d %q %q %q", i, delivery, campaign, cells["mirrorPageUrl"]))
		}
		w.Flush()
		list, refused, _, err := readLog(exports.BroadLog, strings.NewReader(b.String()))
		require.NoError(t, err)
		require.Empty(t, refused)
		var got []string
		for _, e := range list {
			got = append(got, fmt.Sprintf("%s %q %q %q", e.BroadLogID, e.DeliveryName, e.CampaignName, e.MirrorPageURL))
		}
		require.Equal(t, want, got)
	})
}

// typed checks that an error is one of the package's types.
func typed(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*exports.FileError](err); err != nil && !ok {
		t.Fatalf("want a *FileError, got %T", err)
	}
}

func FuzzLogs(f *testing.F) {
	f.Add([]byte(broadHeader + broadRow))
	f.Add([]byte(trackHeader + trackRow))
	f.Add([]byte(zip(f, broadHeader+broadRow)))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, kind := range []exports.Kind{exports.BroadLog, exports.TrackingLog} {
			list, _, counts, err := readLog(kind, strings.NewReader(string(data)))
			typed(t, err)
			for _, e := range list {
				if e.Key == "" || e.DeliveryName == "" || e.Source == "" {
					t.Fatalf("not a whole event: %s", e.Encode())
				}
			}
			checked, again := exports.Check(kind, "f.csv", strings.NewReader(string(data)))
			if checked != counts || fmt.Sprint(again) != fmt.Sprint(err) {
				t.Fatalf("Check says %v, %v; reading says %v, %v", checked, again, counts, err)
			}
		}
	})
}

func FuzzOptOuts(f *testing.F) {
	f.Add([]byte(optHeader + ada + ",2026-02-28T02:00:00Z,0,,1,2026-02-28T17:00:00.250Z,false,\n"))
	f.Add([]byte("externalId\tlastModified\tblackList\n" + ada + "\t\t\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, _, _, err := readOptOuts(strings.NewReader(string(data)))
		typed(t, err)
		for _, row := range rows {
			if len(row.ContactID) != 36 || len(row.Choices) == 0 {
				t.Fatalf("not a whole row: line %d", row.Line)
			}
		}
	})
}
