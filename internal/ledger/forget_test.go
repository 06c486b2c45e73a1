package ledger_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

var (
	person = key(10_000) // the first that stage puts into page 1
	other  = key(10_001)
)

// leave leaves values of a person in every table, by runs that have ended.
func leave(t *testing.T, l *ledger.Ledger, db *sql.DB) {
	t.Helper()
	ctx := t.Context()
	value := fmt.Appendf(nil, `{"name":"%s"}`, secret)
	put := func(run string, edit func(ln *ledger.Lane) ledger.Result) {
		begin(t, l, run)
		staged := entries(10_000, 3)
		staged[0].Raw = value
		_, err := l.StagePage(ctx, ledger.PageInput{Run: run, Table: table, Number: 1, Phase: "baseline", Lanes: [][]ledger.Entry{staged}, ServerTime: noon})
		require.NoError(t, err)
		ln := openLane(t, l, run, 1, 0)
		require.NoError(t, l.Commit(ctx, ln.ID, ln.Token, []ledger.Result{edit(ln)}))
		require.NoError(t, l.ReleaseLane(ctx, ln.ID, ln.Token, false))
	}
	put("written", func(ln *ledger.Lane) ledger.Result {
		s := created(ln, 0)
		s.Record.Payload, s.Links, s.Returned = value, []ledger.Parent{{Table: "accounts", Key: "a1"}}, true
		s.Before = &ledger.BeforeImage{Key: person, Existed: true, Payload: value}
		s.OptOut = &ledger.OptOutResult{State: ledger.OptOut{Contact: person, Doc: []byte("out")}, Decisions: []ledger.OptOutDecision{{At: noon, Pair: "email", Out: true}}}
		return s
	})
	put("refused", func(ln *ledger.Lane) ledger.Result {
		s := refused(ln, 0, "TooLong")
		s.Quarantine.Payload = value
		return s
	})
	put("parked", func(ln *ledger.Lane) ledger.Result {
		s := created(ln, 0)
		s.Outcome, s.Record.State, s.Record.Payload = ledger.ParkedOut, ledger.Parked, value
		s.Park = &ledger.ParkedItem{Key: person, Waits: ledger.WaitsForDeleteGuard, Payload: value}
		return s
	})
	put("neighbour", func(ln *ledger.Lane) ledger.Result {
		s := created(ln, 1)
		s.Before = &ledger.BeforeImage{Key: other, Existed: true, Payload: []byte("neighbour")}
		return s
	})
	require.NoError(t, l.SaveObservations(ctx, table, "audit", []ledger.Observation{{Key: person, Finding: ledger.Changed, Payload: value}}))
	for _, run := range []string{"written", "refused", "parked", "neighbour"} {
		apply(t, db, `UPDATE run SET state = 'FAILED', ended = 1 WHERE id = '`+run+`'`)
	}
	apply(t, db, `INSERT INTO event (key, type, contact, outcome, code, time, run, at, again, again_run, again_at) VALUES ('tracking/1','open','`+person+`',1,'',1,'r',1,0,'',0), ('tracking/2','open','`+other+`',1,'',1,'r',1,0,'',0)`)

	_, err := l.BeginRun(ctx, ledger.Run{ID: "events", Flow: "egress", Table: "egress", Kind: "delta", Started: noon})
	require.NoError(t, err)
	event := ledger.Entry{Key: "tracking/9", Raw: fmt.Appendf(nil, `{"contact":"%s","address":"%s"}`, strings.ToUpper(person), secret)}
	_, err = l.StagePage(ctx, ledger.PageInput{Run: "events", Table: "egress", Number: 1, Phase: "delta", Lanes: [][]ledger.Entry{{event, {Key: "tracking/10", Raw: []byte("{}")}}}, ServerTime: noon})
	require.NoError(t, err)
	ln := openLane(t, l, "events", 1, 0)
	s := refused(ln, 0, "Odd")
	s.Record, s.Quarantine.Payload = nil, event.Raw
	require.NoError(t, l.Commit(ctx, ln.ID, ln.Token, []ledger.Result{s}))
	require.NoError(t, l.ReleaseLane(ctx, ln.ID, ln.Token, false))
	require.NoError(t, l.SetRunState(ctx, "events", ledger.RunFailed, ""))
}

// holdsSecret says whether a value of the person is in the ledger, for whoever has its key.
func holdsSecret(t *testing.T, l *ledger.Ledger) bool {
	t.Helper()
	values, err := ledger.Opened(t.Context(), l)
	require.NoError(t, err)
	return strings.Contains(strings.Join(values, "\n"), secret)
}

func traces(t *testing.T, l *ledger.Ledger, key string) (out []string) {
	t.Helper()
	found, err := l.Traces(t.Context(), table, key)
	require.NoError(t, err)
	for _, f := range found {
		out = append(out, fmt.Sprint(f.Where, " ", f.Rows))
	}
	return out
}

// forgetNow takes steps until there is nothing to do at once.
func forgetNow(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	for {
		more, err := l.ForgetStep(t.Context(), func(doc []byte) bool { return string(doc) == "out" }, nil)
		require.NoError(t, err)
		if !more {
			return
		}
	}
}

func TestNothingOfAForgottenPersonIsLeft(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		o = keyed(o, key1)
		o.Erasures = filepath.Join(t.TempDir(), "erasures")
		l, db := ledgertest.Open(t, o), connect(t, o)
		leave(t, l, db)
		require.True(t, holdsSecret(t, l), "the search finds what is there")
		require.Equal(t, []string{"record 1", "before_image 1", "quarantine 2", "lane_data 5", "parked 1", "audit 1", "returned 1", "link 1", "event 1", "optout 1", "optout_decision 1"}, traces(t, l, person))
		neighbour := traces(t, l, other)
		for id, state := range map[string]string{"open": "asked", "over": "done"} {
			_, err := l.AskSecond(t.Context(), ledger.AccessRequest{ID: id, What: id, Input: `{"id":"` + person + `"}`, Until: time.Now().Add(time.Hour)})
			require.NoError(t, err)
			apply(t, db, `UPDATE access_request SET state = '`+state+`' WHERE id = '`+id+`'`)
		}

		require.NoError(t, l.AskForget(t.Context(), table, person))
		forgetNow(t, l)
		require.False(t, holdsSecret(t, l))
		require.Equal(t, []string{"lane_data 4", "optout 1", "optout_decision 1"}, traces(t, l, person), "ids and choices stay; a rollback still looks at the lanes of runs that failed")
		require.Equal(t, neighbour, traces(t, l, other))
		require.Equal(t, []string{"open"}, all(t, db, `SELECT id FROM access_request`))
		kept, err := l.OptOuts(t.Context(), []string{person})
		require.NoError(t, err)
		require.Equal(t, "out", string(kept[person].Doc), "the choice is honoured when the same id comes back")
		done, err := l.Erasures(t.Context())
		require.NoError(t, err)
		require.Equal(t, ledger.Erasures{Done: 1, File: o.Erasures}, done)
		require.Equal(t, []string{l.Erasure(person)}, all(t, db, `SELECT hash FROM erasure`))
		file, err := os.ReadFile(o.Erasures)
		require.NoError(t, err)
		require.Contains(t, string(file), l.Erasure(person)+" ")
		require.NotContains(t, string(file), person)
	})
}

// Where no opt-out was ever chosen, nothing is kept of choices.
func TestAForgottenPersonWithoutAnOptOutLeavesNoChoices(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, o)
		ln := lane(t, l, "r1", 2)
		s := created(ln, 0)
		s.OptOut = &ledger.OptOutResult{State: ledger.OptOut{Contact: s.Record.Key, Doc: []byte("in")}}
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{s}))
		require.NoError(t, l.SetRunState(t.Context(), "r1", ledger.RunFailed, ""))
		require.NoError(t, l.AskForget(t.Context(), table, s.Record.Key))
		forgetNow(t, l)
		kept, err := l.OptOuts(t.Context(), []string{s.Record.Key})
		require.NoError(t, err)
		require.Empty(t, kept)
	})
}

// A run that has read the record, or may have read it, ends first. So does a request whose
// end nobody knows.
func TestForgettingWaitsForWhateverMayStillWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hold  func(t *testing.T, l *ledger.Ledger)
		says  string
		until func(t *testing.T, l *ledger.Ledger, pass func(time.Duration))
	}{
		"a staged page": {
			hold: func(t *testing.T, l *ledger.Ledger) { begin(t, l, "r1"); stage(t, l, "r1", 1, 3) },
			says: "run r1, which is RUNNING",
			until: func(t *testing.T, l *ledger.Ledger, _ func(time.Duration)) {
				finish(t, l, "r1")
				require.NoError(t, l.SetRunState(t.Context(), "r1", ledger.RunFailed, ""))
			},
		},
		"a rollback that began since, and has not read what it brings back": {
			hold: func(t *testing.T, l *ledger.Ledger) {
				_, err := l.BeginRun(t.Context(), ledger.Run{ID: "b1", Flow: "rollback", Table: table, Kind: "rollback", Started: noon.Add(time.Hour)})
				require.NoError(t, err)
			},
			says: "run b1, which is RUNNING",
			until: func(t *testing.T, l *ledger.Ledger, _ func(time.Duration)) {
				require.NoError(t, l.SetRunState(t.Context(), "b1", ledger.RunFailed, ""))
			},
		},
		"a load that goes on later": {
			hold: func(t *testing.T, l *ledger.Ledger) {
				begin(t, l, "r1")
				stage(t, l, "r1", 1, 3)
				require.NoError(t, l.SetRunState(t.Context(), "r1", ledger.RunStopped, ""))
			},
			says: "run r1, which is STOPPED",
			until: func(t *testing.T, l *ledger.Ledger, _ func(time.Duration)) {
				require.NoError(t, l.ForgetPages(t.Context(), "r1"))
			},
		},
		"an audit that reads Campaign": {
			hold: func(t *testing.T, l *ledger.Ledger) {
				_, err := l.BeginRun(t.Context(), ledger.Run{ID: "a1", Flow: "audit", Table: table, Kind: "audit", Started: noon})
				require.NoError(t, err)
			},
			says: "run a1, which is RUNNING",
			until: func(t *testing.T, l *ledger.Ledger, _ func(time.Duration)) {
				require.NoError(t, l.SetRunState(t.Context(), "a1", ledger.RunFailed, ""))
			},
		},
		"a request without an answer": {
			hold: func(t *testing.T, l *ledger.Ledger) {
				ln := lane(t, l, "r1", 3)
				require.NoError(t, l.ReportUnanswered(t.Context(), ln, []int{0}))
				require.NoError(t, l.ReleaseLane(t.Context(), ln.ID, ln.Token, true))
				require.NoError(t, l.SetRunState(t.Context(), "r1", ledger.RunFailed, ""))
			},
			says:  "a request about it that had no answer, until 2026-03-0",
			until: func(t *testing.T, _ *ledger.Ledger, pass func(time.Duration)) { pass(48 * time.Hour) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledgertest.Each(t, func(t *testing.T, open open) {
				l, pass := ledgerAndClock(open)
				c.hold(t, l)
				require.NoError(t, l.AskForget(t.Context(), table, person))
				forgetNow(t, l)
				asked, err := l.ToForget(t.Context(), person)
				require.NoError(t, err)
				require.NotNil(t, asked)
				require.Contains(t, asked.Waits, c.says)
				c.until(t, l, pass)
				forgetNow(t, l)
				asked, err = l.ToForget(t.Context(), person)
				require.NoError(t, err)
				require.Nil(t, asked)
			})
		})
	}
}

// A worker that is killed in the middle leaves nothing that the next one does not finish.
func TestForgettingGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		o.Erasures = filepath.Join(t.TempDir(), "erasures")
		l, db := ledgertest.Open(t, o), connect(t, o)
		leave(t, l, db)
		require.NoError(t, l.AskForget(t.Context(), table, person))
		require.NoError(t, os.Mkdir(o.Erasures, 0o700)) // so that it ends before the last step
		_, err := l.ForgetStep(t.Context(), nil, nil)
		require.ErrorContains(t, err, "ledger.erasures: "+o.Erasures+" cannot be used, and nobody is forgotten before it can")
		require.True(t, holdsSecret(t, l))
		require.NoError(t, os.Remove(o.Erasures))
		l = reopen(t, l, o)
		forgetNow(t, l)
		require.False(t, holdsSecret(t, l))
	})
}

// A run may stage the record after it was looked for who holds it. Then nothing goes yet.
func TestNothingIsErasedThatWasTakenUpMeanwhile(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		finishedRun(t, l)
		begin(t, l, "r2")
		stage(t, l, "r2", 1, 3)
		erased, err := ledger.EraseRows(t.Context(), l, table, person)
		require.NoError(t, err)
		require.False(t, erased)
		require.NotNil(t, record(t, l, person))
		require.NoError(t, l.SetRunState(t.Context(), "r2", ledger.RunFailed, ""))
		require.NoError(t, l.ForgetPages(t.Context(), "r2"))
		erased, err = ledger.EraseRows(t.Context(), l, table, person)
		require.NoError(t, err)
		require.True(t, erased)
		require.Nil(t, record(t, l, person))
	})
}

// finishedRun leaves a record of the person by a run that has ended.
func finishedRun(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	begin(t, l, "r1")
	stage(t, l, "r1", 1, 3)
	finish(t, l, "r1")
	require.NoError(t, l.SetRunState(t.Context(), "r1", ledger.RunFailed, ""))
	require.NoError(t, l.ForgetPages(t.Context(), "r1"))
	require.NotNil(t, record(t, l, person))
}
