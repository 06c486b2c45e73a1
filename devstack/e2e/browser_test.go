package e2e

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

//go:embed testdata/axe/axe.min.js
var axe string

// browser is a headless Chromium that notes where it goes and what it complains about.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	origins    map[string]bool
	complaints []string
}

// newBrowser needs Debian's package chromium; without it the test is skipped, unless
// CAUSEWAY_REQUIRE_CHROMIUM is set.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CAUSEWAY_REQUIRE_CHROMIUM") != "" {
			require.FailNow(t, "chromium is not installed, and CAUSEWAY_REQUIRE_CHROMIUM is set")
		}
		t.Skip("chromium is not installed: apt-get install chromium")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.IgnoreCertErrors, // of the sandboxes
		chromedp.WSURLReadTimeout(settleWithin), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // of events newer than it knows
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, origins: map[string]bool{}}
	chromedp.ListenTarget(ctx, b.note)
	require.NoError(t, chromedp.Run(ctx, network.Enable(), cdplog.Enable(), runtime.Enable()))
	return b
}

func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil {
			b.origins[u.Scheme+"://"+u.Host] = true
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.LevelError || strings.Contains(e.Entry.Text, "Content Security Policy") {
			b.complaints = append(b.complaints, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Error())
	}
}

// do runs steps, each of which has a while. A part of the page that is replaced between being
// found and being used has taken nothing of the step, which is made again.
func (b *browser) do(steps ...chromedp.Action) {
	b.t.Helper()
	for n, step := range steps {
		ctx, cancel := context.WithTimeout(b.ctx, settleWithin)
		err := chromedp.Run(ctx, step)
		for err != nil && strings.Contains(err.Error(), "Could not find node with given id") && ctx.Err() == nil {
			err = chromedp.Run(ctx, step)
		}
		cancel()
		if err != nil {
			var text string
			_ = chromedp.Run(b.ctx, chromedp.Evaluate(`location.href + "\n" + document.body.innerText`, &text))
			require.FailNow(b.t, "the browser", "step %d: %v\n%s", n, err, text)
		}
	}
}

// shows waits until the page has a text. A page that is left meanwhile answers nothing.
func (b *browser) shows(text string) chromedp.Action {
	quoted, err := json.Marshal(text)
	require.NoError(b.t, err)
	return chromedp.ActionFunc(func(ctx context.Context) error {
		look := time.NewTicker(100 * time.Millisecond)
		defer look.Stop()
		for {
			var is bool
			if err := chromedp.Evaluate(fmt.Sprintf(`document.readyState === "complete" && document.body.innerText.includes(%s)`, quoted), &is).Do(ctx); err == nil && is {
				return nil
			}
			select {
			case <-look.C:
			case <-ctx.Done():
				return fmt.Errorf("waiting for %q: %w", text, ctx.Err())
			}
		}
	})
}

// accessible runs axe on the page as it is, at both widths and in both themes.
func (b *browser) accessible(what string) {
	b.t.Helper()
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			var found []struct {
				ID    string `json:"id"`
				Nodes []struct {
					HTML    string `json:"html"`
					Summary string `json:"failureSummary"`
				} `json:"nodes"`
			}
			var wide bool
			b.do(chromedp.EmulateViewport(width, 900),
				chromedp.Evaluate(fmt.Sprintf(`document.documentElement.dataset.theme = %q; document.documentElement.scrollWidth > innerWidth`, theme), &wide),
				chromedp.Evaluate(axe+`;axe.run().then((r) => r.violations)`, &found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
			b.keep(fmt.Sprintf("%s-%d-%s", what, width, theme))
			require.Empty(b.t, found, "%s, %d px, %s", what, width, theme)
			require.False(b.t, wide, "%s, %d px: it scrolls sideways", what, width)
		}
	}
	b.do(chromedp.EmulateViewport(1280, 900))
}

// keep writes a picture of the page into the folder CAUSEWAY_SCREENSHOTS, for people who look.
func (b *browser) keep(name string) {
	b.t.Helper()
	dir := os.Getenv("CAUSEWAY_SCREENSHOTS")
	if dir == "" {
		return
	}
	var picture []byte
	b.do(chromedp.FullScreenshot(&picture, 100))
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".png"), picture, 0o600))
}

// quiet requires that the browser went nowhere else, and complained about nothing.
func (b *browser) quiet(origins ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for at := range b.origins {
		require.True(b.t, slices.Contains(origins, at) || strings.HasPrefix(at, "data:") || strings.HasPrefix(at, "about:") || strings.HasPrefix(at, "chrome"), "a request to %s", at)
	}
	require.Empty(b.t, b.complaints)
}
