package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var release = regexp.MustCompile(`(?m)^## \[([^\]]+)\](.*)$`)

// changelogProblems lists what a reader of the changelog would miss.
func changelogProblems(text string) []string {
	var out []string
	heads := release.FindAllStringSubmatchIndex(text, -1)
	if len(heads) == 0 || text[heads[0][2]:heads[0][3]] != "Unreleased" {
		out = append(out, "the first section is not [Unreleased]")
	}
	for i, h := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		name, rest, body := text[h[2]:h[3]], text[h[4]:h[5]], text[h[1]:end]
		if name != "Unreleased" && !regexp.MustCompile(`^ - \d{4}-\d{2}-\d{2}$`).MatchString(rest) {
			out = append(out, name+": its heading has no date")
		}
		first := regexp.MustCompile(`(?m)^### (.*)$`).FindStringSubmatch(body)
		if first == nil || first[1] != "What to do" {
			out = append(out, name+": it does not begin with what an operator must do, under \"### What to do\"")
			continue
		}
		_, todo, _ := strings.Cut(body, "### What to do")
		todo, _, _ = strings.Cut(todo, "\n### ")
		if !regexp.MustCompile(`(?m)^- \S`).MatchString(todo) {
			out = append(out, name+": What to do is empty; write \"- Nothing.\"")
		}
	}
	return out
}

// Every release says what an operator must do.
func TestTheChangelogSaysWhatToDo(t *testing.T) {
	t.Parallel()
	require.Empty(t, changelogProblems(read(t, "CHANGELOG.md")))
	require.Empty(t, changelogProblems("## [Unreleased]\n\n### What to do\n\n- Nothing.\n\n## [1.0.0] - 2026-12-01\n\n### What to do\n\n- Set it.\n\n### Added\n"))
	require.Equal(t, []string{
		"the first section is not [Unreleased]", "1.1.0: it does not begin with what an operator must do, under \"### What to do\"",
		"1.0.0: its heading has no date", "1.0.0: What to do is empty; write \"- Nothing.\"",
	}, changelogProblems("## [1.1.0] - 2026-12-02\n\n### Added\n\n- x\n\n## [1.0.0]\n\n### What to do\n\n### Added\n\n- x\n"))
}
