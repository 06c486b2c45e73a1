package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger/ledgertest"
)

func TestFacts(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		for _, want := range []string{"", "one", "another"} {
			if want != "" {
				require.NoError(t, l.SaveFact(t.Context(), "name", want))
			}
			got, err := l.Fact(t.Context(), "name")
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	})
}
