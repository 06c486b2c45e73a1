package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// rollBackOne is an operator who undoes one of the last runs, also the one at work.
func (w *world) rollBackOne(rng *rand.Rand) {
	of := w.oneTable(rng)
	runs, err := w.books.Runs(context.Background(), ledger.RunFilter{Flow: activities.FlowIngress, Table: of.table.Name})
	must(err)
	if len(runs) == 0 {
		return
	}
	slices.SortFunc(runs, func(a, b ledger.Run) int { return strings.Compare(b.ID, a.ID) })
	run := runs[rng.IntN(min(len(runs), 6))]
	of.requestRollback(run.ID)
	w.note("  roll back %s, which is %s", run.ID, run.State)
	if run.State == ledger.RunRunning {
		of.interrupt("cancel", 0)
	}
}

func (f *flow) requestRollback(run string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.undo, run) {
		f.idle = 0
		f.undo = append(f.undo, run)
		f.queue = slices.DeleteFunc(f.queue, func(r string) bool { return r == run })
	}
}

func (f *flow) nextRollback() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.undo) == 0 {
		return ""
	}
	return f.undo[0]
}

// rollBack undoes a run, as the owner of a table does. What it may not do is no failure.
func (f *flow) rollBack(run string) error {
	may, err := do(f.w, f.newRun()+" may", func(a *attempt) (*activities.MayRollbackResult, error) {
		return f.w.ingressOf(a).MayRollback(a.ctx, activities.MayRollbackInput{Run: run})
	})
	if err == nil {
		err = f.pass(activities.RunRef{Run: activities.RollbackPrefix(run) + f.newRun(), Table: f.steps.table, Revision: may.Mapping, Kind: activities.KindRollback, Undoes: run})
	}
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok && app.NonRetryable() && !lost(err) {
		f.w.note("  not rolled back: %v", err)
		err = nil
	}
	if !errors.Is(err, errClosing) {
		f.mu.Lock()
		f.undo = slices.DeleteFunc(f.undo, func(r string) bool { return r == run })
		f.mu.Unlock()
	}
	return err
}

// findUnrecorded looks for what a run wrote before its worker died.
func (f *flow) findUnrecorded(ref activities.RunRef) error {
	_, err := do(f.w, ref.Run+" unrecorded", func(a *attempt) (*activities.UnrecordedWritesResult, error) {
		return f.w.ingressOf(a).FindUnrecordedWrites(a.ctx, activities.UnrecordedWritesInput{RunRef: ref})
	})
	return err
}

// rolledBack are the records of a table that a rollback was the last to write, each with the
// run that it has undone.
func (w *world) rolledBack(table string) map[string]string {
	ctx := context.Background()
	runs, err := w.books.Runs(ctx, ledger.RunFilter{Flow: activities.FlowRollback, Table: table})
	must(err)
	out := map[string]string{}
	for _, r := range runs {
		undone := strings.TrimPrefix(r.ID, "rollback-")
		undone = undone[:strings.LastIndex(undone, "-")]
		touched, err := w.books.Touched(ctx, undone, table, "", 0)
		must(err)
		keys := []string{}
		for _, e := range touched {
			keys = append(keys, e.Key)
		}
		if table == contacts {
			keys = append(keys, w.deleted...)
		}
		keys = append(keys, w.dynamics.Keys(setOf(table))...)
		known, err := w.books.Records(ctx, table, keys)
		must(err)
		for key, record := range known {
			if record.Run == r.ID {
				out[key] = undone
			}
		}
	}
	return out
}

// undone compares what rollbacks have left with the before-images of the runs.
func (w *world) undone() []string {
	var out []string
	for key, run := range w.rolledBack(contacts) {
		images, err := w.books.BeforeImages(context.Background(), run, contacts, "", 0)
		must(err)
		i := slices.IndexFunc(images, func(b ledger.BeforeImage) bool { return b.Key == key })
		p := w.campaign.Profile(key)
		switch existed := i >= 0 && images[i].Existed; {
		case w.erased[key] && p == nil:
		case existed != (p != nil):
			out = append(out, fmt.Sprintf("%s: rollback of %s: there before: %v, there now: %v", key, run, existed, p != nil))
		case existed:
			before, err := mapping.ParsePayload(images[i].Payload)
			must(err)
			w.sameAsBefore(&out, key, run, string(before.Canonical()), p)
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) sameAsBefore(out *[]string, key, run, before string, p map[string]any) {
	place, _ := p["location"].(map[string]any)
	for _, v := range []any{p["firstName"], p["email"], place["city"]} {
		if !strings.Contains(strings.ToLower(before), strings.ToLower(fmt.Sprintf("%q", v))) {
			*out = append(*out, fmt.Sprintf("%s: rollback of %s: Campaign holds %v, and before it was %s", key, run, v, before))
		}
	}
	if !strings.Contains(before, fmt.Sprintf(`"blackListEmail":%v`, p["blackListEmail"])) {
		*out = append(*out, fmt.Sprintf("%s: rollback of %s: blackListEmail is %v, and before it was %s", key, run, p["blackListEmail"], before))
	}
}

// redo brings what was rolled back up to date again: it stays so until the next change.
func (w *world) redo() {
	back := w.rolledBack(contacts)
	keys := make([]string, 0, len(back))
	for key := range back {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if w.dynamics.Row(contacts, key) == nil {
			w.add(key)
			continue
		}
		w.made++
		w.change(key, "address1_city", fmt.Sprintf("City%d", w.made))
	}
}
