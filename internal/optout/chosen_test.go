package optout_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/optout"
)

func TestChosen(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]bool{
		`{}`: false,
		`{"d":"here","p":[{"n":"a","d":{"k":true},"c":{"k":true,"u":true}}]}`: false,
		`{"p":[{"n":"a","d":{"k":true}},{"n":"b","c":{"k":true,"o":true}}]}`:  true,
		`{"p":[{"n":"a","d":{"k":true,"o":true,"e":true}}]}`:                  true,
		`{"p":[{"n":"a","o":true}]}`:                                          true,
		`not JSON`:                                                            true,
	} {
		require.Equal(t, want, optout.Chosen([]byte(doc)), doc)
	}
}
