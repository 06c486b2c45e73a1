package readable_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/readable"
)

func TestNothingForeignSteersATerminal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a table\twith ü 漢字\n":               "a table\twith ü 漢字\n",
		"\x1b[32mgreen\x1b[0m":               "\x1b[32mgreen\x1b[0m",
		"\r\x1b[K12 records":                 "\r\x1b[K12 records",
		"\x1b[H\x1b[2Jstatus":                "\x1b[H\x1b[2Jstatus",
		"\x1b[1A\x1b[2Kgone":                 " [1A [2Kgone",
		"\x1b]0;title\a":                     " ]0;title ",
		"bro\u202egnp.exe":                   "bro gnp.exe",
		"back\bspace\rreturn\u009b2J\x7f":    "back space return 2J ",
		"hidden\u200b\u2066\ufeff\U000e0041": "hidden    ",
	} {
		var out strings.Builder
		for _, b := range []byte(text) { // also in the smallest pieces, except for our own sequences
			if strings.Contains(text, "\x1b[") {
				break
			}
			_, err := readable.Screen(&out).Write([]byte{b})
			require.NoError(t, err)
		}
		out.Reset()
		n, err := fmt.Fprint(readable.Screen(&out), text)
		require.NoError(t, err)
		require.Equal(t, len(text), n)
		require.Equal(t, want, out.String())
	}
	var out strings.Builder
	w := readable.Screen(&out)
	for _, b := range []byte("ü漢\u202ex") {
		_, err := w.Write([]byte{b})
		require.NoError(t, err)
	}
	require.Equal(t, "ü漢 x", out.String(), "characters that come in pieces")
}

func TestJSONSaysTheSameWithoutSteering(t *testing.T) {
	t.Parallel()
	value := map[string]string{"name": "bro\u202egnp\u200b\U000e0041 \x1b[2J ü"}
	doc, err := json.MarshalIndent(value, "", "  ")
	require.NoError(t, err)
	var out strings.Builder
	_, err = readable.JSONLines(&out).Write(append(doc, '\n'))
	require.NoError(t, err)
	require.False(t, strings.ContainsFunc(strings.ReplaceAll(out.String(), "\n", ""), readable.Steers))
	var again map[string]string
	require.NoError(t, json.Unmarshal([]byte(out.String()), &again))
	require.Equal(t, value, again)
}
