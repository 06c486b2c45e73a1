package e2e

import (
	"context"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/console"
	"causeway.dev/internal/operator"
	"causeway.dev/sandbox/entra"
	"causeway.dev/sandbox/stack"
	"causeway.dev/workflows"
)

// startConsole serves the console as the command line does, and returns what makes links to
// sign in.
func (w *world) startConsole() (link func() string, origin string) {
	w.t.Helper()
	link, origin, stop := w.serveConsole("127.0.0.1:0")
	w.t.Cleanup(stop)
	return link, origin
}

// serveConsole serves the console at an address until it is stopped.
func (w *world) serveConsole(listen string) (link func() string, origin string, stop func()) {
	w.t.Helper()
	server, err := console.Listen(w.t.Context(), console.ServeOptions{
		Configs: []console.Config{{File: w.cfgPath, Config: w.cfg}}, Listen: listen, HostPort: w.address, Namespace: "default",
		By: "ada", Lasts: time.Hour, LinkLasts: time.Hour, Dial: operator.Connect, Tell: func(string) {},
	})
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	u, err := url.Parse(server.Link())
	require.NoError(w.t, err)
	return server.Link, u.Scheme + "://" + u.Host, func() {
		cancel()
		require.NoError(w.t, <-done)
	}
}

// Somebody who never opens a terminal signs in, acknowledges, stops a table and starts it
// again. The browser asks nobody else, and every page can be used by everybody.
func TestTheConsoleInABrowser(t *testing.T) {
	b := newBrowser(t)
	w := newWorld(t, worldOptions{contacts: 300})
	w.startWorker()
	w.startFlow()
	load := w.loaded().LastRun.Run
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

	b.readsCharts(origin, load)
	b.runsInTheConsole(w, origin, load)

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

// runsInTheConsole looks at a table and its runs, reads records again of which one is not
// there, and rolls the first load back.
func (b *browser) runsInTheConsole(w *world, origin, load string) {
	b.t.Helper()
	b.do(chromedp.Navigate(origin+"/i/acme/"), b.shows("Workflows"), chromedp.Click(`#row-contacts th a`), b.shows("Recent runs"), b.shows("It adds up."))
	b.accessible("a workflow")
	b.do(chromedp.Navigate(origin+"/i/acme/runs"), b.shows("Load of Contacts"))
	b.accessible("runs")

	b.do(chromedp.Click(`main .head a.btn`), b.shows("Say what it costs"))
	b.accessible("the form of a backfill")
	b.do(chromedp.Click(`input[value="ids"]`), chromedp.SendKeys(`textarea[name="ids"]`, w.boxes.Dynamics.Keys("contacts")[0]+"\n6f0c1d2e-ffff-4000-8000-000000000001"),
		chromedp.Click(`#check`), b.shows("Nothing is read yet"), b.shows("Found 1 of 2. Read 1 record again?"))
	b.accessible("what a backfill costs")
	b.do(chromedp.Click(`#begin`), b.shows("The backfill was accepted"))
	again := w.until("the backfill", func(st workflows.Status) bool { return st.LastRun != nil && st.LastRun.Kind == activities.KindBackfill }).LastRun.Run
	b.do(chromedp.Navigate(origin+"/i/acme/runs/"+again), b.shows("Backfill of Contacts"), b.shows("Found 1 of 2"), b.shows("6f0c1d2e-ffff-4000-8000-000000000001"))

	b.do(chromedp.Navigate(origin+"/i/acme/runs/"+load), b.shows("Load of Contacts"), b.shows("Pages and lanes"))
	b.accessible("a run")
	b.do(chromedp.Click(`#rollback-run`), chromedp.WaitVisible(`dialog[open] button.primary`), b.shows("Roll back 300 records"))
	b.accessible("the preview of a rollback")
	b.do(chromedp.Click(`dialog[open] button.primary`), b.shows("The rollback was accepted"))
	w.until("the rollback", func(st workflows.Status) bool {
		return st.LastRun != nil && st.LastRun.Kind == activities.KindRollback && st.LastRun.State == "COMPLETED"
	})
	b.do(chromedp.Navigate(origin+"/i/acme/runs/"+load), b.shows("It was undone by"))
}

// People sign in at the directory, and may do what their groups say: the operator starts a
// table, the viewer sees it and is offered nothing, and is refused by address as well.
func TestSigningInToTheConsoleInABrowser(t *testing.T) {
	b := newBrowser(t)
	var issuer string
	w := newWorld(t, worldOptions{contacts: 50, boxes: func(s *stack.Stack) { issuer = s.SignInIssuer }, yaml: func(text string) string {
		return text + "access:\n  issuer: " + issuer + "\n  client_id: " + entra.SignInClientID + "\n  ca_file: CA\n  groups: {viewer: [" + entra.ViewerGroup +
			"], operator: [" + entra.OperatorGroup + "]}\n"
	}})
	text, err := os.ReadFile(w.cfgPath)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(w.cfgPath, []byte(strings.Replace(string(text), "ca_file: CA", "ca_file: "+w.boxes.CAPath, 1)), 0o600))
	w.load()
	w.startWorker()
	_, origin := w.startConsole()
	as := func(name string) {
		b.do(chromedp.Navigate(origin+"/i/acme/"), b.shows("Use the account of your organisation"))
		b.do(chromedp.Click(`main a.btn.primary`), b.shows(name),
			chromedp.Click(`//label[contains(., "`+name+`")]`, chromedp.BySearch), chromedp.Click(`button[value="signin"]`), b.shows("Before you begin: personal data"))
		b.do(chromedp.Click(`input[name="read"]`), chromedp.Click(`button.primary`), b.shows("Workflows"))
	}
	out := chromedp.Evaluate(`document.querySelector('form[action="/sign-out"]').requestSubmit()`, nil)

	as("Olga Dahl")
	b.do(chromedp.Click(`#start-contacts`), b.shows("Contacts was started."))
	w.until("the start", func(st workflows.Status) bool {
		return st.State == workflows.StateRunning && strings.HasPrefix(st.StartedBy, "Olga Dahl <")
	})
	b.do(out, b.shows("You are signed out"))
	b.accessible("the door to the issuer")

	as("Vera Holm")
	var buttons int
	b.do(b.shows("Contacts"), chromedp.Evaluate(`document.querySelectorAll("#stop-contacts").length`, &buttons))
	require.Zero(t, buttons)
	b.do(chromedp.Navigate(origin+"/i/acme/flows/contacts/stop"), b.shows("this needs the role operator"))
	u, err := url.Parse(issuer)
	require.NoError(t, err)
	b.mu.Lock()
	b.complaints = slices.DeleteFunc(b.complaints, func(text string) bool {
		return strings.Contains(text, "status of 403") || strings.Contains(text, "status of 400") // what was asked for, and the directory's icon
	})
	b.mu.Unlock()
	b.quiet(origin, u.Scheme+"://"+u.Host)
}
