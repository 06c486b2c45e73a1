package e2e

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"causeway.dev/console"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// startConsole serves the console as the command line does, and returns what makes links to
// sign in.
func (w *world) startConsole() (link func() string, origin string) {
	w.t.Helper()
	server, err := console.Listen(w.t.Context(), console.ServeOptions{
		Configs: []console.Config{{File: w.cfgPath, Config: w.cfg}}, Listen: "127.0.0.1:0", HostPort: w.address, Namespace: "default",
		By: "ada", Lasts: time.Hour, LinkLasts: time.Hour, Dial: operator.Connect, Tell: func(string) {},
	})
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		require.NoError(w.t, <-done)
	})
	u, err := url.Parse(server.Link())
	require.NoError(w.t, err)
	return server.Link, u.Scheme + "://" + u.Host
}

// Somebody who never opens a terminal signs in, acknowledges, stops a table and starts it
// again. The browser asks nobody else, and every page can be used by everybody.
func TestTheConsoleInABrowser(t *testing.T) {
	b := newBrowser(t)
	w := newWorld(t, worldOptions{contacts: 300})
	w.startWorker()
	w.startFlow()
	w.loaded()
	link, origin := w.startConsole()

	b.do(chromedp.Navigate(origin+"/i/acme/"), b.shows("Print another link"))
	b.accessible("the door")
	b.do(chromedp.Navigate(link()), b.shows("Before you begin: personal data"))
	b.accessible("the privacy text")
	b.do(chromedp.Click(`input[name="read"]`), chromedp.Click(`button.primary`), b.shows("Workflows"), b.shows("Dynamics 365 → Campaign"), b.shows("Opt-in/out"))
	b.accessible("the overview")

	stop := `#stop-contacts`
	b.do(chromedp.Click(stop), chromedp.WaitVisible(`dialog[open] h2`), b.shows("Stop Contacts?"))
	b.accessible("a confirmation")
	var focused string
	b.do(chromedp.Evaluate(`document.activeElement.textContent`, &focused))
	require.Equal(t, "Cancel", focused)
	b.do(chromedp.KeyEvent("\u001b"), chromedp.WaitNotPresent(`dialog[open]`), // Escape
		chromedp.Click(stop), chromedp.WaitVisible(`dialog[open] button.primary`), chromedp.Click(`dialog[open] button.primary`), b.shows("Contacts was stopped."))
	w.until("the stop", func(st workflows.Status) bool { return st.State == workflows.StateStopped })
	b.do(chromedp.Click(`#start-contacts`), b.shows("Contacts was started."))
	w.until("the start", func(st workflows.Status) bool { return st.State == workflows.StateRunning && st.StartedBy == "ada" })

	// The page tells by itself what somebody else does.
	b.do(chromedp.Navigate(origin + "/i/acme/"))
	var st workflows.Status
	w.update(workflows.UpdatePause, workflows.PauseRequest{Reason: "Campaign release", By: "test"}, &st)
	b.do(b.shows("Contacts is paused"), b.shows("Campaign release"))
	b.accessible("something needs attention")

	// A tip opens for the keyboard, and closes on Escape.
	var open []bool
	tip := `getComputedStyle(document.querySelector(".term .tip")).display !== "none"`
	for _, step := range []string{`document.querySelector(".term").focus()`, `document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape", bubbles: true}))`} {
		var is bool
		b.do(chromedp.Evaluate(step, nil), chromedp.Evaluate(tip, &is))
		open = append(open, is)
	}
	require.Equal(t, []bool{true, false}, open)

	b.do(chromedp.Evaluate(`document.querySelector('form[action="/sign-out"]').requestSubmit()`, nil), b.shows("You are signed out"))
	b.do(chromedp.Navigate(link()), b.shows("Workflows")) // the ledger knows that the text was acknowledged
	b.quiet(origin)
}
