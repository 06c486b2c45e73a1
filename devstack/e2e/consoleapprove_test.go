package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"causeway.dev/workflows"
)

// More records are deleted in Dynamics than a run may delete unasked. Somebody sees their ids,
// approves, and they go. Then the console is stopped: the page says so, and whoever signs in at
// the next one finds everything as it was left.
func TestDeletesAreApprovedInABrowser(t *testing.T) {
	b := newBrowser(t)
	w := newWorld(t, worldOptions{contacts: 100, yaml: func(text string) string { return text + "deletes: {stop_ratio: 0.05, stop_min: 5}\n" }})
	w.startWorker()
	w.startFlow()
	w.loaded()
	link, origin, stop := w.serveConsole("127.0.0.1:0")
	b.do(chromedp.Navigate(link()), b.shows("Before you begin: personal data"), chromedp.Click(`input[name="read"]`), chromedp.Click(`button.primary`), b.shows("Workflows"))

	gone := w.ids()[:20]
	for _, id := range gone {
		require.True(t, w.boxes.Dynamics.Delete("contacts", id))
	}
	waits := w.until("the approval", func(st workflows.Status) bool { return len(st.Approvals) == 1 })
	deletes := w.boxes.Campaign.Count("profile")
	b.do(b.shows("20 deletes wait for your approval"))
	b.accessible("deletes that wait")
	b.do(chromedp.Navigate(origin+"/i/acme/runs/"+waits.Approvals[0].Run), b.shows("The ids that would be deleted"), chromedp.Click(`a[id^="approve-"]`),
		chromedp.WaitVisible(`dialog[open] button.primary`), b.shows("20"))
	b.accessible("the approval of deletes")
	require.Equal(t, deletes, w.boxes.Campaign.Count("profile"), "a question deletes nothing")
	b.do(chromedp.Click(`dialog[open] button.primary`))
	w.until("the deletes", func(st workflows.Status) bool { return len(st.Approvals) == 0 && st.Totals.Deleted == 20 })
	for _, id := range gone {
		require.Nil(t, w.boxes.Campaign.Profile(id))
	}
	code, out, stderr := w.causeway("log", "--what", "approve")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "ada")

	b.do(chromedp.Navigate(origin+"/i/acme/"), b.shows("Workflows"))
	stop()
	b.do(b.shows("The console does not answer"))
	b.accessible("a console that was stopped")
	again, _, stop := w.serveConsole(strings.TrimPrefix(origin, "http://"))
	t.Cleanup(stop)
	b.do(chromedp.Navigate(again()), b.shows("Workflows"))
}
