package pages

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// lanesAtOnce is how many lanes a page lists: those of six pages of records, as a rule.
const lanesAtOnce = 48

// lanesView is the lanes of a run, a page of them at a time.
type lanesView struct {
	Now              time.Time
	Problem          *notice
	Crumbs           []link
	Run              string
	Total            int64
	From, To         int64
	Done, Work, Fail int64
	Lanes            []laneRow
	Empty            string
	Newer, Older     string // addresses
}

type laneRow struct {
	Page, Lane, Records, Attempts int64
	State                         word
	Written                       time.Time
	Took, Failure                 string
	Refused                       int64
}

// lanes lists the pages and lanes of a run one by one.
func (p *Pages) lanes(w http.ResponseWriter, r *http.Request) {
	name, instance := r.PathValue("run"), r.PathValue("instance")
	view := lanesView{Now: p.here(r), Run: name, Crumbs: []link{{URL: home(instance), Label: "Overview"}, {URL: home(instance) + "runs", Label: "Runs"}, {URL: runURL(instance, name), Label: name}, {Label: "Lanes"}}}
	i, err := p.operator(r)
	var found *operator.Lanes
	if err == nil {
		found, err = i.RunLanes(r.Context(), name)
	}
	if kind := operator.KindOf(err); err != nil && (kind == operator.BadInput || kind == operator.NotStarted) {
		p.Refuse(w, r, http.StatusNotFound, "There is no such run", sentence(err.Error()))
		return
	}
	if err != nil {
		n := explain(err)
		view.Problem = &n
	} else {
		view.list(found, lanesURL(instance, name), r.URL.Query().Get("from"))
	}
	p.render(w, r, http.StatusOK, "lanes", "Lanes", view)
}

func lanesURL(instance, run string) string { return runURL(instance, run) + "/lanes" }

// list adds the lanes from a place on.
func (v *lanesView) list(found *operator.Lanes, at, from string) {
	v.Empty, v.Total = sentence(found.Problem), int64(len(found.Lanes))
	for _, l := range found.Lanes {
		switch l.State {
		case "done":
			v.Done++
		case "":
			v.Work++
		default:
			v.Fail++
		}
	}
	start, err := strconv.Atoi(from)
	if err != nil || start < 0 || start >= len(found.Lanes) {
		start = 0
	}
	end := min(start+lanesAtOnce, len(found.Lanes))
	v.From, v.To = int64(min(start+1, end)), int64(end)
	for _, l := range found.Lanes[start:end] {
		row := laneRow{Page: int64(l.Page), Lane: int64(l.Lane), Records: l.Records, Attempts: int64(l.Attempts), State: laneWords[l.State], Written: l.Written, Failure: phrase.OneLine(l.Failure), Refused: l.Counts.Quarantined}
		if !l.Written.IsZero() {
			row.Took = phrase.Span(l.Written.Sub(l.Began))
		}
		v.Lanes = append(v.Lanes, row)
	}
	if start > 0 {
		v.Newer = at + "?" + url.Values{"from": {strconv.Itoa(max(0, start-lanesAtOnce))}}.Encode()
	}
	if end < len(found.Lanes) {
		v.Older = at + "?" + url.Values{"from": {strconv.Itoa(end)}}.Encode()
	}
}

var laneWords = map[string]word{"done": {"ok", "ok", "written"}, "": {"busy", "sync", "at work"}, "failed": {"bad", "bad", "failed"}, "cancelled": {"off", "stop", "given up"}}
