package pages

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// atOnce is how many mappings are compared with both systems at a time.
const atOnce = 4

// mappingsView lists the mappings. Whether they fit is asked for by the page that is there
// already, because it may take a while.
type mappingsView struct {
	Now     time.Time
	URL     string
	Add     string // "" = who looks may not
	Removed bool
	History string
	Problem *notice
	Checked bool
	Rows    []mappingRow
}

type mappingRow struct {
	Name, URL, FlowURL    string
	Table, Resource, Text string
	Pairs                 int64
	Revision              word
	Fits                  word
	Why                   string
}

func mappingsURL(instance string) string { return home(instance) + "mappings" }

func mappingURL(instance, name string) string {
	return mappingsURL(instance) + "/" + url.PathEscape(name)
}

// addURL is beside the mappings and not below them, where a mapping may have any name.
func addURL(instance string) string { return home(instance) + "addmapping" }

// mappings lists them; the part alone says whether they fit both systems.
func (p *Pages) mappings(w http.ResponseWriter, r *http.Request) {
	instance := r.PathValue("instance")
	view := mappingsView{Now: p.here(r), URL: mappingsURL(instance), Checked: inPart(r), History: historyURL(instance), Removed: r.URL.Query().Get("removed") != ""}
	if p.may(r, access.Operator) {
		view.Add = addURL(instance)
	}
	i, err := p.operator(r)
	var report operator.Report
	var fits map[string]fit
	if err == nil {
		var asking sync.WaitGroup
		if view.Checked {
			asking.Go(func() { fits = fitting(r.Context(), i) })
		}
		report, err = i.Status(r.Context(), "")
		asking.Wait()
	}
	if err != nil {
		n := explain(err)
		view.Problem = &n
	} else {
		view.Problem = silence(report)
	}
	view.Rows = mappingRows(instance, p.instance(r).Filed(), report, fits)
	part := "layout"
	if view.Checked {
		part = "list"
	}
	p.part(w, r, http.StatusOK, "mappings", part, "Mappings", view)
}

// fit is whether a mapping fits both systems.
type fit struct {
	problems int
	err      error
}

// fitting compares every mapping on file with both systems. Once nobody answered for one, the
// others are not asked: the wait for each would add up.
func fitting(ctx context.Context, i *operator.Instance) map[string]fit {
	var mu sync.Mutex
	var nobody error // answers
	var asking sync.WaitGroup
	out, turns := map[string]fit{}, make(chan struct{}, atOnce)
	for _, name := range i.Tables() {
		asking.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			mu.Lock()
			err := nobody
			mu.Unlock()
			var got activities.DescribeMappingResult
			if err == nil {
				got, err = i.DescribeMapping(ctx, activities.DescribeMappingInput{Table: i.Config.Ingress.Tables[name]})
			}
			mu.Lock()
			defer mu.Unlock()
			if kind := operator.KindOf(err); kind == operator.NoWorker || kind == operator.Unreachable {
				nobody = err
			}
			out[name] = fit{len(got.Problems), err}
		})
	}
	asking.Wait()
	return out
}

func mappingRows(instance string, cfg *config.Config, report operator.Report, fits map[string]fit) (out []mappingRow) {
	flows := map[string]operator.FlowReport{}
	for _, f := range report.Flows {
		flows[f.Flow] = f
	}
	for _, name := range cfg.ParentsFirst() {
		t := cfg.Ingress.Tables[name]
		row := mappingRow{Name: title(name), URL: mappingURL(instance, name), FlowURL: flowURL(instance, name), Table: t.Dynamics.Table, Resource: t.Campaign.Resource, Pairs: int64(len(t.Fields)),
			Revision: revisionWord(flows[name]), Fits: word{"off", "wait", "looking…"}}
		if f, known := fits[name]; known {
			row.Fits, row.Why = f.word()
		}
		out = append(out, row)
	}
	return out
}

func (f fit) word() (word, string) {
	switch {
	case f.err != nil && operator.KindOf(f.err) == operator.NoWorker:
		return word{"off", "wait", "not known"}, "No worker answers."
	case f.err != nil && operator.KindOf(f.err) == operator.Unreachable:
		return word{"off", "wait", "not known"}, "Temporal does not answer."
	case f.err != nil:
		return word{"off", "wait", "not known"}, sentence(f.err.Error())
	case f.problems > 0:
		return word{"bad", "bad", phrase.Count(int64(f.problems), "problem")}, ""
	}
	return word{"ok", "ok", "fits both systems"}, ""
}

// revisionWord says whether what runs is what is on file.
func revisionWord(f operator.FlowReport) word {
	switch {
	case f.Status == nil && f.Known:
		return word{"off", "wait", "not known"}
	case f.Status == nil || f.Status.Revision == "":
		return word{"off", "stop", "has not run"}
	}
	if r := revisionOf(f, false); r.Runs != r.Filed {
		return word{"warn", "warn", "edits on file do not run yet"}
	}
	return word{"ok", "running", "what is on file runs"}
}
