package commands

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"causeway.dev/workflows"
)

// Tables keep their columns on a terminal of 80 columns, and stay a line a row in a pipe.
func TestStatusFitsTheTerminal(t *testing.T) {
	t.Parallel()
	w := newWorld()
	scenes["initial load that waits for Campaign"].prepare(w)
	w.terminal, w.columns = true, 80
	w.getenv["NO_COLOR"] = "1"
	_, all, _ := w.run(t, "status")
	golden(t, "status-all-80-columns.txt", all)
	_, one, _ := w.run(t, "status", "contacts")
	golden(t, "status-80-columns.txt", one)
	for line := range strings.Lines(all + one) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
	}
}

// A rewritten line that wrapped would stay behind at every look.
func TestProgressFitsTheTerminal(t *testing.T) {
	t.Parallel()
	st := contacts(loading)
	pr := progressOf(4_500, 45)
	st.Progress = &pr
	show := func(columns int) string {
		var out strings.Builder
		p := &progress{w: &out, terminal: true, columns: func() int { return columns }, sinceStart: true}
		p.At(noon, st)
		return strings.TrimPrefix(out.String(), "\r\x1b[K")
	}
	whole := "initial load: 4,500 of about 20,000 (22 %), 45 in quarantine, 75/s, about 3 min left"
	require.Equal(t, "[█████···················] "+whole, show(0))
	require.Equal(t, whole, show(100), "the bar goes first")
	require.Equal(t, "initial load: 4,500 of about 20,000 (22 %), 45 in quarantine, 75/s, about 3 mi…", show(80))

	st.State, st.Progress, st.Reason = workflows.StatePaused, nil, strings.Repeat("because ", 20)
	require.Equal(t, 79, utf8.RuneCountInString(show(80)))
}
