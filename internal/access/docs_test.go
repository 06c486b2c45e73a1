package access_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/access"
)

// table is what docs/access.md says of every operation.
func table() []string {
	var rows []string
	for _, name := range access.Names() {
		for _, input := range []string{`{}`, `{"reveal_to":"AQ==","rollback":true,"once":true}`} {
			operation, _ := access.Find(name, json.RawMessage(input))
			row := fmt.Sprintf("| %d%s | %s | %s |", operation.Role, operation.Role, operation.Name, operation.FourEyes)
			if !slices.Contains(rows, row) {
				rows = append(rows, row)
			}
		}
	}
	slices.Sort(rows) // by role
	for i := range rows {
		rows[i] = "| " + rows[i][3:]
	}
	return rows
}

func TestThePageHasTheTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "access.md"))
	require.NoError(t, err)
	want := strings.Join(table(), "\n")
	require.Contains(t, string(page), "|---|---|---|\n"+want+"\n\n", "docs/access.md should have:\n%s", want)
}

// Whatever the command line asks a worker for is in the table, with a role.
func TestEverythingThatIsAskedForHasARole(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "operator", "*.go"))
	require.NoError(t, err)
	asked := regexp.MustCompile(`(?:\.ask|\.Run|\.Later)\(ctx, .*?activities\.([A-Z]\w+)`)
	updated := regexp.MustCompile(`workflows\.Update([A-Z]\w+)`)
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var names []string
		for _, m := range asked.FindAllStringSubmatch(string(text), -1) {
			names = append(names, access.Ask(m[1]))
		}
		for _, m := range updated.FindAllStringSubmatch(string(text), -1) {
			names = append(names, access.Update(m[1]))
		}
		for _, name := range names {
			if name == access.Ask(activities.AccessKey) || name == access.Ask(activities.AskPermit) {
				continue
			}
			operation, known := access.Find(name, nil)
			require.True(t, known, "%s asks for %s", filepath.Base(file), name)
			require.Positive(t, operation.Role, name)
			require.NotEmpty(t, operation.Name, name)
			n++
		}
	}
	require.Greater(t, n, 30)
}

// What can wait for a second person has an operation that does.
func TestFourEyesAreOfOperations(t *testing.T) {
	t.Parallel()
	for _, name := range access.Names() {
		operation, _ := access.Find(name, json.RawMessage(`{"reveal_to":"AQ==","rollback":true,"once":true}`))
		if operation.FourEyes != "" {
			require.Contains(t, config.FourEyesChoices(), operation.FourEyes)
		}
	}
}
