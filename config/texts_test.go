package config

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Text in a filter or a replacement goes into Temporal with every start.
func TestTextThatGoesIntoTemporalUnsealed(t *testing.T) {
	t.Parallel()
	const table = "ingress: { tables: { c: { dynamics: { table: contact }, campaign: { resource: profile, key: externalId }, %s fields: [{ from: a, to: b %s }] } } }\n"
	for name, c := range map[string]struct {
		filter, replace string
		text            bool
	}{
		"neither":                 {},
		"an address":              {filter: `filter: { where: [{ column: emailaddress1, is: equals, value: ada@example.test }] },`, text: true},
		"numbers, dates, ids":     {filter: `filter: { where: [{ column: a, is: greater, value: "-12.5" }, { column: d, is: less, value: "2026-01-02T03:04:05Z" }, { column: e, is: equals, value: "true" }, { column: f, is: equals, value: 5a4db0c5-0000-4000-8000-0000000000aa }] },`},
		"no value":                {filter: `filter: { where: [{ column: a, is: empty }] },`},
		"a replacement":           {replace: `, replace: { Ada: "1" }`, text: true},
		"a replacement's outcome": {replace: `, replace: { "1": Ada }`, text: true},
		"a number replaced":       {replace: `, replace: { "1": "2", "": "0" }`},
	} {
		text := good(t) + fmt.Sprintf(table, c.filter, c.replace) + ledgerKey
		clear, err := Parse("c.yaml", []byte(text))
		require.NoError(t, err, name)
		sealed, err := Parse("c.yaml", []byte(text+"temporal: { encryption_key: env:TEMPORAL_ENCRYPTION_KEY }\n"))
		require.NoError(t, err, name)
		require.Empty(t, sealed.Warnings(), name)
		if !c.text {
			require.Empty(t, clear.ClearTexts(), name)
			require.Empty(t, clear.Warnings(), name)
			continue
		}
		require.Equal(t, []string{"c"}, clear.ClearTexts(), name)
		require.Equal(t, []string{"temporal.encryption_key: got nothing, and text in the filter or the replacements of c, want a key, so that this text, which can be a person's, is sealed in Temporal"}, clear.Warnings(), name)
	}
}

func TestWhatIsSealedIsOpenedForThisMachineAlone(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:8234", "':8234'", "10.0.0.1:8234", "causeway.example:8234"} {
		problems := problemsOf(t, "c.yaml", good(t)+"temporal: { codec_listen: "+listen+" }\n")
		require.Len(t, problems, 1)
		require.Contains(t, problems.text(), "temporal.codec_listen")
		require.Contains(t, problems.text(), "this machine alone")
	}
	for _, listen := range []string{"127.0.0.1:0", "localhost:8234", "'[::1]:8234'"} {
		_, err := Parse("c.yaml", []byte(good(t)+"temporal: { codec_listen: "+listen+" }\n"))
		require.NoError(t, err)
	}
}
