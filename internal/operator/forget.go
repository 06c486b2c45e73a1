package operator

import (
	"context"
	"maps"
	"slices"
	"time"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/phrase"
)

// People is the table of the configuration that copies contacts; "" when none does.
func (i *Instance) People() string {
	for _, name := range slices.Sorted(maps.Keys(i.Config.Ingress.Tables)) {
		if i.Config.Ingress.Tables[name].Dynamics.Table == "contact" {
			return name
		}
	}
	return ""
}

// Traces says where a record is: in which system, and in which tables of the ledger.
// Without a table, the one of contacts is meant.
func (i *Instance) Traces(ctx context.Context, name, id string) (r activities.TracesResult, err error) {
	in := activities.TracesInput{}
	if in.Table, in.ID, err = i.person(name, id); err != nil {
		return r, err
	}
	err = i.ask(ctx, i.Timeout, activities.FindTraces, in, &r)
	return r, err
}

// Forget has the workers forget a record that neither system has any more.
func (i *Instance) Forget(ctx context.Context, name, id string) (r activities.ForgetResult, err error) {
	in := activities.ForgetInput{By: i.By}
	if in.Table, in.ID, err = i.person(name, id); err != nil {
		return r, err
	}
	err = i.ask(ctx, i.Timeout, activities.Forget, in, &r)
	return r, err
}

func (i *Instance) person(name, id string) (table activities.Table, key string, err error) {
	if name == "" {
		if name = i.People(); name == "" {
			return table, "", badInput("no table of the configuration copies contacts; name one with --table")
		}
	}
	if table, err = i.table(name); err == nil {
		key, err = recordID("id", "record", id)
	}
	return table, key, err
}

// erasureLate is how long a request to forget somebody may wait before that is told.
const erasureLate = 24 * time.Hour

// erasures says what is to be forgotten yet, and what would not survive a restore.
func (n *notes) erasures(e *activities.ErasuresState, now time.Time) {
	if e == nil {
		return
	}
	if e.Waiting > 0 {
		why := ""
		if e.Waits != "" {
			why = ", which waits for " + e.Waits
		}
		cause := ""
		if now.Sub(e.Since) > erasureLate {
			cause = config.CauseErasureWaits
		}
		n.because(cause, Caution, "%s to forget somebody not carried out yet, the oldest made %s%s", phrase.Count(e.Waiting, "request"), phrase.Moment(now, e.Since), why)
	}
	if e.Searching {
		n.add(Hint, "the ledger is being searched for people who were forgotten, because it was restored")
	}
	if e.Problem != "" {
		n.add(Alarm, "%s", e.Problem)
	}
	if e.Damaged > 0 {
		n.add(Caution, "%s of %s cannot be read: an erasure may be missing there. With a ledger that was not restored: move the file away, and the workers write it anew; else put it back from a backup", phrase.Count(int64(e.Damaged), "line"), e.File)
	}
	if e.Done > 0 && e.File == "" {
		n.add(Caution, "whoever was forgotten would come back with a ledger from a backup, and nobody would notice: set ledger.erasures on the workers")
	}
}
