package mapping

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// marker stands for personal data. Drawn values contain it if they can.
const marker = "qxzPERSONALqxz"

// values draws JSON values, fitting or not, for any column.
func values() *rapid.Generator[string] {
	text := func(s string) string { data, _ := json.Marshal(s); return string(data) }
	return rapid.OneOf(
		rapid.Just(`null`), rapid.Just(`true`), rapid.Just(`{"x":"`+marker+`"}`), rapid.Just(`["`+marker+`"]`),
		rapid.Map(rapid.String(), func(s string) string { return text(marker + s) }),
		rapid.Map(rapid.StringN(0, 300, -1), text),
		rapid.Map(rapid.Int64(), func(n int64) string { return fmt.Sprint(n) }),
		rapid.Map(rapid.Float64Range(-1e12, 1e12), func(f float64) string { return fmt.Sprint(f) }),
		rapid.Map(rapid.StringMatching(`[0-9]{4}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z)?`), text),
	)
}

// An error may name the rule and the ids, never a value. A row that maps without error
// gives valid JSON, which is the same when it is read back.
func TestMapProperties(t *testing.T) {
	t.Parallel()
	one := everything()
	one.Fields = append(one.Fields, Field{From: "interests", To: "location.zip"}, Field{From: "statuscode", To: "cusTier"})
	src := contacts()
	src.Columns["statuscode"] = Column{Type: "Status", Options: map[int]string{1: "gold", 2: "Inactive"}}
	plan, err := Resolve(one, src, profile())
	require.NoError(t, err)
	m, err := plan.Mapper()
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		fmt.Fprintf(&b, `{"contactid":%q`, contactID)
		for _, property := range m.Select()[1:] {
			fmt.Fprintf(&b, `,%q:%s`, property, values().Draw(t, property))
		}
		b.WriteByte('}')
		p, err := m.Map([]byte(b.String()))
		if err != nil {
			bad := fieldErrorOf(err)
			require.NotNil(t, bad)
			require.NotContains(t, err.Error(), marker)
			require.NotContains(t, fmt.Sprintf("%#v", bad), marker)
			return
		}
		require.True(t, json.Valid(p.Canonical()), "%s", p.Canonical())
		require.True(t, json.Valid(p.Body()), "%s", p.Body())
		again, err := ParsePayload(p.Canonical())
		require.NoError(t, err)
		require.Equal(t, string(p.Canonical()), string(again.Canonical()))
		require.Equal(t, string(p.Body()), string(again.Body()))
		held, err := m.FromTarget(p.Body())
		require.NoError(t, err)
		require.Equal(t, string(p.Canonical()), string(held.Canonical()), "what was written reads back as it was")
	})
}

func fieldErrorOf(err error) *FieldError {
	bad, _ := err.(*FieldError)
	return bad
}

// Several lanes of a page may use one mapper at once.
func TestMapperIsConcurrent(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, everything())
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			for i := range 200 {
				raw := strings.Replace(everythingRow, `"numberofchildren":2`, fmt.Sprintf(`"numberofchildren":%d`, n*1000+i), 1)
				p, err := m.Map([]byte(raw))
				if err != nil || !strings.Contains(string(p.Canonical()), fmt.Sprintf(`"cusLong":%d,`, n*1000+i)) {
					t.Errorf("row %d of %d: %v", i, n, err)
				}
			}
		})
	}
	group.Wait()
}

// A payload stays valid when the memory of its row is used again.
func TestPayloadHoldsNoPartOfTheRow(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, everything())
	raw := []byte(everythingRow)
	p, err := m.Map(raw)
	require.NoError(t, err)
	before := string(p.Canonical())
	for i := range raw {
		raw[i] = 'x'
	}
	require.Equal(t, before, string(p.Canonical()))
	require.Equal(t, before, string(parse(t, before).Canonical()))
}
