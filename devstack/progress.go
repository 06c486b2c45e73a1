package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/workflows"
)

// progress shows how far the load is. On a terminal it rewrites one line; elsewhere it
// prints a line every few seconds.
type progress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	first    int64 // records that were done at the first status
	looked   bool
	printed  time.Time
	open     bool // the rewritten line is not yet ended
}

func newProgress(w io.Writer, terminal bool) *progress {
	return &progress{w: w, terminal: terminal, began: time.Now()}
}

func (p *progress) show(st workflows.Status) {
	if st.Progress == nil {
		return
	}
	settled := st.Progress.Counts.Settled()
	if !p.looked {
		p.looked, p.first, p.began = true, settled, time.Now()
	}
	if !p.terminal && time.Since(p.printed) < 5*time.Second {
		return
	}
	p.printed = time.Now()
	line := p.line(st, settled)
	if p.terminal {
		fmt.Fprintf(p.w, "\r\033[K%s", line)
		p.open = true
		return
	}
	fmt.Fprintln(p.w, line)
}

func (p *progress) line(st workflows.Status, settled int64) string {
	pr := st.Progress
	var b strings.Builder
	b.WriteString(st.Phase)
	if pr.Phase != "" { // not known before the run has begun
		fmt.Fprintf(&b, " (%s)", pr.Phase)
	}
	fmt.Fprintf(&b, ": read %s, settled %s, backlog %s",
		humanize.Comma(pr.Read), humanize.Comma(settled), humanize.Comma(pr.Backlog))
	rate := float64(settled-p.first) / time.Since(p.began).Seconds()
	if rate > 0 {
		fmt.Fprintf(&b, ", %s/s", humanize.Comma(int64(rate)))
		if left := pr.Expected - settled; left > 0 {
			fmt.Fprintf(&b, ", about %s left", (time.Duration(float64(left) / rate * float64(time.Second))).Round(time.Second))
		}
	}
	if pr.Expected > 0 && p.terminal {
		full := min(20, int(20*settled/max(pr.Expected, 1)))
		return fmt.Sprintf("[%s%s] %s", strings.Repeat("█", full), strings.Repeat("·", 20-full), b.String())
	}
	return b.String()
}

// end finishes the rewritten line with a newline.
func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.w)
		p.open = false
	}
}

func (p *progress) done(st workflows.Status) {
	p.end()
	c := st.Totals
	fmt.Fprintf(p.w, "Contacts are in step: %s read, %s created, %s updated, %s unchanged, %s deleted, %s in quarantine.\n",
		humanize.Comma(c.Read), humanize.Comma(c.Created), humanize.Comma(c.Updated), humanize.Comma(c.Unchanged),
		humanize.Comma(c.Deleted), humanize.Comma(st.Quarantined))
}
