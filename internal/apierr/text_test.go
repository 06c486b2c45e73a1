package apierr_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
)

func TestPlainTextSteersNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"as it is: ü 漢字 …":                   "as it is: ü 漢字 …",
		"red \x1b[31mtext\a":                 "red [31mtext",
		"two\r\nlines\u2028three":            "two lines three",
		"turned \u202egnp.exe\u202c round":   "turned gnp.exe round",
		"isolated \u2066x\u2069":             "isolated x",
		"hidden\u200b\ufeff\u200e mark":      "hidden mark",
		"the other control characters\u009b": "the other control characters",
		"broken \xff bytes":                  "broken bytes",
	} {
		require.Equal(t, want, apierr.Plain(text))
	}
	e := apierr.Error{Service: "sftp", Op: "read a\x1b[2Jb\u202e", Reason: apierr.ReasonNotFound, Message: "c\nd"}
	require.Equal(t, "sftp: read a [2Jb : NotFound: c d", e.Error())
}

func TestMaskedTextHoldsNoneOfTheValues(t *testing.T) {
	t.Parallel()
	values := []string{"Smith", "Ann", "Anna Smith-Jones", "x", "de", " São ", "a.b", ""}
	for text, want := range map[string]string{
		"Value Smith of lastName is bad":      "Value … of lastName is bad",
		"SMITH and smith and ANN":             "… and … and …",
		"the longest first: Anna Smith-Jones": "the longest first: …",
		"x and de are too short to be masked": "x and de are too short to be masked",
		"São, a.b, axb":                       "…, …, axb",
		"":                                    "",
	} {
		require.Equal(t, want, apierr.Masked(text, values))
	}
	require.Equal(t, "as it is", apierr.Masked("as it is", nil))
}
