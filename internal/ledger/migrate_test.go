package ledger

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The two databases differ in names of types and in how text compares, not in
// what they hold: a column added to one of them only would show here. An index that one
// alone needs says why. How they count into
// tally is their own; TestCountersAgreeWithWhatIsThere compares that.
func TestBothSchemasHoldTheSame(t *testing.T) {
	t.Parallel()
	words := func(file string) []string {
		text, err := migrations.ReadFile("migrations/" + file + "/00001_ledger.sql")
		require.NoError(t, err)
		code := regexp.MustCompile(`(?s)-- \+goose StatementBegin.*?-- \+goose StatementEnd`).ReplaceAllString(string(text), "")
		code = regexp.MustCompile(`(?m)^CREATE TRIGGER .*$|^DROP FUNCTION .*$|^CREATE INDEX .*-- SQLite alone: .*$|--.*`).ReplaceAllString(code, "")
		code = strings.NewReplacer(" WITHOUT ROWID", "", ` COLLATE "C"`, "", "BYTEA", "BLOB").Replace(code)
		return strings.Fields(code)
	}
	require.Equal(t, words("sqlite"), words("postgres"))
}

// A newcomer reads what a table holds where it is made.
func TestEveryTableSaysWhatItHolds(t *testing.T) {
	t.Parallel()
	for _, database := range []string{"sqlite", "postgres"} {
		text, err := migrations.ReadFile("migrations/" + database + "/00001_ledger.sql")
		require.NoError(t, err)
		lines := strings.Split(string(text), "\n")
		tables := 0
		for i, line := range lines {
			if strings.HasPrefix(line, "CREATE TABLE ") {
				tables++
				require.True(t, strings.HasPrefix(lines[i-1], "-- "), "%s: %s", database, line)
			}
		}
		require.Positive(t, tables)
	}
}
