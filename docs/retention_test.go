package docs_test

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
)

var (
	defaultOf   = regexp.MustCompile(`default=([^,]+)`)
	createTable = regexp.MustCompile(`(?m)^CREATE TABLE (\w+) \(`)
)

// The page about data protection says of each kind how long it is kept, and names every
// table of the ledger.
func TestDataProtectionIsWhole(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/data-protection.md")
	kinds := reflect.TypeFor[config.Retention]()
	for i := range kinds.NumField() {
		f := kinds.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		keep, err := time.ParseDuration(defaultOf.FindStringSubmatch(f.Tag.Get("jsonschema"))[1])
		require.NoError(t, err)
		require.Contains(t, page, fmt.Sprintf("| `retention.%s` | %d days |", name, keep/(24*time.Hour)))
	}
	tables := createTable.FindAllStringSubmatch(read(t, "internal/ledger/migrations/sqlite/00001_ledger.sql"), -1)
	require.Greater(t, len(tables), 25)
	for _, m := range tables {
		require.Contains(t, page, "`"+m[1]+"`", "a table of the ledger")
	}
}

// The page about capacity says of every table of the ledger, on either database, what makes a
// row of it and what bounds them.
func TestEveryTableIsBounded(t *testing.T) {
	t.Parallel()
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(read(t, "docs/capacity.md"), -1) {
		rows[m[1]] = true
	}
	tables := map[string]bool{}
	for _, database := range []string{"sqlite", "postgres"} {
		for _, m := range createTable.FindAllStringSubmatch(read(t, "internal/ledger/migrations/"+database+"/00001_ledger.sql"), -1) {
			tables[m[1]] = true
		}
	}
	require.Equal(t, tables, rows)
}
