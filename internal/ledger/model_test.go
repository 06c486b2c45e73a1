package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// The ledger against a model in memory, under random sequences of operations,
// late attempts included.
func TestTheLedgerBehavesAsItsModel(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		check(t, ledgertest.Open(t, ledgertest.SQLite(t)), 0)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		check(t, ledgertest.Open(t, ledgertest.Postgres(t)), 15)
	})
}

// check runs rapid's default number of sequences, or fewer. Each has a table and
// runs of its own, so that all may share a ledger.
func check(t *testing.T, l *ledger.Ledger, sequences int) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; sequences > 0 && n > sequences {
			return
		}
		m := &model{
			l: l, ctx: t.Context(), table: fmt.Sprintf("%s-%d", t.Name(), n), records: map[string]*ledger.Record{}, runs: map[string]*modelRun{},
		}
		rt.Repeat(map[string]func(*rapid.T){
			"begin": m.begin, "stage": m.stage, "open": m.open, "commit": m.commit, "close": m.close, "advance": m.advance, "": m.compare,
		})
	})
}

type model struct {
	l       *ledger.Ledger
	ctx     context.Context // of the test
	table   string
	records map[string]*ledger.Record
	runs    map[string]*modelRun
	order   []string
	handed  []*ledger.Lane // every opening ever, stale ones too
	link    string
}

type modelRun struct {
	state  ledger.RunState
	pages  map[int]*ledger.Page
	lanes  map[ledger.LaneID]*modelLane
	counts ledger.Counts
}

type modelLane struct {
	entries  []ledger.Entry
	outcomes []ledger.Outcome
	attempt  int64
	token    ledger.Token
	done     bool
}

func (l *modelLane) counts() (c ledger.Counts) {
	for _, o := range l.outcomes {
		c.Count(o)
	}
	return c
}

func (m *model) begin(t *rapid.T) {
	id := fmt.Sprintf("%s/%d", m.table, rapid.IntRange(0, 2).Draw(t, "run"))
	_, err := m.l.BeginRun(m.ctx, ledger.Run{ID: id, Flow: flow, Table: m.table, Started: noon})
	require.NoError(t, err)
	if m.runs[id] == nil {
		m.runs[id] = &modelRun{state: ledger.RunRunning, pages: map[int]*ledger.Page{}, lanes: map[ledger.LaneID]*modelLane{}}
		m.order = append(m.order, id)
	}
}

func (m *model) anyRun(t *rapid.T) (string, *modelRun) {
	if len(m.order) == 0 {
		t.Skip("no run yet")
	}
	id := rapid.SampledFrom(m.order).Draw(t, "run")
	return id, m.runs[id]
}

func (m *model) stage(t *rapid.T) {
	id, run := m.anyRun(t)
	in := ledger.PageInput{Run: id, Table: m.table, Number: rapid.IntRange(1, 3).Draw(t, "page"), Next: ledger.LinkCursor(rapid.StringMatching(`[a-z]{3}`).Draw(t, "next"))}
	for range rapid.IntRange(1, 3).Draw(t, "lanes") {
		in.Lanes = append(in.Lanes, entries(rapid.IntRange(0, 20).Draw(t, "from"), rapid.IntRange(0, 4).Draw(t, "size")))
	}
	page, err := m.l.StagePage(m.ctx, in)
	if run.state != ledger.RunRunning {
		require.ErrorIs(t, err, ledger.ErrEnded)
		return
	}
	require.NoError(t, err)
	if run.pages[in.Number] == nil {
		stored := &ledger.Page{Run: id, Number: in.Number, Next: in.Next}
		for i, e := range in.Lanes {
			stored.Read += len(e)
			stored.LaneSizes = append(stored.LaneSizes, len(e))
			if len(e) > 0 {
				run.lanes[ledger.LaneID{Run: id, Page: in.Number, Lane: i}] = &modelLane{entries: e, outcomes: make([]ledger.Outcome, len(e))}
			}
		}
		run.pages[in.Number] = stored
	}
	require.Equal(t, run.pages[in.Number], page)
}

func (m *model) open(t *rapid.T) {
	id, run := m.anyRun(t)
	at := ledger.LaneID{Run: id, Page: rapid.IntRange(1, 3).Draw(t, "page"), Lane: rapid.IntRange(0, 2).Draw(t, "lane")}
	got, err := m.l.OpenLane(m.ctx, at)
	want := run.lanes[at]
	switch page := run.pages[at.Page]; {
	case want == nil && page != nil && at.Lane < len(page.LaneSizes):
		require.NoError(t, err)
		require.True(t, got.Done)
	case want == nil:
		require.ErrorIs(t, err, ledger.ErrNotFound)
	case want.done:
		require.NoError(t, err)
		require.True(t, got.Done)
		require.Equal(t, want.counts(), got.Counts)
	default:
		require.NoError(t, err)
		want.attempt++
		require.Equal(t, want.attempt, got.Attempt)
		require.NotEqual(t, want.token, got.Token)
		want.token = got.Token
		require.Equal(t, want.entries, got.Entries)
		require.Equal(t, want.outcomes, got.Outcomes)
		m.handed = append(m.handed, got)
	}
}

// anyLane picks an opening, which may be stale, and what the model holds of its lane.
func (m *model) anyLane(t *rapid.T) (*ledger.Lane, *modelRun, *modelLane) {
	if len(m.handed) == 0 {
		t.Skip("no lane yet")
	}
	got := rapid.SampledFrom(m.handed).Draw(t, "opening")
	run := m.runs[got.ID.Run]
	return got, run, run.lanes[got.ID]
}

var outcomes = []ledger.Outcome{ledger.Created, ledger.Updated, ledger.Unchanged, ledger.FilteredOut, ledger.Removed, ledger.ParkedOut, ledger.Refused,
	ledger.Disabled, ledger.SoftBounce, ledger.SeedOrProof, ledger.NoContact, ledger.Ignored}

func (m *model) commit(t *rapid.T) {
	got, _, lane := m.anyLane(t)
	group := make([]ledger.Result, 0, 4)
	for range rapid.IntRange(1, 4).Draw(t, "group") {
		i := rapid.IntRange(0, len(got.Entries)-1).Draw(t, "entry")
		s := ledger.Result{Index: i, Outcome: rapid.SampledFrom(outcomes).Draw(t, "outcome")}
		if rapid.Bool().Draw(t, "record") {
			s.Record = &ledger.Record{Key: got.Entries[i].Key, Version: rapid.StringMatching(`[0-9]{2}`).Draw(t, "version"), State: ledger.Written, Run: got.ID.Run}
			s.Record.Payload = rapid.SampledFrom([][]byte{nil, []byte(`{"a":1}`)}).Draw(t, "payload")
		}
		group = append(group, s)
	}
	err := m.l.Commit(m.ctx, got.ID, got.Token, group)
	switch {
	case lane == nil:
		require.ErrorIs(t, err, ledger.ErrNotFound)
	case lane.token != got.Token:
		require.ErrorIs(t, err, ledger.ErrFenced)
	case lane.done:
		require.ErrorContains(t, err, "closed")
	default:
		require.NoError(t, err)
		for _, s := range group {
			lane.outcomes[s.Index] = s.Outcome
			if s.Record != nil {
				m.records[s.Record.Key] = s.Record
			}
		}
	}
}

func (m *model) close(t *rapid.T) {
	got, run, lane := m.anyLane(t)
	counts, err := m.l.CloseLane(m.ctx, got.ID, got.Token)
	switch {
	case lane == nil:
		require.ErrorIs(t, err, ledger.ErrNotFound)
	case lane.token != got.Token:
		require.ErrorIs(t, err, ledger.ErrFenced)
	case !lane.counts().Balanced():
		require.ErrorContains(t, err, "have no outcome yet")
	default:
		require.NoError(t, err)
		require.Equal(t, lane.counts(), counts)
		if !lane.done {
			lane.done = true
			run.counts.Add(counts)
		}
	}
}

func (m *model) advance(t *rapid.T) {
	id, run := m.anyRun(t)
	link := rapid.StringMatching(`([a-z]{3})?`).Draw(t, "link")
	got, err := m.l.Advance(m.ctx, id, ledger.Watermark{Flow: flow, Table: m.table, Link: link, Run: id})
	open := 0
	for _, lane := range run.lanes {
		if !lane.done {
			open++
		}
	}
	if open > 0 {
		unfinished, ok := errors.AsType[*ledger.UnfinishedError](err)
		require.True(t, ok, "got %v", err)
		require.Len(t, unfinished.Lanes, open)
		return
	}
	require.NoError(t, err)
	require.Equal(t, ledger.RunCompleted, got.State)
	if run.state == ledger.RunRunning && link != "" {
		m.link = link
	}
	run.state = ledger.RunCompleted
	clear(run.lanes)
	clear(run.pages)
}

// compare holds after every step.
func (m *model) compare(t *rapid.T) {
	keys := make([]string, 0, 25)
	for n := range 25 {
		keys = append(keys, key(n))
	}
	found, err := m.l.Records(m.ctx, m.table, keys)
	require.NoError(t, err)
	require.Equal(t, m.records, found)
	for id, want := range m.runs {
		got, err := m.l.Run(m.ctx, id)
		require.NoError(t, err)
		require.Equal(t, want.state, got.State)
		require.Equal(t, want.counts, got.Counts)
	}
	mark, err := m.l.Watermark(m.ctx, flow, m.table)
	if m.link == "" {
		require.ErrorIs(t, err, ledger.ErrNotFound)
		return
	}
	require.NoError(t, err)
	require.Equal(t, m.link, mark.Link)
}
