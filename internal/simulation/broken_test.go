package simulation

import (
	"database/sql"
	"testing"
)

// foundWithin is by how many seeds something broken is found.
const foundWithin = 150

// A simulation that finds nothing proves nothing. So each of these takes away one thing
// that keeps records right, by what a test can reach: a trigger in
// the ledger's file, or what the flow in Temporal's place remembers. Each must be found, with
// a schedule that ends well while the thing is there.
var brokenThings = []struct {
	name   string
	of     []class
	from   uint64 // the first seed that is tried, near one that finds it
	broken func(*world)
}{
	{"a ledger that keeps no doubts", []class{plain, staleWriter}, 1, (*world).keepNoDoubts},
	{"a ledger that doubts no child", []class{plain, merging, linking}, 20, func(w *world) {
		w.trigger(`BEFORE INSERT ON doubt WHEN NEW.carries = 'nothing' BEGIN SELECT RAISE(IGNORE); END`)
	}},
	{"a ledger that wakes no child", []class{plain, linking}, 1, func(w *world) {
		w.trigger(`BEFORE UPDATE OF ready ON parked WHEN NEW.waits = 'parent' BEGIN SELECT RAISE(IGNORE); END`)
	}},
	{"a flow that remembers nothing of its ledger", []class{plain, restored}, 45, func(w *world) { w.flow.forgetful = true }},
}

// keepNoDoubts has the ledger's file ignore every doubt.
func (w *world) keepNoDoubts() {
	w.trigger(`BEFORE INSERT ON doubt BEGIN SELECT RAISE(IGNORE); END`)
}

// trigger breaks the ledger's file.
func (w *world) trigger(of string) {
	db, err := sql.Open("sqlite", "file:"+w.file)
	must(err)
	_, err = db.Exec("CREATE TRIGGER broken " + of)
	must(err)
	must(db.Close())
}

func TestSimulationFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the race detector finds nothing here that it does not find in TestSimulation")
	}
	for _, tc := range brokenThings {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for seed := tc.from; seed < tc.from+foundWithin; seed++ {
				steps := scheduleOf(seed, tc.of)
				got := simulateWith(t, steps, false, tc.broken)
				if got.is(recordWrong) && !simulate(t, steps, false).is(recordWrong) {
					t.Logf("found with seed %d: %s", seed, got.wrong)
					return
				}
			}
			t.Errorf("not found with %d seeds", foundWithin)
		})
	}
}
