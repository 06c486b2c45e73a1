package notify_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/activities"
	"causeway.dev/activities/notify"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

var rule = notify.Rule{After: 2 * time.Minute, Quiet: time.Hour, Remind: 24 * time.Hour}

var failed = activities.Cause{Name: "flow_failed", Flow: "contacts", Critical: true, Text: "contacts is FAILED"}

// teller is what the workflow does with a rule: it marks what was sent.
type teller struct {
	rule notify.Rule
	seen []activities.SeenCause
}

// look judges what holds, and sends what there is to tell. taken says whether it arrives.
func (w *teller) look(now time.Time, taken bool, known []string, causes ...activities.Cause) []activities.NoticeState {
	var tell []activities.Notice
	w.seen, tell = w.rule.Judge(w.seen, activities.CausesNow{Causes: causes, Known: known}, now)
	var out []activities.NoticeState
	for _, n := range tell {
		out = append(out, n.State)
	}
	if taken {
		activities.MarkTold(w.seen, tell, now, false)
	}
	return out
}

func TestACauseIsToldWhenItLastsAndWhenItIsOver(t *testing.T) {
	t.Parallel()
	w, all := &teller{rule: rule}, []string{"contacts", ""}
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	require.Empty(t, w.look(at(0), true, all, failed), "it may pass by itself")
	require.Equal(t, []activities.NoticeState{activities.NoticeBegun}, w.look(at(2), false, all, failed))
	require.Equal(t, []activities.NoticeState{activities.NoticeBegun}, w.look(at(3), true, all, failed), "it was not taken")
	require.Empty(t, w.look(at(4), true, all, failed))
	require.Empty(t, w.look(at(90), true, all, failed), "it was told")
	require.Equal(t, []activities.NoticeState{activities.NoticeLasts}, w.look(at(3+24*60), true, all, failed))
	require.Empty(t, w.look(at(1500), true, []string{""}), "nobody knows whether it lasts")
	require.Empty(t, w.look(at(1501), true, all))
	require.Empty(t, w.look(at(1502), true, all))
	require.Equal(t, []activities.NoticeState{activities.NoticeEnded}, w.look(at(1503), false, all))
	require.Equal(t, []activities.NoticeState{activities.NoticeEnded}, w.look(at(1504), true, all))
	require.Empty(t, w.look(at(1600), true, all))
	require.Empty(t, w.seen, "nothing is to be remembered any more")
}

func TestACauseThatComesBackIsQuietForAnHour(t *testing.T) {
	t.Parallel()
	w, all := &teller{rule: rule}, []string{"contacts"}
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	w.look(at(0), true, all, failed)
	require.Len(t, w.look(at(2), true, all, failed), 1)
	w.look(at(5), true, all)
	require.Equal(t, []activities.NoticeState{activities.NoticeEnded}, w.look(at(7), true, all))
	require.Empty(t, w.look(at(10), true, all, failed))
	require.Empty(t, w.look(at(61), true, all, failed))
	require.Equal(t, []activities.NoticeState{activities.NoticeBegun}, w.look(at(62), true, all, failed), "it lasts, and the hour is over")
}

// Of a message that nobody knows to have arrived: once more after the hour, no sooner.
func TestAnUnsureMessageIsToldAgainAfterTheHour(t *testing.T) {
	t.Parallel()
	w, all := &teller{rule: rule}, []string{"contacts"}
	w.look(noon, true, all, failed)
	at := noon.Add(2 * time.Minute)
	var tell []activities.Notice
	w.seen, tell = rule.Judge(w.seen, activities.CausesNow{Causes: []activities.Cause{failed}, Known: all}, at)
	activities.MarkTold(w.seen, tell, at, true)
	require.Empty(t, w.look(at.Add(59*time.Minute), true, all, failed))
	require.Equal(t, []activities.NoticeState{activities.NoticeLasts}, w.look(at.Add(time.Hour), true, all, failed))
	require.Empty(t, w.look(at.Add(3*time.Hour), true, all, failed), "it is sure now")
}

// Whatever comes and goes: a cause is told once an hour at most, its end follows its
// beginning, and one that lasts for the time and an hour is told.
func TestNothingIsDoubledOrLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w, told := &teller{rule: rule}, time.Time{}
		open, held := false, 0
		for minute := range 400 {
			now := noon.Add(time.Duration(minute) * time.Minute)
			holds, taken := rapid.IntRange(0, 9).Draw(rt, "holds") > 1, rapid.IntRange(0, 3).Draw(rt, "taken") > 0
			known := []string{"contacts"}
			if rapid.IntRange(0, 9).Draw(rt, "known") == 0 {
				known = nil
			}
			var causes []activities.Cause
			if holds {
				causes = append(causes, failed)
				held++
			} else {
				held = 0
			}
			for _, state := range w.look(now, taken, known, causes...) {
				if !taken {
					held = min(held, 60) // it is tried again with the next look
					continue
				}
				switch state {
				case activities.NoticeEnded:
					require.True(rt, open, "an end without a beginning")
					open = false
				default:
					require.True(rt, told.IsZero() || now.Sub(told) >= rule.Quiet, "told twice within the hour")
					told, open = now, true
				}
			}
			if held > 65 {
				require.True(rt, open, "it lasts for more than an hour, and nobody was told")
			}
		}
	})
}
