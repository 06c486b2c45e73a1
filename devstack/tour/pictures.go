package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// picture is a page in a theme.
type picture struct {
	file, path string // path begins at the instance in the console, or is an address of its own
	dark       bool
	ready      string // text that the page has once it is whole
}

// takePictures takes each in a browser that has signed in.
func takePictures(ctx context.Context, r *running, folder string) error {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return fmt.Errorf("pictures need a browser (apt-get install chromium): %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("hide-scrollbars", true))
	ctx, cancel := chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // of events newer than it knows
	defer cancel()
	if err := chromedp.Run(ctx); err != nil { // it ends with this context, and not with that of a step
		return fmt.Errorf("starting chromium: %w", err)
	}
	var home string
	err = within(ctx, chromedp.EmulateViewport(1280, 800, chromedp.EmulateScale(1.25)), chromedp.Navigate(r.console), shows("Before you begin"),
		chromedp.Click(`input[name=read]`), chromedp.Click(`button.primary`), shows("Workflows"), chromedp.Location(&home))
	if err != nil {
		return fmt.Errorf("signing in to the console: %w", err)
	}
	home = strings.TrimRight(home, "/")
	ui := strings.TrimSuffix(r.ui, "/workflows")
	for _, p := range []picture{
		{"console-overview.png", home, false, "Last checked"},
		{"console-overview-dark.png", home, true, "Last checked"},
		{"console-mapping.png", home + "/mappings/contacts", false, "emailaddress1"},
		{"console-quarantine.png", home + "/quarantine", false, "Quarantine"},
		{"temporal-workflows.png", ui + "/workflows", false, "contacts"},
		{"temporal-run.png", "", false, "Event History"},
	} {
		if p.path == "" {
			if p.path, err = largestRun(ctx, ui); err != nil {
				return fmt.Errorf("%s: %w", p.file, err)
			}
		}
		if err := take(ctx, p, filepath.Join(folder, p.file)); err != nil {
			return fmt.Errorf("%s: %w", p.file, err)
		}
	}
	return nil
}

func take(ctx context.Context, p picture, file string) error {
	theme := "light"
	if p.dark {
		theme = "dark"
	}
	var png []byte
	err := within(ctx, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}),
		chromedp.Navigate(p.path), shows(p.ready), chromedp.Sleep(2*time.Second), // charts are drawn after their text
		chromedp.CaptureScreenshot(&png))
	if err != nil {
		return err
	}
	return os.WriteFile(file, png, 0o644)
}

// largestRun is the address of the initial load of the contacts in Temporal's Web UI.
func largestRun(ctx context.Context, ui string) (string, error) {
	var address string
	find := `[...document.querySelectorAll("a[href*='/workflows/']")].map(a => a.href).find(h => /initial|contacts%2F|contacts-/.test(h)) || ""`
	err := within(ctx, chromedp.Navigate(ui+"/workflows?query="+"WorkflowType%3D%22Backfill%22"), shows("contacts"), chromedp.Sleep(time.Second), chromedp.Evaluate(find, &address))
	if err == nil && address == "" {
		err = fmt.Errorf("no run of the contacts is listed at %s", ui)
	}
	return address, err
}

// within gives the steps a minute, and says what the page showed when that was not enough.
func within(ctx context.Context, steps ...chromedp.Action) error {
	bounded, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := chromedp.Run(bounded, steps...)
	if err != nil {
		var text string
		_ = chromedp.Run(ctx, chromedp.Evaluate(`location.href + "\n" + document.body.innerText`, &text)) // the failure says more
		err = fmt.Errorf("%w\n%s", err, text)
	}
	return err
}

// shows waits until the page has a text. A page that is left meanwhile answers nothing.
func shows(text string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		look := time.NewTicker(100 * time.Millisecond)
		defer look.Stop()
		for {
			var is bool
			if err := chromedp.Evaluate(fmt.Sprintf(`document.readyState === "complete" && document.body.innerText.includes(%q)`, text), &is).Do(ctx); err == nil && is {
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
