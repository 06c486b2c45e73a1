package mapping

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The mapper is compared with a second implementation of R11 and R12, which uses plain
// maps, no JSON literals and no plan. It has the rules of five pairs written out.
var labels = map[int]string{1: "Male", 2: "Female"}

// refField is what Campaign should hold in one field, given the column's value.
func refField(from string, v any, replace map[string]string, technical bool) any {
	key := ""
	switch v := v.(type) {
	case string:
		key = v
	case int:
		key = strconv.Itoa(v)
		if from == "gendercode" && !technical {
			key = labels[v]
		}
	case bool:
		key = strconv.FormatBool(v)
	}
	value, replaced := replace[key]
	switch from {
	case "numberofchildren": // to a whole number
		if replaced {
			n, _ := strconv.Atoi(value)
			return float64(n)
		}
		if v == nil {
			return 0.0
		}
		return float64(v.(int))
	case "donotbulkemail": // to a boolean
		if replaced {
			return value == "true"
		}
		return v == true
	}
	if replaced {
		return value
	}
	return key
}

func TestMappingAgainstAReference(t *testing.T) {
	t.Parallel()
	targets := map[string]string{"firstname": "cusText", "lastname": "location.city", "gendercode": "cusMemo", "numberofchildren": "cusLong", "donotbulkemail": "blackList"}
	columns := []string{"firstname", "lastname", "gendercode", "numberofchildren", "donotbulkemail"}
	draw := func(t *rapid.T, from string) any {
		if rapid.IntRange(0, 4).Draw(t, from+" is empty") == 0 {
			return nil
		}
		switch from {
		case "gendercode":
			return rapid.IntRange(1, 2).Draw(t, from)
		case "numberofchildren":
			return rapid.IntRange(-3, 3).Draw(t, from)
		case "donotbulkemail":
			return rapid.Bool().Draw(t, from)
		}
		return rapid.SampledFrom([]string{"a", "b", "A", "é", `"`, "1"}).Draw(t, from)
	}
	rapid.Check(t, func(t *rapid.T) {
		one := table()
		one.TechnicalValues = rapid.Bool().Draw(t, "technical")
		held := map[string]bool{}
		for _, from := range columns {
			f := Field{From: from, To: targets[from], Replace: map[string]string{}}
			for range rapid.IntRange(0, 3).Draw(t, from+" replacements") {
				existing, value := "", "x"
				if v := draw(t, from); v != nil {
					existing = fmt.Sprint(v)
					if n, ok := v.(int); ok && from == "gendercode" && !one.TechnicalValues {
						existing = labels[n]
					}
				}
				switch from {
				case "numberofchildren":
					value = strconv.Itoa(rapid.IntRange(90, 99).Draw(t, "new number"))
				case "donotbulkemail":
					value = strconv.FormatBool(rapid.Bool().Draw(t, "new flag"))
				}
				if existing != value {
					f.Replace[existing] = value
				}
			}
			if held[from] = rapid.Bool().Draw(t, from+" is held"); held[from] {
				off := false
				f.ApplyUpdates = &off
			}
			one.Fields = append(one.Fields, f)
		}
		plan, err := Resolve(one, contacts(), profile())
		require.NoError(t, err)
		m, err := plan.Mapper()
		require.NoError(t, err)
		row := func() (map[string]any, *Payload) {
			in := map[string]any{"contactid": contactID}
			for _, from := range columns {
				in[from] = draw(t, from)
			}
			raw, err := json.Marshal(in)
			require.NoError(t, err)
			p, err := m.Map(raw)
			require.NoError(t, err)
			return in, p
		}
		before, last := row()
		now, whole := row()
		want := func(in map[string]any) map[string]any {
			out := map[string]any{"externalId": contactID}
			for i, from := range columns {
				out[targets[from]] = refField(from, in[from], one.Fields[i].Replace, one.TechnicalValues)
			}
			return out
		}
		check := func(expected map[string]any, p *Payload) {
			var got map[string]any
			require.NoError(t, json.Unmarshal(p.Canonical(), &got))
			require.Equal(t, expected, got, "%+v", one.Fields)
		}
		check(want(now), whole)
		changed := want(now)
		for from, is := range held {
			if is {
				changed[targets[from]] = want(before)[targets[from]]
			}
		}
		check(changed, m.KeepSkipped(whole, last))
	})
}
