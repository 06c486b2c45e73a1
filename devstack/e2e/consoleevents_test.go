package e2e

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/eventlog"
)

// Somebody sees which events flow, stops the workflow and starts it again, has events read
// again after a look at what that costs, and looks at the lanes of a run.
func TestEventsInABrowser(t *testing.T) {
	b := newBrowser(t)
	w := newEventWorld(t, 60, "journal", "")
	f := eventlog.DefaultFunnel()
	f.Events = 400
	_, err := w.boxes.GenerateEvents(f)
	require.NoError(t, err)
	w.startWorker()
	w.startFlow()
	st := w.settled()
	run := st.LastRun.Run
	origin := w.signedIn(b)

	b.do(chromedp.Navigate(origin+"/i/acme/events"), b.shows("Which events flow"), b.shows("It adds up."), b.shows("In time"), b.shows("Soft bounce"))
	b.hides("after stop and start") // what runs is what is on file
	b.accessible("events")
	b.do(chromedp.Click(`#stop-egress`), chromedp.WaitVisible(`dialog[open] [data-close]:focus`), chromedp.Click(`dialog[open] button.primary`), b.shows("was stopped"), chromedp.WaitVisible(`#start-egress`))
	b.do(chromedp.Click(`#start-egress`), b.shows("was started"), chromedp.WaitVisible(`#events-backfill`))

	b.do(chromedp.Click(`#events-backfill`), b.shows("From where"))
	b.accessible("what to read again")
	since := time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04")
	b.do(chromedp.SetValue(`input[name="since"]`, since), chromedp.Click(`#check`), b.shows("What it does not bring"), b.shows("events, about, came since then"))
	b.accessible("what reading again costs")
	b.do(chromedp.Click(`#begin`), b.shows("The backfill was accepted"))
	require.Empty(t, w.timeline(), "nothing is written twice")

	b.do(chromedp.Navigate(origin+"/i/acme/runs/"+run+"/lanes"), b.shows("Pages and lanes"))
	b.accessible("lanes")
	b.quiet(origin)
}
