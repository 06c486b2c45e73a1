package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Somebody finds a person by e-mail address and by name, sees both systems side by side and
// what happened, reveals the values, and forgets the person once neither system has them. No
// page shows a value before it is revealed, and Temporal never has one.
func TestAPersonInABrowser(t *testing.T) {
	b := newBrowser(t)
	w := newWorld(t, worldOptions{contacts: 60, stack: withVehicles})
	ids := w.ids()
	const address, name, changed = "quibblethorn@example.test", "Quibblethorn", "Marshwiggle"
	for _, id := range ids[:2] {
		w.edit(id, map[string]any{"emailaddress1": id[:8] + "-" + address, "firstname": "Zoralda", "lastname": name})
	}
	id := ids[0]
	w.edit(id, map[string]any{"emailaddress1": address})
	w.startWorker()
	w.startFlow()
	w.loaded()
	require.NoError(t, w.boxes.Campaign.Update("profile", id, []byte(`{"firstName":"`+changed+`"}`)))
	origin := w.signedIn(b)
	hidden := []string{"quibblethorn@", name, changed, "Zoralda"}

	b.do(chromedp.Navigate(origin+"/i/acme/people"), b.shows("Both systems are asked now"))
	b.accessible("find a person")
	b.do(chromedp.SendKeys(`#pq`, "zora quib"), chromedp.Click(`#find`), b.shows("Who fits"), b.shows(ids[1]))
	b.hides(hidden...)
	b.accessible("people who fit")
	b.do(chromedp.SendKeys(`#pq`, "nobody@example.test"), chromedp.Click(`#find`), b.shows("Nobody fits"))
	b.accessible("nobody fits")
	b.do(chromedp.SendKeys(`#q`, address+"\r"), b.shows("Side by side"), b.shows(id), b.shows("Created in Campaign"), b.shows("differs"))
	b.hides(hidden...)
	b.accessible("a person")

	// Only what differs, or one kind of what happened, is shown.
	shown := func(of string) (n int) {
		b.do(chromedp.Evaluate(`[...document.querySelectorAll("`+of+`")].filter(e => e.checkVisibility()).length`, &n))
		return n
	}
	all := shown(".sides tbody tr")
	b.do(chromedp.Click(`#only-differences`))
	require.Equal(t, 1, shown(".sides tbody tr"))
	b.do(chromedp.Click(`#only-differences`))
	require.Equal(t, all, shown(".sides tbody tr"))
	b.do(chromedp.Click(`#sync`), chromedp.WaitVisible(`dialog[open] [data-close]:focus`), b.shows("Sync this record?"))
	b.accessible("syncing one record")
	b.do(chromedp.Click(`dialog[open] button.primary`), b.shows("The record is read and written again"))
	b.do(chromedp.Click(`#reveal`), chromedp.WaitVisible(`dialog[open] [data-close]:focus`), chromedp.SendKeys(`dialog[open] input[name="reason"]`, "ticket 4711"),
		chromedp.Click(`dialog[open] button.primary`), b.shows("You see values of a person"), b.shows(changed), b.shows(address))
	b.accessible("a revealed person")
	code, out, stderr := w.causeway("log")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "records by e-mail address")
	require.Contains(t, out, "ticket 4711; values of the record "+id)
	for _, value := range hidden {
		require.NotContains(t, out, value)
	}
	code, out, stderr = w.causeway("explain", "contacts", "--email", address)
	require.Zero(t, code, stderr)
	require.Contains(t, out, id)
	require.NotContains(t, out, name)

	b.looksAtMappings(w, origin, id, address, hidden)

	// Forgotten, once neither system has the person.
	b.do(chromedp.Navigate(origin+"/i/acme/people/"+id), b.shows("Side by side"), chromedp.Click(`#forget`), b.shows("Nothing is erased while Dynamics has the person"))
	w.noPersonalData()
	require.True(t, w.boxes.Dynamics.Delete("contacts", id))
	require.NoError(t, w.boxes.Campaign.Delete("profile", id))
	b.do(chromedp.Navigate(origin+"/i/acme/people/"+id), b.shows("in neither system"), chromedp.Click(`#forget`), chromedp.WaitVisible(`dialog[open] button.primary`), b.shows("Forget the person "+id+"?"))
	b.accessible("what would be erased")
	b.do(chromedp.Click(`dialog[open] button.primary`), b.shows("The person"), b.shows("erase"))
	b.quiet(origin)
}
