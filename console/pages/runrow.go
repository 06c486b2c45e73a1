package pages

import (
	"html/template"
	"net/url"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/console/templates"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// runRow is a run in a list.
type runRow struct {
	URL, Short, What string
	State            word
	Began            template.HTML
	Took             string
	Counts           activities.Counts
}

func runRows(i *operator.Instance, runs []activities.RunInfo, now time.Time) (out []runRow) {
	for _, r := range runs {
		row := runRow{URL: runURL(i.Config.Instance, r.Run), Short: r.Run, What: whatRun(r), State: runWord(r.State), Counts: r.Counts, Began: templates.Since(now, r.Started), Took: "–"}
		if !r.Ended.IsZero() {
			row.Took = phrase.Span(r.Ended.Sub(r.Started))
		}
		out = append(out, row)
	}
	return out
}

func runURL(instance, run string) string { return home(instance) + "runs/" + url.PathEscape(run) }

func flowURL(instance, flow string) string { return home(instance) + "flows/" + url.PathEscape(flow) }

// kinds of runs, as people call them.
var kinds = map[activities.Kind]string{
	activities.KindInitial: "Load", activities.KindBackfill: "Backfill", activities.KindDelta: "Changes", activities.KindRollback: "Rollback",
	activities.KindRelease: "Release from quarantine", activities.KindAudit: "Audit",
}

func kindText(k activities.Kind) string {
	if text, ok := kinds[k]; ok {
		return text
	}
	return strings.ToUpper(string(k[:min(1, len(k))])) + string(k[min(1, len(k)):])
}

// whatRun says what a run was for.
func whatRun(r activities.RunInfo) string {
	of := r.Table
	if of == "" {
		of = r.Flow
	}
	if of == "" {
		return kindText(r.Kind)
	}
	return kindText(r.Kind) + " of " + title(of)
}

// runStates are those that a list can be narrowed to.
var runStates = []string{"RUNNING", "COMPLETED", "INCOMPLETE", "STOPPED", "FAILED", "CANCELLED"}

func runWord(state string) word {
	text := strings.ToUpper(state[:min(1, len(state))]) + strings.ToLower(state[min(1, len(state)):])
	switch state {
	case "RUNNING":
		return word{"busy", "sync", text}
	case "COMPLETED":
		return word{"ok", "ok", text}
	case "FAILED", operator.Lost:
		return word{"bad", "bad", text}
	case "INCOMPLETE":
		return word{"warn", "warn", text}
	case "":
		return word{"off", "wait", "Not in the ledger"}
	}
	return word{"off", "stop", text}
}
