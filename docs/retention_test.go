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
