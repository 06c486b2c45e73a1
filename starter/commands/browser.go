package commands

import (
	"io"
	"os"
	"runtime"

	"github.com/pkg/browser"
)

// openBrowser shows an address in the browser of this desk. There may be none: the address
// was printed as well.
func openBrowser(address string) {
	if !desk(runtime.GOOS, os.Getenv) {
		return
	}
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	_ = browser.OpenURL(address)
}

// desk says whether somebody may sit in front of a screen of this machine.
func desk(system string, getenv func(string) string) bool {
	switch {
	case getenv("SSH_CONNECTION") != "" || getenv("CI") != "":
		return false
	case system == "windows" || system == "darwin":
		return true
	}
	return getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != ""
}
