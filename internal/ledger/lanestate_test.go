package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTransitionsOfALane(t *testing.T) {
	t.Parallel()
	staged := laneState{entry: -1}
	open := func(token Token) func(*laneState) { return func(s *laneState) { s.open(token) } }
	mark := func(entry int) func(*laneState) { return func(s *laneState) { s.markInFlight(entry) } }
	release := func(s *laneState) { s.release(false) }
	releaseUnknown := func(s *laneState) { s.release(true) }
	done := (*laneState).close

	for name, tt := range map[string]struct {
		steps []func(*laneState)
		want  laneState
	}{
		"the first attempt holds it":             {[]func(*laneState){open("a")}, laneState{token: "a", attempts: 1, held: true, entry: -1}},
		"a released lane knows all its outcomes": {[]func(*laneState){open("a"), release}, laneState{token: "a", attempts: 1, entry: -1}},
		"an attempt after a release is no crash": {[]func(*laneState){open("a"), release, open("b")}, laneState{token: "b", attempts: 2, held: true, entry: -1}},
		"an attempt without a release before it is a crash": {[]func(*laneState){open("a"), open("b")},
			laneState{token: "b", attempts: 2, held: true, outcomeUnknown: true, crashes: 1, entry: -1}},
		"what is unknown stays so after a release in good order": {[]func(*laneState){open("a"), releaseUnknown, open("b"), release},
			laneState{token: "b", attempts: 2, outcomeUnknown: true, entry: -1}},
		"a crash stays unknown after a release in good order": {[]func(*laneState){open("a"), open("b"), release},
			laneState{token: "b", attempts: 2, outcomeUnknown: true, crashes: 1, entry: -1}},
		"a closed lane knows all its outcomes": {[]func(*laneState){open("a"), open("b"), done},
			laneState{token: "b", attempts: 2, done: true, crashes: 1, entry: -1}},
		"a closed lane is nobody's to open or release": {[]func(*laneState){open("a"), done, open("b"), releaseUnknown},
			laneState{token: "a", attempts: 1, done: true, entry: -1}},
		"a crash counts for the entry in flight": {[]func(*laneState){open("a"), mark(0), open("b")},
			laneState{token: "b", attempts: 2, held: true, outcomeUnknown: true, crashes: 1, entry: -1, suspects: map[int]int{0: 1}}},
		"a crash before the entry was marked again does not": {[]func(*laneState){open("a"), mark(0), open("b"), open("c")},
			laneState{token: "c", attempts: 3, held: true, outcomeUnknown: true, crashes: 2, entry: -1, suspects: map[int]int{0: 1}}},
		"crashes at the same entry add up": {[]func(*laneState){open("a"), mark(3), open("b"), mark(3), open("c")},
			laneState{token: "c", attempts: 3, held: true, outcomeUnknown: true, crashes: 2, entry: -1, suspects: map[int]int{3: 2}}},
		"another entry starts from none": {[]func(*laneState){open("a"), mark(3), open("b"), mark(3), mark(4)},
			laneState{token: "b", attempts: 2, held: true, outcomeUnknown: true, crashes: 1, entry: 4, suspects: map[int]int{3: 1}}},
		"several entries are suspects": {[]func(*laneState){open("a"), mark(3), open("b"), mark(4), open("c")},
			laneState{token: "c", attempts: 3, held: true, outcomeUnknown: true, crashes: 2, entry: -1, suspects: map[int]int{3: 1, 4: 1}}},
		"a crash in the quiet acquits all": {[]func(*laneState){open("a"), mark(3), open("b"), mark(4), open("c"), mark(Quiet), open("d")},
			laneState{token: "d", attempts: 4, held: true, outcomeUnknown: true, crashes: 3, entry: -1}},
		"a quiet that ends acquits nobody": {[]func(*laneState){open("a"), mark(3), open("b"), mark(Quiet), mark(3), open("c")},
			laneState{token: "c", attempts: 3, held: true, outcomeUnknown: true, crashes: 2, entry: -1, suspects: map[int]int{3: 2}}},
		"a release with an entry marked is no crash of it": {[]func(*laneState){open("a"), mark(3), release, open("b")},
			laneState{token: "b", attempts: 2, held: true, entry: -1}},
	} {
		got := staged
		for _, step := range tt.steps {
			step(&got)
		}
		require.Equal(t, tt.want, got, name)
	}
}

func TestTokensDiffer(t *testing.T) {
	t.Parallel()
	seen := map[Token]bool{}
	for range 1000 {
		token := newToken()
		require.False(t, seen[token])
		seen[token] = true
	}
}
