package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	program    = regexp.MustCompile(`(?:^|\s|&& )(?:docker compose run --rm |bin/|-- |exec sandbox )?(causeway|worker|sandbox)((?: [^|>&\n]*)?)$`)
	deployFile = regexp.MustCompile(`deploy/[\w./-]+\w`)
)

// What the pages have people type is there: commands, flags, files and targets of make.
func TestPagesHavePeopleTypeWhatIsThere(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	seen := map[string]int{}
	runbooks, err := filepath.Glob("../docs/runbooks/*.md")
	require.NoError(t, err)
	for _, page := range append(runbooks, "../docs/install.md", "../docs/production.md", "../docs/backup.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, file := range deployFile.FindAllString(string(text), -1) {
			_, err := os.Stat("../" + file)
			require.NoError(t, err, page)
		}
		for _, target := range regexp.MustCompile("(?m)(?:`|^)make ([a-z]+)").FindAllStringSubmatch(string(text), -1) {
			require.Contains(t, string(makefile), "\n"+target[1]+":", page)
		}
		for _, block := range shellBlock.FindAllStringSubmatch(string(text), -1) {
			for _, line := range strings.Split(block[1], "\n") {
				line, _, _ = strings.Cut(line, " # ")
				line = strings.TrimSpace(line)
				if slices.Contains([]string{"install", "chgrp", "chmod"}, strings.Fields(line + " -")[0]) {
					continue
				}
				if strings.HasPrefix(line, "kubectl ") { // and what it runs in a pod
					_, line, _ = strings.Cut(line, " -- ")
				}
				if m := program.FindStringSubmatch(line); m != nil {
					seen[m[1]]++
					requireTyped(t, page, m[1], strings.Fields(m[2]))
				}
			}
		}
	}
	require.Greater(t, seen["causeway"], 12)
	require.Positive(t, seen["worker"])
	require.Greater(t, seen["sandbox"], 1)
}

// requireTyped is requireCommand for a line that also names tables and files.
func requireTyped(t *testing.T, page, program string, words []string) {
	t.Helper()
	path := words
	for i, w := range words {
		if strings.HasPrefix(w, "-") {
			path = words[:i]
			break
		}
	}
	flags := words[len(path):]
	for len(path) > 0 && !strings.Contains(helpOf(t, program, path), "\n  "+strings.Join(append([]string{program}, path...), " ")+" ") {
		path = path[:len(path)-1]
	}
	require.True(t, len(path) > 0 || len(words) == 0 || program != "causeway", "%s: %s has no %q", page, program, words)
	requireCommand(t, page, append(append([]string{program}, path...), flags...))
}
