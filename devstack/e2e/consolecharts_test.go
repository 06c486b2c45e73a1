package e2e

import (
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// readsCharts looks at the charts of the overview and of a table, with eyes and without, and
// at times in another zone.
func (b *browser) readsCharts(origin, load string) {
	b.t.Helper()
	var says string
	b.do(chromedp.Navigate(origin+"/i/acme/"), chromedp.WaitVisible(`#chart-records canvas`), chromedp.AttributeValue(`#chart-records`, "aria-label", &says, nil))
	require.Regexp(b.t, `^Records a minute and backlog in the last 24 hours\. Records a minute: .*, at most \d+(\.\d)? at `, says)
	b.accessible("a chart")

	b.do(chromedp.Navigate(origin+"/i/acme/flows/contacts"), chromedp.WaitVisible(`#chart-records canvas`), chromedp.Click(`nav[aria-label="Time shown"] a`), chromedp.WaitVisible(`#charts a[href$="span=1h"][aria-current="true"]`))
	// New values do not take away what is drawn.
	var kept bool
	b.do(chromedp.WaitVisible(`#chart-records canvas`), chromedp.Evaluate(`window.drawn = document.querySelector("#chart-records canvas"), htmx.ajax("GET", document.querySelector("#charts").getAttribute("hx-get"), {target: "#charts", swap: "outerHTML"}).then(() => new Promise(requestAnimationFrame)).then(() => drawn.isConnected && drawn === document.querySelector("#chart-records canvas"))`,
		&kept, awaited))
	require.True(b.t, kept)
	// The table opens by the keyboard.
	b.do(chromedp.Focus(`#charts summary`), chromedp.KeyEvent("\r"), chromedp.WaitVisible(`#charts details[open] table`), b.shows("Backlog at most"))
	b.accessible("charts as tables")

	// Somebody in India reads their own times, and UTC on hover.
	var text, title, zone string
	b.do(emulation.SetTimezoneOverride("Asia/Kolkata"), chromedp.Navigate(origin+"/i/acme/runs/"+load), chromedp.WaitVisible(`time[data-clock]`), chromedp.Text(`time[data-clock]`, &text))
	require.Regexp(b.t, `(IST|GMT\+5:30)$`, text, "at once")
	b.do(chromedp.Reload(), chromedp.WaitVisible(`time[data-clock]`), chromedp.Text(`time[data-clock]`, &text), chromedp.AttributeValue(`time[data-clock]`, "title", &title, nil), chromedp.AttributeValue(`html`, "data-zone", &zone, nil))
	require.Regexp(b.t, `^\d+ \w+ \d{4}, \d\d:\d\d IST$`, text)
	require.Regexp(b.t, ` IST · \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$`, title)
	require.Contains(b.t, []string{"Asia/Kolkata", "Asia/Calcutta"}, zone)
	b.do(emulation.SetTimezoneOverride(""))
}
