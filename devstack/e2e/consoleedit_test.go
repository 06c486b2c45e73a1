package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Somebody who never opens a terminal maps a further table: adds the mapping, mends a
// mistake, tries it, sees what it would do, saves it, starts it, and sees the records in
// Campaign. Then they change it at the same time as somebody else, and bring back what was.
func TestAMappingIsMadeInABrowser(t *testing.T) {
	b := newBrowser(t)
	w := newWorld(t, worldOptions{contacts: 20, stack: withVehicles})
	const plate = "ZZ 4711"
	vehicle, err := w.boxes.Dynamics.Insert("new_vehicles", map[string]any{"new_name": "Van", "new_plate": plate, "new_fuel": 2})
	require.NoError(t, err)
	w.startWorker()
	w.startFlow()
	w.loaded()
	origin := w.signedIn(b)
	at := origin + "/i/acme/mappings/vehicles"

	// Proposed, and changed: a name, a pair that does not fit, a replacement, a filter.
	b.do(chromedp.Navigate(origin+"/i/acme/addmapping?table=new_vehicle&resource=cusVehicle"), b.shows("2. What is proposed"))
	b.accessible("a proposed mapping, to go on with")
	b.do(chromedp.Click(`#begin`), b.shows("A new mapping"), chromedp.SetValue(`#name`, "vehicles"))
	b.accessible("a new mapping")
	b.do(chromedp.Click(`#add-pair`), chromedp.WaitVisible(`input[id^="from-"]:focus`), chromedp.SendKeys(`input[id^="from-"]:focus`, "new_seen"),
		chromedp.SendKeys(`.pair:last-child input[id^="to-"]`, "leased"), b.shows("to mend first"), chromedp.WaitVisible(`.pair:last-child .msg.bad`))
	b.accessible("a mistake beside its field")
	b.do(chromedp.Click(`#save`), b.shows("Nothing was saved."), b.shows("to mend first"))
	text, err := os.ReadFile(w.cfgPath)
	require.NoError(t, err)
	require.NotContains(t, string(text), "new_vehicle", "nothing with a mistake is saved")
	b.do(chromedp.Click(`.pair:last-child button[value^="remove-pair-"]`), b.shows("fits both systems"))

	b.do(chromedp.SendKeys(`#try`, vehicle), chromedp.Click(`#trybtn`), b.shows("With these edits a run would: create"))
	b.hides(plate)
	b.accessible("a draft tried")
	b.do(chromedp.Click(`#plan`), b.shows("What it would do with these edits"), b.shows("Engine calls"))
	b.accessible("what a draft would do")
	b.do(chromedp.SendKeys(`#reason`, "vehicles, too"), chromedp.Click(`#save`), b.shows("It was saved. It does not run yet."))
	b.accessible("a saved mapping")
	b.do(chromedp.Click(`#start-vehicles`), b.shows("Vehicles was started."))
	require.Eventually(t, func() bool { return w.boxes.Campaign.Record("cusVehicle", vehicle) != nil }, settleWithin, 100*time.Millisecond)
	code, out, stderr := w.causeway("config", "history")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "vehicles, too")

	// Two people: the second is told, takes up both, and nothing is lost.
	b.do(chromedp.Navigate(at+"/edit"), b.shows("Nothing is changed yet."))
	b.accessible("a mapping to edit")
	now, err := os.ReadFile(w.cfgPath)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(w.cfgPath, append(now, "quarantine: {stop_ratio: 0.5}\n"...), 0o600))
	b.do(chromedp.Click(`#tv`), b.shows("1 edit is not saved."), chromedp.Click(`#save`), b.shows("Somebody else has saved meanwhile"))
	b.accessible("somebody else has saved")
	b.do(chromedp.Click(`#both`), chromedp.WaitNotPresent(`#conflict`), b.shows("1 edit is not saved."), chromedp.Click(`#save`), b.shows("It was saved. It does not run yet."), b.shows("Saved edits are not running yet."))
	now, err = os.ReadFile(w.cfgPath)
	require.NoError(t, err)
	require.Contains(t, string(now), "stop_ratio: 0.5")
	require.Contains(t, string(now), "technical_values: true")
	b.do(chromedp.Click(`#restart-vehicles`), chromedp.WaitVisible(`dialog[open] button.primary`), chromedp.Click(`dialog[open] button.primary`), b.shows("Vehicles was stopped and started."))

	// What was saved is undone.
	b.do(chromedp.Navigate(at+"/history"), b.shows("Technical values is now on"))
	b.accessible("the history of a mapping")
	b.do(chromedp.Click(`a[id^="undo-"]`), chromedp.WaitVisible(`dialog[open] button.primary`), b.shows("Technical values is now off"))
	b.accessible("an undo")
	b.do(chromedp.SendKeys(`dialog[open] input[name="reason"]`, "labels are needed"), chromedp.Click(`dialog[open] button.primary`), b.shows("It was restored, as a new save"))
	now, err = os.ReadFile(w.cfgPath)
	require.NoError(t, err)
	require.NotContains(t, string(now), "technical_values: true")
	b.mu.Lock() // a browser notes an answer that refuses something, which was asked for here
	b.complaints = slices.DeleteFunc(b.complaints, func(s string) bool {
		return strings.Contains(s, "status of 422") || strings.Contains(s, "status of 409")
	})
	b.mu.Unlock()
	b.quiet(origin)
}
