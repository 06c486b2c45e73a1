package exports_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/exports"
)

const optHeader = "externalId,lastModified,denyList,denyListLastModified,denyListEmail,denyListEmailLastModified,ccpaOptOut,ccpaOptOutLastModified\n"

func readOptOuts(src io.Reader) (rows []exports.OptOut, refused []*exports.RowError, counts exports.Counts, err error) {
	f, err := exports.OpenOptOuts("o.csv", src)
	if err != nil {
		return nil, nil, counts, err
	}
	for {
		row, err := f.Next()
		bad, isRow := errors.AsType[*exports.RowError](err)
		switch {
		case isRow:
			refused = append(refused, bad)
		case errors.Is(err, io.EOF):
			return rows, refused, f.Counts(), nil
		case err != nil:
			return rows, refused, f.Counts(), err
		default:
			rows = append(rows, *row)
		}
	}
}

func TestAnOptOutRow(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	at := func(day, hour, ms int) time.Time {
		return time.Date(2026, 2, day, hour, 0, 0, ms*1e6, time.UTC)
	}
	for name, tt := range map[string]struct {
		header, row string
		want        exports.OptOut
	}{ // docs/protocol/campaign.md §7
		"values, stamps and unknown ages": {optHeader, "6F1D2C3B-0000-4000-8000-00000000ADA1,2026-02-28T02:00:00.000Z,0,,1,2026-02-28T17:00:00.250Z,FALSE,\n",
			exports.OptOut{ContactID: ada, LastModified: at(28, 2, 0), Choices: []exports.Choice{{"denyList", &no, time.Time{}}, {"denyListEmail", &yes, at(28, 17, 250)}, {"ccpaOptOut", &no, time.Time{}}}}},
		"an empty value says nothing": {optHeader, ada + ",,,2026-02-28T17:00:00Z,True,,true,\n",
			exports.OptOut{ContactID: ada, Choices: []exports.Choice{{"denyList", nil, at(28, 17, 0)}, {"denyListEmail", &yes, time.Time{}}, {"ccpaOptOut", &yes, time.Time{}}}}},
		"other names, any order, unknown columns": {"x;blackListPhoneLastModified;blocklistphone;ExternalID;lastModified\n", "?;2026-02-28T17:00:00Z;1;" + ada + ";2026-02-28T02:00:00Z\n",
			exports.OptOut{ContactID: ada, LastModified: at(28, 2, 0), Choices: []exports.Choice{{"denyListPhone", &yes, at(28, 17, 0)}}}},
		"what is not exported is not told": {"externalId,lastModified,denyListEmail\n", ada + ",2026-02-28T02:00:00Z,1\n",
			exports.OptOut{ContactID: ada, LastModified: at(28, 2, 0), Choices: []exports.Choice{{"denyListEmail", &yes, time.Time{}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.want.Line = 2
			for _, text := range []string{tt.header + tt.row, zip(t, tt.header+tt.row)} {
				rows, refused, counts, err := readOptOuts(strings.NewReader(text))
				require.NoError(t, err)
				require.Empty(t, refused)
				require.Equal(t, []exports.OptOut{tt.want}, rows)
				require.Equal(t, exports.Counts{Rows: 1}, counts)
			}
		})
	}
}

// R19.19: a value that cannot be read refuses its row, and no other row.
func TestAnUnreadableChoiceRefusesItsRow(t *testing.T) {
	t.Parallel()
	text := optHeader +
		ada + ",2026-02-28T02:00:00Z,0,,hidden,,0,\n" +
		ada + ",2026-02-28T02:00:00Z,0,,1,28/02/26 hidden,0,\n" +
		ada + ",hidden,0,,1,,0,\n" +
		"hidden,2026-02-28T02:00:00Z,0,,1,,0,\n" +
		",2026-02-28T02:00:00Z,0,,1,,0,\n" +
		ada + ",2026-02-28T02:00:00Z,0,,1\n" +
		grace + ",2026-02-28T02:00:00Z,0,,1,,0,\n" +
		grace + ",2026-02-28T03:00:00Z,0,,0,,0,\n"
	rows, refused, counts, err := readOptOuts(strings.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, exports.Counts{Rows: 8, Ignored: 1, Refused: 5}, counts)
	require.Len(t, rows, 2, "the same contact may come twice")
	require.Equal(t, []int{8, 9}, []int{rows[0].Line, rows[1].Line})
	var said []string
	for _, e := range refused {
		said = append(said, e.Error())
		require.NotContains(t, e.Error(), "hidden")
	}
	require.Equal(t, []string{
		"o.csv, line 2, column denyListEmail: not valid, want 0, 1, true, false or nothing",
		"o.csv, line 3, column denyListEmailLastModified: not valid, want a date and time with its zone, such as 2026-03-01T02:00:00.000Z, or nothing",
		"o.csv, line 4, column lastModified: not valid, want a date and time with its zone, such as 2026-03-01T02:00:00.000Z, or nothing",
		"o.csv, line 5, column externalId: not a contact's id; want a GUID",
		"o.csv, line 7: got 5 fields, want 8 as in the header",
	}, said)
	checked, err := exports.Check(exports.OptOuts, "o.csv", strings.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, counts, checked)
}

func TestAnOptOutFileWithoutItsColumns(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"no id":            {"lastModified,denyList\n", "o.csv, line 1, column externalId: not in the header; add it to the export"},
		"no attribute":     {"externalId,lastModified,denyListEmailLastModified\n", "no opt-out attribute in the header"},
		"two of one name":  {"externalId,lastModified,denyList,blackList\n", "o.csv, line 1, column denyList: the header names it twice"},
		"labels":           {optHeader + ada + ",,,,,,true,\n" + ada + ",,Hidden,,Ja,,,\n", "o.csv, line 3, column denyList: got labels"},
		"half-written row": {optHeader + ada + ",", "o.csv, line 1: the last line does not end; the file is half-written"},
	} {
		_, _, _, err := readOptOuts(strings.NewReader(tt.text))
		require.ErrorContains(t, err, tt.want, name)
		var e *exports.FileError
		require.ErrorAs(t, err, &e, name)
	}
	f, err := exports.OpenOptOuts("o.csv", strings.NewReader(optHeader))
	require.NoError(t, err)
	require.Equal(t, []string{"denyList", "denyListEmail", "ccpaOptOut"}, f.Attributes())
}
