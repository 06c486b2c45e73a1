package commands

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

const neverStarted = "NEVER STARTED"

// writeOfAll prints what concerns every flow.
func writeOfAll(e *env, report operator.Report) {
	notes := report.Notes(e.now())
	if report.Meter != nil || len(notes) > 0 {
		fmt.Fprintln(e.out)
	}
	if report.Meter != nil {
		fmt.Fprintln(e.out, meterLine(report.Meter))
		writeWorkers(e, report.Workers)
	}
	for _, s := range report.Pushes {
		fmt.Fprintln(e.out, operator.PushLine(s, e.now()))
	}
	if last := report.LastBackup(e.now()); last != "" {
		fmt.Fprintln(e.out, last)
	}
	for _, n := range notes {
		writeSentence(e.out, e.colours(), cell{text: n.Text, code: levelColour[n.Level]})
	}
}

// writeStatus prints a report for people: one flow in detail, several as a table
// with a line below for each that needs one. rates remembers earlier looks.
func writeStatus(e *env, report operator.Report, rates map[string]*progress) {
	now, p := e.now(), e.colours()
	if len(report.Flows) == 0 {
		fmt.Fprintf(e.out, "%s has no table mappings; add one under ingress.tables\n", report.Instance)
		return
	}
	defer writeOfAll(e, report)
	if len(report.Flows) == 1 {
		for _, t := range report.Flows {
			if rates[t.Flow] == nil {
				rates[t.Flow] = &progress{sinceStart: true}
			}
			writeFacts(e.out, p, details(t, now, rates[t.Flow]))
			if t.Status != nil && t.Status.LastRun != nil {
				fmt.Fprintln(e.out, "\nLast run:")
				writeAccount(e.out, p, t.Flow, t.Status.LastRun.Counts)
			}
		}
		return
	}
	rows := [][]cell{header([]int{4, 5, 6}, "TABLE", "STATE", "PHASE", "SETTLED UP TO", "READ", "WRITTEN", "QUARANTINE", "LAST RUN")}
	var remarks [][]cell
	for _, t := range report.Flows {
		rows = append(rows, row(t, now))
		for _, n := range notes(t, now) {
			remarks = append(remarks, []cell{text(t.Flow + ":"), n})
		}
	}
	writeTable(e.out, p, rows)
	if len(remarks) > 0 {
		fmt.Fprintln(e.out)
		writeFacts(e.out, p, remarks)
	}
}

// state is the state to show and its colour.
func state(t operator.FlowReport) cell {
	switch {
	case t.Status != nil:
		return cell{text: string(t.Status.State), code: stateColour(t.Status.State)}
	case t.Recorded == nil:
		return cell{text: neverStarted, code: faint}
	case !t.Recorded.Running:
		return cell{text: strings.ToUpper(t.Recorded.Ended), code: bad}
	}
	return cell{text: cmp.Or(t.Recorded.State, "UNKNOWN") + "?", code: caution}
}

func row(t operator.FlowReport, now time.Time) []cell {
	row := []cell{text(t.Flow), state(t)}
	switch st := t.Status; {
	case st != nil:
		last := "none"
		if st.LastRun != nil {
			last = st.LastRun.State + " " + phrase.Age(now, st.LastRun.End)
		}
		phase, counts := st.Phase, st.Totals
		if pr := st.Progress; pr != nil {
			counts.Add(pr.Counts)
			if pr.Expected > 0 {
				phase += fmt.Sprintf(" %d %%", percent(pr.Counts.Settled(), pr.Expected))
			}
		}
		return append(row, text(phase), text(phrase.Age(now, st.Watermark)), number(counts.Read),
			number(counts.Written()), number(st.Quarantined), text(last))
	case t.Recorded != nil:
		return append(row, text(""), text(""), number(t.Recorded.Read), number(t.Recorded.Written), number(t.Recorded.Quarantined))
	}
	return row
}

// notes are those of a flow, in the colour of how much they matter.
func notes(t operator.FlowReport, now time.Time) (out []cell) {
	for _, n := range t.Notes(now) {
		out = append(out, cell{text: n.Text, code: levelColour[n.Level]})
	}
	return out
}

var levelColour = map[operator.Level]string{operator.Caution: caution, operator.Alarm: bad}

// details are the rows of one flow: a label and what there is to say.
func details(t operator.FlowReport, now time.Time, rate *progress) [][]cell {
	rows := [][]cell{{{text: "Flow", code: "1"}, text(t.Flow)}, {{text: "State", code: "1"}, state(t)}}
	add := func(label, s string) { rows = append(rows, []cell{{text: label, code: "1"}, text(s)}) }
	if st := t.Status; st != nil {
		add("Since", phrase.Moment(now, st.Since))
		add("Phase", st.Phase)
		if st.Run != "" {
			add("Run", fmt.Sprintf("%s (%s)", st.Run, cmp.Or(st.RunTitle, string(st.RunKind))))
		}
		if pr := st.Progress; pr != nil {
			add("Progress", rate.figures(now, *st))
			add("Backlog", fmt.Sprintf("%s read and not yet settled, of %s read in %s",
				humanize.Comma(pr.Backlog), humanize.Comma(pr.Read), phrase.Count(int64(pr.Pages), "page")))
		}
		add("Settled up to", phrase.Moment(now, st.Watermark))
		if !t.LastChecked.IsZero() {
			checked := phrase.Moment(now, t.LastChecked)
			if lag := t.LagSeconds; lag != nil {
				checked += ", lag " + phrase.Span(time.Duration(*lag)*time.Second)
			}
			add("Last checked", checked)
		}
		if !t.CarriedUpTo.IsZero() {
			add("Carried up to", phrase.Moment(now, t.CarriedUpTo)+", deadline "+phrase.Span(t.Deadline))
		}
		add("All runs", fmt.Sprintf("%s: %s read, %s written, %s in quarantine", phrase.Count(st.Runs, "run"),
			humanize.Comma(st.Totals.Read), humanize.Comma(st.Totals.Written()), humanize.Comma(st.Quarantined)))
		if last := st.LastRun; last != nil {
			add("Last run", fmt.Sprintf("%s (%s) %s %s, took %s", last.Run, last.Named(), last.State, phrase.Age(now, last.End), phrase.Span(last.End.Sub(last.Start))))
		}
		for i, r := range st.Queue {
			label := "Queue"
			if i > 0 {
				label = ""
			}
			add(label, queuedInWords(r))
		}
		add("Revision", revisions(t))
		for n, d := range t.Differences {
			label := ""
			if n == 0 {
				label = "Not running yet"
			}
			add(label, d.Sentence)
		}
		if ev := st.Events; ev != nil {
			add("Events", strings.Join(ev.Enabled, ", ")+" from "+sourceInWords[ev.Source])
			add("Newest event", phrase.Moment(now, ev.Newest))
		}
		if o := st.OptOut; o != nil {
			add("Opt-outs", fmt.Sprintf("%s %s, Campaign read %s", phrase.Count(int64(o.Pairs), "pair"), strings.ReplaceAll(o.Mode, "_", " "), optOutSource[o.Source]))
			if x := o.Export; x != nil {
				add("Newest export", phrase.Moment(now, x.Newest))
			}
		}
		if st.LastError != "" && st.State != workflows.StateFailed && (st.LastRun == nil || st.LastRun.State != "FAILED" || st.LastRun.Reason != st.LastError) {
			add("Last error", phrase.OneLine(st.LastError))
		}
		if st.StartedBy != "" {
			add("Started by", operator.Who(st.StartedBy))
		}
	} else if r := t.Recorded; r != nil {
		add("All runs", fmt.Sprintf("%s read, %s written, %s in quarantine",
			humanize.Comma(r.Read), humanize.Comma(r.Written), humanize.Comma(r.Quarantined)))
	}
	for i, n := range notes(t, now) {
		label := ""
		if i == 0 {
			label = "Note"
		}
		rows = append(rows, []cell{{text: label, code: "1"}, n})
	}
	return rows
}

func revisions(t operator.FlowReport) string {
	running := cmp.Or(t.Status.Revision, "none yet")
	if t.FileRevision == "" {
		return running + " (the mapping is not in the configuration file)"
	}
	if t.FileRevision != t.Status.Revision {
		return running + ", in the configuration file " + t.FileRevision
	}
	return running
}

// writeCounts prints the account of a run.
func writeCounts(w io.Writer, p paint, c activities.Counts) {
	titles := []string{"READ", "CREATED", "UPDATED", "UNCHANGED", "FILTERED", "DELETED", "PARKED", "QUARANTINED"}
	writeTable(w, p, [][]cell{
		header([]int{0, 1, 2, 3, 4, 5, 6, 7}, titles...),
		{number(c.Read), number(c.Created), number(c.Updated), number(c.Unchanged), number(c.Filtered), number(c.Deleted), number(c.Parked), number(c.Quarantined)},
	})
}

func runColour(state string) string {
	switch state {
	case "COMPLETED":
		return good
	case "STOPPED", "CANCELLED":
		return caution
	}
	return bad
}

// queuedInWords says what waits for its turn, and who asked for it.
func queuedInWords(r workflows.QueuedRequest) string {
	line := string(r.Kind) + " " + r.Run
	switch r.Kind {
	case workflows.RequestRollback:
		line = "undo " + r.Run
	case workflows.RequestRepair:
		line = "repair what " + r.Run + " found"
	case workflows.RequestRelease:
		line = "try quarantined records again: " + r.Run
	}
	if r.Begun {
		line += ", which was stopped and goes on"
	}
	if r.By != "" {
		line += ", asked for by " + operator.Somebody(r.By)
	}
	return line
}

// meterLine says how many engine calls were made.
func meterLine(m *operator.Meter) string {
	of := ""
	if m.Budget > 0 {
		of = " of " + humanize.Comma(m.Budget)
	}
	return fmt.Sprintf("Engine calls this hour: %s%s (%s for changes, %s for loads)",
		humanize.Comma(m.Changes+m.Loads), of, humanize.Comma(m.Changes), humanize.Comma(m.Loads))
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

var sourceInWords = map[string]string{"journal": "the journal", "sftp": "exported log files", "both": "the journal and exported log files"}
