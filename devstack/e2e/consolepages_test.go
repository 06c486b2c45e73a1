package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/optout"
)

// signedIn is a browser in which somebody has signed in to the console of a world, and has
// acknowledged the privacy text.
func (w *world) signedIn(b *browser) (origin string) {
	w.t.Helper()
	link, origin := w.startConsole()
	b.do(chromedp.Navigate(link()), b.shows("Before you begin: personal data"), chromedp.Click(`input[name="read"]`), chromedp.Click(`button.primary`), b.shows("Workflows"))
	return origin
}

// hides requires that the source of the page has none of the values.
func (b *browser) hides(values ...string) {
	b.t.Helper()
	var source string
	b.do(chromedp.Evaluate(`document.documentElement.outerHTML`, &source))
	for _, value := range values {
		require.NotContains(b.t, source, value)
	}
}

// Somebody finds out why records were refused, looks at one, reveals its values, has it tried
// again after it was mended, and discards the rest. No page shows a value before it is
// revealed.
func TestTheQuarantineInABrowser(t *testing.T) {
	b := newBrowser(t)
	w := newWorld(t, worldOptions{contacts: 300, yaml: func(text string) string {
		return strings.Replace(text, "on_too_long: truncate", "on_too_long: reject", 1) + "quarantine: {stop_ratio: 0.9}\n"
	}})
	ids := w.ids()[:70]
	for n, id := range ids {
		w.edit(id, []map[string]any{{"firstname": tooLong}, {"emailaddress1": fmt.Sprintf("not-an-address-%d", n)}}[min(n%10, 1)])
	}
	w.startWorker()
	w.startFlow()
	require.Equal(t, int64(len(ids)), w.loaded().Quarantined)
	origin := w.signedIn(b)
	hidden := []string{tooLong, "not-an-address"}

	b.do(chromedp.Navigate(origin+"/i/acme/quarantine"), b.shows("By reason"), b.shows("emailaddress1 → email"))
	b.hides(hidden...)
	b.accessible("quarantine")
	b.do(chromedp.Click(`a[href*="field=email"]`), b.shows("63 records"), b.shows("Next page"))
	b.hides(hidden...)
	b.accessible("refused records")
	b.do(chromedp.Click(`#release-chosen`), chromedp.WaitVisible(`dialog[open] h2`), b.shows("No record was chosen"))
	b.accessible("nothing chosen")
	b.do(chromedp.Click(`dialog[open] [data-close]`), chromedp.WaitNotPresent(`dialog[open]`))

	b.do(chromedp.Click(`tbody tr:first-child th a`), b.shows("What happened"))
	b.hides(hidden...)
	b.accessible("a refused record")
	var id string
	b.do(chromedp.Evaluate(`document.querySelector(".crumbs li:last-child").textContent`, &id))
	b.do(chromedp.Click(`#reveal`), chromedp.WaitVisible(`dialog[open] button.primary`), chromedp.Click(`dialog[open] button.primary`), b.shows("You see values of a person"), b.shows("not-an-address"))
	b.accessible("a revealed record")
	code, out, stderr := w.causeway("log", "--what", "reveal")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "ada")
	require.Contains(t, out, id)
	b.do(chromedp.Navigate(origin+"/i/acme/quarantine/contacts/records/"+id), b.shows("What happened"))
	b.hides(hidden...)

	// Mended, then tried again; the others of the reason are discarded.
	w.edit(id, map[string]any{"emailaddress1": "ann@example.test"})
	b.do(chromedp.Navigate(origin+"/i/acme/quarantine"), b.shows("By reason"), chromedp.Click(`a[href*="field=email"]`), b.shows("Discard chosen"),
		chromedp.Click(`tbody tr:nth-child(2) input`), chromedp.Click(`#discard-chosen`), chromedp.WaitVisible(`dialog[open] input[name="reason"]`), b.shows("Discard 1 record?"))
	b.accessible("a discard")
	b.do(chromedp.SendKeys(`dialog[open] input[name="reason"]`, "no such people"), chromedp.Click(`dialog[open] button.primary`), b.shows("Discarded: 1."))
	b.do(chromedp.Click(`a[href*="field=firstName"]`), b.shows("7 records"), chromedp.Click(`#release-all`), b.shows("Try 7 records again?"), chromedp.Click(`dialog[open] button.primary`), b.shows("are being tried again"))
	require.Eventually(t, func() bool { return w.boxes.Campaign.Profile(id) != nil }, settleWithin, 100*time.Millisecond)
	b.quiet(origin)
	w.noPersonalData()
}

// A data-protection officer says that the typology rules were looked at, compares both
// systems, and prints what was decided about one person; all of that is in the log, whose
// chain holds.
func TestOptOutsInABrowser(t *testing.T) {
	b := newBrowser(t)
	w := newOptOutWorld(t, 60, "rest")
	w.startWorker()
	w.startFlow()
	w.loaded()
	require.Contains(t, w.start(optout.Bidirectional).Warnings, activities.TypologyWarning)
	contact := w.ids()[0]
	require.NoError(t, w.boxes.Campaign.Update("profile", contact, []byte(`{"blackListEmail":true}`)))
	w.syncNow()
	origin := w.signedIn(b)

	b.do(chromedp.Navigate(origin+"/i/acme/optouts"), b.shows("both ways"), b.shows("How long things are kept"))
	b.accessible("opt-outs and privacy")
	b.do(chromedp.Click(`#typology`), b.shows("Nobody is asked again"), b.shows("says to be ada looked at them"))
	code, out, stderr := w.causeway("status", "optout")
	require.Zero(t, code, stderr)
	require.NotContains(t, out, "typology")
	b.do(chromedp.Click(`#compare`), b.shows("60 profiles compared"))
	b.accessible("compared")

	b.do(chromedp.Navigate(origin+"/i/acme/optouts"), chromedp.SendKeys(`input[name="contact"]`, contact), chromedp.Click(`#evidence`), b.shows("Decisions, the oldest first"))
	b.accessible("evidence")

	b.do(chromedp.Navigate(origin+"/i/acme/log"), b.shows("Nothing was changed or removed"), b.shows("Reveal values"), b.shows("Choices of "+contact), b.shows("Acknowledge"))
	b.accessible("the operations log")
	b.do(chromedp.Navigate(origin+"/i/acme/log?by=nobody"), b.shows("Nothing fits"))
	b.accessible("nothing fits")
	b.do(chromedp.Navigate(origin+"/i/acme/quarantine"), b.shows("Nothing is in quarantine"))
	b.accessible("an empty quarantine")
	b.do(chromedp.Navigate(origin+"/i/acme/docs"), b.shows("you know which page to read"))
	b.accessible("the documentation")
	b.do(chromedp.Click(`.doc a[href$="/docs/access"]`), b.shows("Who may do what"))
	b.accessible("a page of the documentation")
	b.do(chromedp.Navigate(origin+"/i/acme/about"), b.shows("Zero-Clause BSD"))
	b.accessible("about")
	b.quiet(origin)
}
