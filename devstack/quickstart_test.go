package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	codeBlock = regexp.MustCompile("(?ms)^```(sh|text)\n(.*?)^```$")
	spaces    = regexp.MustCompile(`[ \t]+`)
)

// changes are the commands after which the same command does something else.
var changes = regexp.MustCompile(`sandbox edit|rollback`)

// docs/quickstart.md works as it is written: each command block is run by a shell, one
// after the other, and shows the lines of the block below it. Where that looks at what
// flows, it is looked at until it has arrived. Programs and ports are the test's own.
func TestTheQuickstartAsWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs all programs")
	}
	page, err := os.ReadFile("../docs/quickstart.md")
	require.NoError(t, err)
	blocks := codeBlock.FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(blocks), 12)
	require.Equal(t, "go run -C devstack .\n", blocks[0][2], "the first command starts everything")

	dir := t.TempDir()
	build := exec.Command("go", "build", "-C", "..", "-o", filepath.Join(dir, "sandbox"), "./sandbox")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	admin := startDevstack(t, dir)

	asRun := strings.NewReplacer(
		"-o bin/causeway", "-o "+filepath.Join(dir, "causeway"),
		"bin/causeway", filepath.Join(dir, "causeway"),
		"causeway-data/", dir+"/data/",
		"go run ./sandbox edit", filepath.Join(dir, "sandbox")+" edit --admin "+admin,
	)
	shell := newShell(t)
	for n := 1; n < len(blocks); n++ {
		if blocks[n][1] != "sh" {
			continue
		}
		t.Logf("%s", blocks[n][2])
		command := asRun.Replace(blocks[n][2])
		var want []*regexp.Regexp
		if n+1 < len(blocks) && blocks[n+1][1] == "text" {
			want = shown(blocks[n+1][2])
		}
		for deadline := time.Now().Add(3 * time.Minute); ; {
			said, err := shell.run(command)
			missing := missing(want, said)
			if err == nil && missing == "" {
				break
			}
			if changes.MatchString(command) || want == nil || time.Now().After(deadline) {
				require.NoError(t, err, "%s\n%s", blocks[n][2], said)
				require.Empty(t, missing, "%s\n%s", blocks[n][2], said)
			}
		}
	}
}

// shown are the lines of a page as they come: … is anything, and columns are as wide as they are.
func shown(text string) []*regexp.Regexp {
	var out []*regexp.Regexp
	for line := range strings.Lines(text) {
		quoted := regexp.QuoteMeta(spaces.ReplaceAllString(strings.TrimSpace(line), " "))
		out = append(out, regexp.MustCompile(strings.NewReplacer(" … ", ".*", "… ", ".*", "…", ".*").Replace(quoted)))
	}
	return out
}

func missing(want []*regexp.Regexp, said string) string {
	said = spaces.ReplaceAllString(said, " ")
	for _, line := range want {
		if !line.MatchString(said) {
			return line.String()
		}
	}
	return ""
}

// startDevstack runs all of Causeway beside the test until it ends, and returns the address
// of the sandboxes' admin API once everything has flowed.
func startDevstack(t *testing.T, dir string) string {
	t.Helper()
	printed, err := os.Create(filepath.Join(dir, "printed"))
	require.NoError(t, err)
	o := options{
		contacts: 50, concurrency: 8, data: filepath.Join(dir, "data"), out: printed,
		temporalPort: freePort(t), uiPort: freePort(t), consolePort: freePort(t), dynamicsPort: freePort(t), campaignPort: freePort(t),
		adminPort: freePort(t), metricsPort: freePort(t), codecPort: freePort(t),
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the devstack: %v", err)
		}
		_ = printed.Close()
	})
	for deadline := time.Now().Add(4 * time.Minute); ; {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the devstack ended: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		text, err := os.ReadFile(printed.Name())
		require.NoError(t, err)
		if strings.Contains(string(text), "Ctrl-C stops everything") {
			return fmt.Sprintf("http://127.0.0.1:%d", o.adminPort)
		}
		require.True(t, time.Now().Before(deadline), string(text))
	}
}

// shell runs blocks as one terminal does: what a block sets, the next ones have.
type shell struct {
	t    *testing.T
	past string // what is set for the blocks to come
}

func newShell(t *testing.T) *shell { return &shell{t: t} }

func (s *shell) run(block string) (string, error) {
	const mark = "--- set for what comes ---"
	script := s.past + "\nset -e\n" + block + "\necho '" + mark + "'\ndeclare -p CAUSEWAY_CONFIG ID RUN 2>/dev/null || true\n"
	cmd := exec.CommandContext(s.t.Context(), "bash", "-c", script)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	said, set, _ := strings.Cut(string(out), mark)
	if err == nil {
		s.past = set
	}
	return said, err
}
