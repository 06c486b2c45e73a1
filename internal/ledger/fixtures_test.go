package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
)

const (
	flow  = "ingress"
	table = "contacts"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type open = func(edit ...func(*ledger.Options)) *ledger.Ledger

func begin(t testing.TB, l *ledger.Ledger, id string) {
	t.Helper()
	_, err := l.BeginRun(t.Context(), ledger.Run{ID: id, Flow: flow, Table: table, Kind: "initial", State: "RUNNING", Started: noon})
	require.NoError(t, err)
}

func entry(n int) ledger.Entry {
	return ledger.Entry{Key: key(n), Version: fmt.Sprint(100 + n), Raw: fmt.Appendf(nil, `{"n":%d}`, n)}
}

func key(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

func entries(from, n int) []ledger.Entry {
	out := make([]ledger.Entry, n)
	for i := range out {
		out[i] = entry(from + i)
	}
	return out
}

// stage stages page number of a run with lanes of these sizes.
func stage(t testing.TB, l *ledger.Ledger, run string, number int, sizes ...int) *ledger.Page {
	t.Helper()
	in := ledger.PageInput{Run: run, Table: table, Number: number, Phase: "baseline", End: ledger.LinkCursor("delta-" + run), ServerTime: noon}
	from := number * 10_000
	for _, size := range sizes {
		in.Lanes = append(in.Lanes, entries(from, size))
		from += size
	}
	page, err := l.StagePage(t.Context(), in)
	require.NoError(t, err)
	return page
}

func openLane(t testing.TB, l *ledger.Ledger, run string, page, lane int) *ledger.Lane {
	t.Helper()
	out, err := l.OpenLane(t.Context(), ledger.LaneID{Run: run, Page: page, Lane: lane})
	require.NoError(t, err)
	return out
}

// created is the result of entry i of a lane as created by the lane's run.
func created(lane *ledger.Lane, i int) ledger.Result {
	e := lane.Entries[i]
	return ledger.Result{Index: i, Outcome: ledger.Created, Record: &ledger.Record{
		Key: e.Key, Version: e.Version, TargetKey: e.Key, State: ledger.Written, Payload: []byte(`{"a":"b"}`), Fingerprint: []byte{1, 2},
		Run: lane.ID.Run, CreatedRun: lane.ID.Run, SeenRun: lane.ID.Run,
	}}
}

func allCreated(lane *ledger.Lane) []ledger.Result {
	out := make([]ledger.Result, len(lane.Entries))
	for i := range out {
		out[i] = created(lane, i)
	}
	return out
}

// finish writes every lane of a run.
func finish(t testing.TB, l *ledger.Ledger, run string) {
	t.Helper()
	at, err := l.Resume(t.Context(), run)
	require.NoError(t, err)
	for _, ref := range at.Unfinished {
		lane, err := l.OpenLane(t.Context(), ref.LaneID)
		require.NoError(t, err)
		require.NoError(t, l.Commit(t.Context(), lane.ID, lane.Token, allCreated(lane)))
		_, err = l.CloseLane(t.Context(), lane.ID, lane.Token)
		require.NoError(t, err)
	}
}

func record(t testing.TB, l *ledger.Ledger, k string) *ledger.Record {
	t.Helper()
	found, err := l.Records(t.Context(), table, []string{k})
	require.NoError(t, err)
	return found[k]
}
