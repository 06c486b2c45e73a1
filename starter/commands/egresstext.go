package commands

import (
	"io"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

var sourceInWords = map[string]string{"journal": "the journal", "sftp": "exported log files", "both": "the journal and exported log files"}

// noun is what a flow counts.
func noun(st *workflows.Status) string {
	if st.Events != nil {
		return "event"
	}
	return "record"
}

// eventNotes are the sentences that egress needs beyond its row.
func eventNotes(now time.Time, st *workflows.Status) []cell {
	ev := st.Events
	if ev == nil {
		return nil
	}
	var out []cell
	if ev.Lagging {
		what := "events wait since then; find out why with: causeway status egress"
		switch st.State {
		case workflows.StateStopped, workflows.StateFailed:
			what = "start it: causeway start egress"
		case workflows.StatePaused:
			what = "resume it: causeway resume egress"
		}
		out = append(out, cell{code: bad, text: "nothing was handled since " + phrase.Moment(now, st.Watermark) + ", and the journal forgets events after 7 days; " + what})
	}
	for _, l := range ev.Lost {
		out = append(out, cell{code: bad, text: l.Sentence()})
	}
	for _, f := range ev.BadFiles {
		out = append(out, cell{code: bad, text: "a file was left alone: " + phrase.OneLine(f)})
	}
	return out
}

// writeAccount prints the account of a run in the words of its flow.
func writeAccount(w io.Writer, p paint, flow string, c activities.Counts) {
	if flow != activities.FlowEgress {
		writeCounts(w, p, c)
		return
	}
	titles := []string{"READ", "CREATED", "ALREADY THERE", "DISABLED TYPE", "SOFT BOUNCE", "SEED OR PROOF", "NO CONTACT", "IGNORED", "QUARANTINED"}
	row := make([]cell, 0, len(titles))
	for _, n := range []int64{c.Read, c.Created, c.Unchanged, c.Disabled, c.SoftBounce, c.SeedOrProof, c.NoContact, c.Ignored, c.Quarantined} {
		row = append(row, number(n))
	}
	writeTable(w, p, [][]cell{header([]int{0, 1, 2, 3, 4, 5, 6, 7, 8}, titles...), row})
}

// eventOutcome is an outcome as people read it.
func eventOutcome(outcome string) string { return strings.ReplaceAll(outcome, "_", " ") }
