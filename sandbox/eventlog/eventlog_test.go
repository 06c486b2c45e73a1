package eventlog_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/kit"
)

func people(n int) []eventlog.Recipient {
	out := make([]eventlog.Recipient, n)
	for i := range out {
		out[i] = eventlog.Recipient{ExternalID: fmt.Sprintf("6f1d0000-0000-4000-8000-%012d", i), Email: fmt.Sprintf("p%d@example.test", i)}
	}
	return out
}

// published reads the whole journal.
func published(t *testing.T, l *eventlog.Log) []gjson.Result {
	t.Helper()
	var out []gjson.Result
	for n := range l.Len() {
		raw, err := l.Appearance(n, "urn:acs:acme", "key")
		require.NoError(t, err)
		out = append(out, gjson.ParseBytes(raw))
	}
	return out
}

// §6.1: the envelope and the members of the contract.
func TestCloudEvent(t *testing.T) {
	t.Parallel()
	l := eventlog.New(&kit.Clock{})
	at := time.Date(2026, 3, 1, 10, 15, 29, 0, time.UTC)
	pushed, err := l.Push(eventlog.Pushed{Kind: eventlog.Click, ExternalID: "6f1d", Delivery: "DM190", Campaign: "CMP12", Time: at, URL: "https://shop.example.test/a?x=1&y=2"})
	require.NoError(t, err)
	e := published(t, l)[0]
	for path, want := range map[string]string{
		"specversion": "1.0", "id": pushed.ID, "eventid": pushed.ID, "event_id": pushed.ID, "source": "urn:acs:acme", "time": "2026-03-01T10:15:30.120Z",
		"type": "com.adobe.campaign.standard.email.click", "datacontenttype": "application/json", "recipientclientid": "key",
		"data.externalID": "6f1d", "data.broadlogID": pushed.BroadLogID, "data.trackinglogID": pushed.TrackingLogID, "data.deliveryName": "DM190",
		"data.campaignName": "CMP12", "data.channel": "email", "data.eventDate": "2026-03-01T10:15:29.000Z", "data.status": "sent",
		"data.url": "https://shop.example.test/a?x=1&y=2", "data.failureType": "",
	} {
		require.Equal(t, want, e.Get(path).String(), path)
	}
	for _, path := range []string{"data.quarantine", "data.seedMember", "data.proofMember"} {
		require.Equal(t, gjson.False, e.Get(path).Type, path)
	}
	require.NotEmpty(t, e.Get("data.recipientID").String())
	require.NotEmpty(t, e.Get("data.mirrorPageURL").String())
}

// The same funnel gives the same events, and the shares are as it says.
func TestFunnel(t *testing.T) {
	t.Parallel()
	f := eventlog.DefaultFunnel()
	f.Hard, f.LateHard, f.Soft = 0.05, 0.05, 0.05
	kinds := map[string]int{}
	var bounced struct{ hard, soft, late int }
	sent := map[string]time.Time{}
	l := eventlog.New(&kit.Clock{})
	n, err := l.Generate(f, people(2000))
	require.NoError(t, err)
	l.Each(func(e eventlog.Event) bool {
		kinds[e.Kind]++
		if e.Kind == eventlog.Send {
			sent[e.BroadLogID] = e.Time
		}
		return true
	})
	none, seeds, proofs := 0, 0, 0
	l.Each(func(e eventlog.Event) bool {
		if e.Kind != eventlog.Send && e.Kind != eventlog.Bounce {
			require.True(t, e.Time.After(sent[e.BroadLogID]), "nobody opens what was not sent")
			return true
		}
		if e.Kind == eventlog.Bounce {
			switch at, was := sent[e.BroadLogID]; {
			case e.Failure == "soft":
				require.False(t, was, "a soft bounce was never sent")
				bounced.soft++
			case was:
				require.GreaterOrEqual(t, e.Time.Sub(at), time.Hour, "a late bounce comes late")
				bounced.late++
			default:
				bounced.hard++
			}
		}
		if e.ExternalID == "" {
			none++
		}
		if e.Seed {
			seeds++
		}
		if e.Proof {
			proofs++
		}
		return true
	})
	sum := 0
	for _, k := range kinds {
		sum += k
	}
	require.Equal(t, n, sum, "everything has happened by now")
	for name, c := range map[string]struct{ got, want int }{
		"hard": {bounced.hard, 200}, "late": {bounced.late, 200}, "soft": {bounced.soft, 200}, "no external id": {none, 80}, "seeds": {seeds, 40}, "proofs": {proofs, 40},
	} {
		require.InDelta(t, c.want, c.got, 0.5*float64(c.want), name)
	}
	require.Greater(t, kinds[eventlog.Open], kinds[eventlog.Click])
	require.NotZero(t, kinds[eventlog.Click])

	again := eventlog.New(&kit.Clock{})
	m, err := again.Generate(f, people(2000))
	require.NoError(t, err)
	require.Equal(t, n, m)
	a, b := published(t, l), published(t, again)
	for i := range a {
		require.Equal(t, a[i].Get("id").Str, b[i].Get("id").Str)
		require.Equal(t, a[i].Get("data.externalID").Str, b[i].Get("data.externalID").Str)
	}
}

// §6.1: a duplicate has the same id. Disorder loses no event.
func TestUnruly(t *testing.T) {
	t.Parallel()
	f := eventlog.DefaultFunnel()
	f.Events, f.Duplicates, f.Disorder = 5000, 0.2, 0.3
	l := eventlog.New(&kit.Clock{})
	n, err := l.Generate(f, people(300))
	require.NoError(t, err)
	require.Equal(t, 5000, n)
	want := map[string]bool{}
	l.Each(func(e eventlog.Event) bool { want[e.ID] = true; return true })
	require.Len(t, want, 5000)
	got, disorder, last := map[string]int{}, 0, ""
	for _, e := range published(t, l) {
		got[e.Get("id").Str]++
		if at := e.Get("data.eventDate").Str; at < last {
			disorder++
		} else {
			last = at
		}
	}
	require.Len(t, got, len(want))
	require.InDelta(t, 6000, l.Len(), 100)
	require.Greater(t, disorder, 500)
}

// When the clock reaches a late bounce, it is published and changes the exported row.
func TestLateBounce(t *testing.T) {
	t.Parallel()
	clock := &kit.Clock{}
	l := eventlog.New(clock)
	f := eventlog.DefaultFunnel()
	f.LateHard, f.Late, f.ProofShare = 0.5, eventlog.Duration(24*time.Hour), 0
	_, err := l.Generate(f, people(100))
	require.NoError(t, err)
	rows := func(since time.Time) (sent, failed int) {
		require.NoError(t, l.BroadLogs(since, clock.Now(), func(r eventlog.BroadLog) error {
			require.False(t, r.LastModified.Before(since))
			switch r.Status {
			case eventlog.StatusSent:
				sent++
			case eventlog.StatusFailed:
				failed++
			}
			return nil
		}))
		return sent, failed
	}
	before := l.Len()
	sent, failed := rows(time.Time{})
	require.Equal(t, 200, sent+failed)
	require.Less(t, failed, 30)
	ran := clock.Now()
	clock.Advance(25 * time.Hour)
	require.Greater(t, l.Len(), before+50)
	again, late := rows(ran)
	require.Zero(t, again)
	require.Equal(t, l.Len()-before, late, "the same rows, failed now")
}

// A pushed event is published at once, whatever is still pending.
func TestPush(t *testing.T) {
	t.Parallel()
	clock := &kit.Clock{}
	l := eventlog.New(clock)
	later, err := l.Push(eventlog.Pushed{Kind: eventlog.Open, ExternalID: "a", Time: clock.Now().Add(time.Hour)})
	require.NoError(t, err)
	sent, err := l.Push(eventlog.Pushed{Kind: eventlog.Send, ExternalID: "b", Times: 2})
	require.NoError(t, err)
	_, err = l.Push(eventlog.Pushed{Raw: json.RawMessage(`{"type":"com.adobe.campaign.standard.email.click"}`)})
	require.NoError(t, err)
	got := published(t, l)
	require.Len(t, got, 3)
	require.Equal(t, sent.ID, got[0].Get("id").Str)
	require.Equal(t, sent.ID, got[1].Get("id").Str)
	require.False(t, got[2].Get("data").Exists())
	clock.Advance(2 * time.Hour)
	require.Equal(t, later.ID, published(t, l)[3].Get("id").Str)

	bounce, err := l.Push(eventlog.Pushed{Kind: eventlog.Bounce, BroadLogID: sent.BroadLogID})
	require.NoError(t, err)
	require.Equal(t, sent.BroadLogID, bounce.BroadLogID)
	require.Equal(t, "hard", bounce.Failure)
	for name, p := range map[string]eventlog.Pushed{
		"unknown type": {Kind: "sms"}, "failure of an open": {Kind: eventlog.Open, Failure: "hard"}, "unknown message": {Kind: eventlog.Open, BroadLogID: "1"},
		"unknown failure": {Kind: eventlog.Bounce, Failure: "none"},
	} {
		_, err := l.Push(p)
		require.Error(t, err, name)
	}
}

// Events and their order survive a restart.
func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clock := &kit.Clock{}
	l := eventlog.New(clock)
	f := eventlog.DefaultFunnel()
	f.Duplicates, f.LateHard, f.Late = 0.1, 0.1, eventlog.Duration(time.Hour)
	_, err := l.Generate(f, people(200))
	require.NoError(t, err)
	_, err = l.Push(eventlog.Pushed{Raw: json.RawMessage(`{}`)})
	require.NoError(t, err)
	require.NoError(t, l.Save(dir))
	again := eventlog.New(clock)
	loaded, err := again.Load(dir)
	require.NoError(t, err)
	require.True(t, loaded)
	require.Equal(t, l.Epoch(), again.Epoch())
	require.Equal(t, l.Counts(), again.Counts())
	require.Equal(t, published(t, l), published(t, again))
}

// An impossible funnel is refused with the reason.
func TestBadFunnels(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*eventlog.Funnel)
		want   string
	}{
		"a share above 1":       {func(f *eventlog.Funnel) { f.Opens = 1.5 }, "opens: got 1.5, want 0 to 1"},
		"more bounces than all": {func(f *eventlog.Funnel) { f.Hard, f.Soft = 0.6, 0.6 }, "hard, late_hard and soft"},
		"no time":               {func(f *eventlog.Funnel) { f.Span = eventlog.Duration(time.Minute) }, "span: got 1m0s"},
		"no delivery":           {func(f *eventlog.Funnel) { f.Deliveries = 0 }, "deliveries"},
	} {
		f := eventlog.DefaultFunnel()
		c.change(&f)
		_, err := eventlog.New(&kit.Clock{}).Generate(f, people(1))
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := eventlog.New(&kit.Clock{}).Generate(eventlog.DefaultFunnel(), nil)
	require.ErrorContains(t, err, "there is none to send to")
	f, out := eventlog.DefaultFunnel(), people(3)
	for i := range out {
		out[i].OptedOut = true
	}
	f.Events = 10
	_, err = eventlog.New(&kit.Clock{}).Generate(f, out)
	require.ErrorContains(t, err, "were all opted out?", "not without end")
}

// A million events take less than 150 bytes each.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a million events")
	}
	to := people(20_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l := eventlog.New(&kit.Clock{})
	f := eventlog.DefaultFunnel()
	f.Events = 1_000_000
	n, err := l.Generate(f, to)
	require.NoError(t, err)
	require.Equal(t, 1_000_000, n)
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, (after.HeapAlloc-before.HeapAlloc)/1_000_000, uint64(150))
	require.Equal(t, 1_000_000, l.Len())
	require.True(t, strings.HasPrefix(to[0].ExternalID, "6f1d"))
}
