package commands

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Without an issuer the console is for this machine: nobody else may even ask.
func TestTheConsoleListensOnThisMachineAlone(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--listen 0.0.0.0:0":                     "the console is for this machine alone; listen at 127.0.0.1",
		"--listen :8280":                         "for this machine alone",
		"--listen example.test:1":                "for this machine alone",
		"--listen 8280":                          "want a host and a port",
		"--session-lasts 5s":                     "--session-lasts: got 5s, want 1m to 24h",
		"--cookie-key plain":                     "--cookie-key: not a reference to a secret",
		"--client-secret env:NONE_SUCH":          "--client-secret: environment variable NONE_SUCH is not set",
		"--url https://c.example":                "for this machine alone",
		"--link-lasts 48h":                       "--link-lasts",
		"--config none.yaml":                     "none.yaml",
		"-c " + configFile + " -c " + configFile: `both of the instance "acme"`,
		"extra":                                  "want none",
	} {
		code, _, stderr := newWorld().run(t, append([]string{"console"}, strings.Fields(args)...)...)
		require.Equal(t, exitBadInput, code, args)
		require.Contains(t, stderr, want, args)
	}
}

// lines is what a program that goes on has printed so far.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	link chan string
}

var signInLink = regexp.MustCompile(`http://127\.0\.0\.1:\d+/sign-in/link\?token=\S+`)

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.text.Write(p)
	if link := signInLink.FindString(l.text.String()); link != "" {
		select {
		case l.link <- link:
		default:
		}
	}
	return n, err
}

// The console prints a link, goes on, and ends well when it is interrupted.
func TestTheConsolePrintsALink(t *testing.T) {
	t.Parallel()
	out := &lines{link: make(chan string, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		ended <- execute(ctx, []string{"console", "-c", configFile, "--listen", "127.0.0.1:0"}, &env{
			in: strings.NewReader(""), out: out, err: out, columns: func() int { return 0 }, now: time.Now, getenv: func(string) string { return "" },
		})
	}()
	select {
	case link := <-out.link:
		require.NotEmpty(t, link)
	case code := <-ended:
		require.FailNow(t, "it ended", "code %d: %s", code, out.text.String())
	}
	cancel()
	require.Equal(t, exitDone, <-ended)
}
