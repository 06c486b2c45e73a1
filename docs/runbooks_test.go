package docs_test

import (
	"path"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// Every alert names its runbook, and every runbook is that of an alert. A runbook says, under
// the same headings, what the alert means, what to look at, what to do and when it ends.
func TestEveryAlertHasItsRunbook(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "deploy/alerts.yml")), &rules))
	pages := map[string]bool{}
	for _, page := range files(t, ".md") {
		if strings.HasPrefix(page, "docs/runbooks/") && path.Base(page) != "README.md" {
			pages[page] = true
		}
	}
	alerts := 0
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alerts++
			page := "docs/runbooks/" + rule.Alert + ".md"
			require.Equal(t, page, rule.Annotations["runbook_url"], "the runbook of %s", rule.Alert)
			require.True(t, pages[page], "%s has no runbook", rule.Alert)
			delete(pages, page)
			text := read(t, page)
			require.True(t, strings.HasPrefix(text, "# "+rule.Alert+"\n"), page)
			for _, heading := range []string{"What it means", "What to look at", "What to do", "When it ends"} {
				before, after, there := strings.Cut(text, "\n## "+heading+"\n")
				require.True(t, there, "%s: %s, in this order", page, heading)
				require.NotEmpty(t, strings.TrimSpace(before), page)
				text = "\n" + after
			}
			require.NotEmpty(t, strings.TrimSpace(text), page)
		}
	}
	require.Greater(t, alerts, 25)
	require.Empty(t, pages, "runbooks of alerts that there are not")
}
