package commands

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

const (
	rateWindow = 15 * time.Second // the rate shown is that of the last seconds
	plainEvery = 5 * time.Second  // between lines where a line cannot be rewritten
	barWidth   = 24
)

// progress shows how far a run is: one line that is rewritten on a terminal,
// plain lines elsewhere and where a terminal is to be plain.
type progress struct {
	w        io.Writer
	terminal bool
	columns  func() int // of the terminal; 0 when not known
	samples  []sample
	run      string
	printed  time.Time
	last     string
	open     bool // the rewritten line is not yet ended
	// sinceStart makes the first rate the average since the run began, for those
	// who look only once.
	sinceStart bool
}

type sample struct {
	at      time.Time
	settled int64
}

// bar is the progress of a flow that is followed; the caller ends it.
func (e *env) bar() *progress {
	return &progress{w: e.err, terminal: e.errTerminal && !e.plain(), columns: e.columns}
}

// Say prints a sentence between two looks.
func (p *progress) Say(sentence string) {
	p.end()
	fmt.Fprintln(p.w, sentence)
}

// At prints where a flow is now.
func (p *progress) At(now time.Time, st workflows.Status) {
	line := p.line(now, st)
	if p.terminal {
		// A line that wraps could not be rewritten: it would be left behind.
		fmt.Fprintf(p.w, "\r\x1b[K%s", cut(line, p.columns()-1))
		p.open = true
		return
	}
	if line == p.last || now.Sub(p.printed) < plainEvery && p.last != "" {
		return
	}
	p.printed, p.last = now, line
	fmt.Fprintln(p.w, line)
}

// end leaves the rewritten line.
func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.w)
		p.open = false
	}
}

func (p *progress) line(now time.Time, st workflows.Status) string {
	pr := st.Progress
	if pr == nil {
		return string(st.State) + because(st)
	}
	line := st.Phase + ": " + p.figures(now, st)
	if p.terminal && pr.Expected > 0 {
		if barred := bar(pr.Counts.Settled(), pr.Expected) + " " + line; cut(barred, p.columns()-1) == barred {
			return barred
		}
	}
	return line
}

// figures are how far the run in hand is, its rate and what is left.
func (p *progress) figures(now time.Time, st workflows.Status) string {
	pr := st.Progress
	if pr.Run != p.run {
		p.run, p.samples = pr.Run, nil
		if p.sinceStart {
			p.samples = []sample{{pr.Started, 0}}
		}
	}
	settled := pr.Counts.Settled()
	rate := p.rate(sample{now, settled})
	parts := []string{settledOf(settled, pr.Expected)}
	if st.State == workflows.StatePaused {
		return strings.Join(append(parts, "paused: "+phrase.OneLine(st.Reason)), ", ")
	}
	if pr.Pages == 0 && pr.IDs > 0 {
		return "ids: " + settledOf(pr.IDs, pr.Expected) + " read; they come first, so that no delete during the load is lost"
	}
	if pr.Counts.Quarantined > 0 {
		parts = append(parts, humanize.Comma(pr.Counts.Quarantined)+" in quarantine")
	}
	if rate > 0 {
		if rate >= 1 {
			parts = append(parts, humanize.Comma(int64(rate))+"/s")
		}
		if left := pr.Expected - settled; left > 0 {
			parts = append(parts, "about "+phrase.Span(time.Duration(float64(left)/rate*float64(time.Second)))+" left")
		}
	}
	return strings.Join(parts, ", ")
}

// rate is records settled per second over the window, 0 while unknown.
func (p *progress) rate(s sample) float64 {
	p.samples = append(p.samples, s)
	for len(p.samples) > 2 && s.at.Sub(p.samples[0].at) > rateWindow {
		p.samples = p.samples[1:]
	}
	first := p.samples[0]
	if took := s.at.Sub(first.at).Seconds(); took > 0 {
		return float64(s.settled-first.settled) / took
	}
	return 0
}

// settledOf is "4,500 of about 10,000 (45 %)", or the count while the total is unknown.
func settledOf(settled, expected int64) string {
	if expected <= 0 {
		return phrase.Count(settled, "record")
	}
	return fmt.Sprintf("%s of about %s (%d %%)", humanize.Comma(settled), humanize.Comma(expected), percent(settled, expected))
}

func percent(settled, expected int64) int64 { return min(100, settled*100/expected) }

func bar(settled, expected int64) string {
	full := int(percent(settled, expected)) * barWidth / 100
	return "[" + strings.Repeat("█", full) + strings.Repeat("·", barWidth-full) + "]"
}
