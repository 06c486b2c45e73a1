package e2e

import (
	"path/filepath"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/stack"
)

// withVehicles gives both systems a further table.
func withVehicles(o *stack.Options) {
	o.SeedFile = filepath.Join("..", "..", "sandbox", "testdata", "vehicles.yaml")
}

// looksAtMappings lists the mappings, reads one against both systems, tries it on a person,
// says what it would do, and has another one proposed. No page shows a value before it is
// revealed, and nothing is written.
func (b *browser) looksAtMappings(w *world, origin, id, address string, hidden []string) {
	b.t.Helper()
	b.do(chromedp.Navigate(origin+"/i/acme/mappings"), b.shows("On file"), b.shows("fits both systems"), b.shows("what is on file runs"))
	b.accessible("mappings")
	b.do(chromedp.Click(`#list a[href$="/mappings/contacts"]`), b.shows("text, up to"), b.shows("unique id"), b.shows("Deletes and choices"), b.shows("Read again"))
	b.accessible("a mapping")
	// The page before says the same, so a click would not tell when the new one is there.
	b.do(chromedp.WaitVisible(`#fresh[href$="?fresh=yes"]`), chromedp.Navigate(origin+"/i/acme/mappings/contacts?fresh=yes"), b.shows("fits both systems"))
	b.do(chromedp.SendKeys(`#try`, address), chromedp.Click(`#trybtn`), b.shows("A run would"), b.shows(id), b.shows("differs, and stays"))
	b.hides(hidden...)
	b.accessible("a mapping tried")
	b.do(chromedp.Click(`#reveal`), chromedp.WaitVisible(`dialog[open] [data-close]:focus`), chromedp.SendKeys(`dialog[open] input[name="reason"]`, "ticket 4712"),
		chromedp.Click(`dialog[open] button.primary`), b.shows("You see values of a person"), b.shows(address))
	b.accessible("a mapping tried, revealed")
	b.do(chromedp.Navigate(origin+"/i/acme/mappings/contacts"), b.shows("What it would do"), chromedp.Click(`#plan`), b.shows("What would become of the records"), b.shows("Engine calls"))
	b.hides(hidden...)
	b.accessible("what a mapping would do")
	code, out, stderr := w.causeway("log")
	require.Zero(b.t, code, stderr)
	require.Contains(b.t, out, "ticket 4712; values of the record "+id+", to try a mapping")

	b.do(chromedp.Navigate(origin+"/i/acme/mappings"), chromedp.Click(`#add`), b.shows("are not mapped yet"))
	b.accessible("a mapping to add")
	b.do(chromedp.SendKeys(`#table`, "new_vehicle"), chromedp.SendKeys(`#resource`, "cusVehicle"), chromedp.Click(`#propose`), b.shows("2. What is proposed"), b.shows("Or take the file"))
	b.accessible("a proposed mapping")
}
