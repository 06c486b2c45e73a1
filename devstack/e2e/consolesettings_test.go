package e2e

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// An admin tests the connection to Dynamics, makes a mistake that is told beside the field,
// corrects it and saves, is told that the worker does not run with it yet, and replaces a
// secret, which no page shows. An operator gets a support bundle.
func TestSettingsInABrowser(t *testing.T) {
	b := newBrowser(t)
	w := newWorld(t, worldOptions{contacts: 20})
	w.startWorker()
	w.startFlow()
	w.loaded()
	held, err := os.ReadFile(w.boxes.DynamicsSecretFile)
	require.NoError(t, err)
	secret := strings.TrimSpace(string(held))
	origin := w.signedIn(b)

	b.do(chromedp.Navigate(origin+"/i/acme/settings"), b.shows("Does it work?"), b.shows("Directory (tenant)"))
	b.hides(secret)
	b.accessible("settings of dynamics")
	b.do(chromedp.Click(`#testbtn`), b.shows("looked just now"), b.shows("Dynamics: "))
	b.hides(secret)
	b.accessible("settings tested")
	b.do(chromedp.Click(`.tabs a[href$="/settings/worker"]`), b.shows("Where state is kept and where Temporal is"), chromedp.Click(`#testbtn`), b.shows("looked just now"), b.shows("Campaign: "))
	b.accessible("everything checked")

	b.do(chromedp.Click(`.tabs a[href$="/settings/limits"]`), b.shows("Engine calls an hour"), b.shows("Nothing is edited"))
	b.accessible("settings of limits")
	writes := func(value string) chromedp.Action {
		return chromedp.Evaluate(`{const f = document.getElementById("deletes-stop_min"); f.value = "`+value+`"; f.dispatchEvent(new Event("input", {bubbles: true})); true}`, nil)
	}
	b.do(writes("0"), b.shows("cannot be saved yet"), b.shows("Got 0, want 1 to 1000000."))
	b.accessible("a mistake in the settings")
	b.do(writes("250"), b.shows("1 edit not saved yet"), b.shows("Deletes that need none is now 250; it was 100"))
	b.accessible("an edit of the settings")
	b.do(chromedp.SendKeys(`input[name="reason"]`, "as agreed"), chromedp.Click(`#save`), b.shows("Saved."), b.shows("They differ in: deletes"))
	b.accessible("settings saved")
	text, err := os.ReadFile(w.cfgPath)
	require.NoError(t, err)
	require.Contains(t, string(text), "stop_min: 250")
	code, out, stderr := w.causeway("status")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "runs with other settings than the file here says, in deletes")
	code, out, stderr = w.causeway("config", "history")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "as agreed")

	const fresh = "sesame-of-a-test"
	b.do(chromedp.Click(`.tabs a[href$="/settings/dynamics"]`), b.shows("Secrets"), chromedp.SendKeys(`#secret-dynamics-client_secret input[name="value"]`, fresh),
		chromedp.Click(`#replace-dynamics-client_secret`), b.shows("The secret was replaced"))
	b.hides(fresh, secret)
	held, err = os.ReadFile(w.boxes.DynamicsSecretFile)
	require.NoError(t, err)
	require.Equal(t, fresh, strings.TrimSpace(string(held)))
	code, out, stderr = w.causeway("log", "--what", "secret")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "dynamics.client_secret")
	require.NotContains(t, out, fresh)
	require.NoError(t, os.WriteFile(w.boxes.DynamicsSecretFile, []byte(secret), 0o600))

	bundle := filepath.Join(t.TempDir(), "causeway.zip")
	code, _, stderr = w.causeway("support", "bundle", "-o", bundle)
	require.Zero(t, code, stderr)
	require.NotContains(t, w.unzipped(bundle), secret)
	for _, c := range w.boxes.Dynamics.Keys("contacts") {
		require.NotContains(t, w.unzipped(bundle), c)
	}
	b.do(chromedp.Navigate(origin+"/i/acme/about"), b.shows("Support bundle"))
	b.accessible("about, with the bundle")
	b.quiet(origin)
	w.noPersonalData()
}

// unzipped is everything in a zip.
func (w *world) unzipped(path string) string {
	w.t.Helper()
	z, err := zip.OpenReader(path)
	require.NoError(w.t, err)
	defer z.Close()
	var out strings.Builder
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(w.t, err)
		_, err = io.Copy(&out, r)
		require.NoError(w.t, err)
		require.NoError(w.t, r.Close())
	}
	return out.String()
}
