package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"causeway.dev/console/pages"
	"causeway.dev/internal/operator"
)

// consolePages measures every page that is looked at: a page that is added is measured by
// itself. The console runs in a process of its own, as causeway console does.
func consolePages(ctx context.Context, o options) (err error) {
	filled := time.Now()
	r, err := newRig(ctx, rigOptions{
		contacts: 2000, tables: wideTables(), synchronous: o.synchronous, egress: "sends: true, opens: true, clicks: true, bounces: true",
		prepare: func(r *rig) error { return fillForConsole(ctx, r) },
	})
	if err != nil {
		return err
	}
	defer r.done(&err)
	figure("the ledger was filled in", "%s", time.Since(filled).Round(time.Second))
	run, err := r.startAll(ctx)
	if err != nil {
		return err
	}
	c, err := r.startConsole(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.signIn(ctx); err != nil {
		return err
	}
	weight, files, err := c.weigh(ctx, "/i/sandbox/")
	if err != nil {
		return err
	}
	figure("the first page", "%d kB in %d answers", weight/1000, files)
	for _, route := range pageAddresses(run, r.boxes.Dynamics.Keys("contacts")[0]) {
		took, size, status, err := c.time(ctx, route, o.looks)
		if err != nil {
			return err
		}
		slices.Sort(took)
		figure(route, "median %4d ms, p99 %4d ms, %4d kB, status %d", took[len(took)/2].Milliseconds(), took[len(took)*99/100].Milliseconds(), size/1000, status)
	}
	figure("the console's memory", "%d MB at most", procStatus(c.cmd.Process.Pid, "VmHWM:")>>20)
	return nil
}

// startAll starts every flow, and returns the load of contacts. The wide tables are not in
// the sandbox, so theirs answer that they failed.
func (r *rig) startAll(ctx context.Context) (string, error) {
	t, err := operator.Connect(ctx, operator.Address{File: r.cfg.Temporal, HostPort: r.temporal.Address(), Namespace: "default", By: "bench"})
	if err != nil {
		return "", err
	}
	i := operator.New(r.cfg, t, operator.Options{File: r.path, By: "bench"})
	defer i.Close()
	for _, name := range i.Flows() {
		if _, err := i.Start(ctx, name); err != nil {
			return "", fmt.Errorf("starting %s: %w", name, err)
		}
	}
	r.flow = "sandbox/ingress/contacts"
	for ctx.Err() == nil {
		st, err := r.status(ctx)
		if err != nil {
			return "", err
		}
		if st.LastRun != nil {
			return st.LastRun.Run, nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return "", ctx.Err()
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

// pageAddresses are the addresses of all pages, with something that is there in each place.
func pageAddresses(run, contact string) (out []string) {
	p, _ := pages.New(nil, nil, time.Now) // no instances: nothing can be wrong with them
	for _, route := range p.Routes() {
		if route.Method != http.MethodGet {
			continue
		}
		action := "stop"
		switch {
		case strings.HasPrefix(route.Path, "/runs/"):
			action = "approve"
		case strings.HasPrefix(route.Path, "/quarantine/"):
			action = "release?which=all"
		}
		id := contact
		if strings.HasPrefix(route.Path, "/quarantine/") {
			id = oneRefused
		}
		with := map[string]string{"{$}": "", "{flow}": "contacts", "{mapping}": "wide01", "{table}": "contacts", "{run}": run, "{id}": id, "{action}": action, "{page...}": "configuration", "{part}": "worker"}
		if strings.Contains(route.Path, "/try/") {
			with["{mapping}"] = "contacts"
		}
		out = append(out, strings.ReplaceAll(pages.Prefix, "{instance}", "sandbox")+placeholder.ReplaceAllStringFunc(route.Path, func(name string) string { return with[name] }))
	}
	at := "/i/sandbox"
	return append(out,
		at+"/flows/contacts?span=30d", at+"/flows/contacts/charts?span=7d", at+"/runs?table=wide07", at+"/runs?state=FAILED", at+"/runs?since=7d",
		at+"/quarantine?table=contacts", at+"/quarantine/contacts?code=Code3&field=cusField24", at+"/quarantine/contacts?code=Code3&field=cusField24&after="+oneRefused,
		at+"/log?by=person+7", at+"/log?by=nobody", at+"/log?what=reveal", at+"/log?table=wide07", at+"/log?from=2020-01-01&to=2020-02-01")
}

// consoleProcess is a console in a process of its own, and a browser that is signed in.
type consoleProcess struct {
	cmd    *exec.Cmd
	base   string
	link   string
	client *http.Client
}

var starterBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "causeway-bench-starter")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "causeway")
	if out, err := exec.Command("go", "build", "-o", path, "causeway.dev/starter").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the starter: %w\n%s", err, out)
	}
	return path, nil
})

func (r *rig) startConsole(ctx context.Context) (*consoleProcess, error) {
	path, err := starterBinary()
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := &consoleProcess{cmd: exec.CommandContext(ctx, path, "console", "--config", r.path, "--listen", "127.0.0.1:0"), client: &http.Client{Jar: jar, Timeout: time.Minute}}
	c.cmd.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+r.temporal.Address(), "TEMPORAL_NAMESPACE=default")
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.cmd.Stderr = c.cmd.Stdout
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if link := strings.TrimSpace(lines.Text()); strings.HasPrefix(link, "http://") {
			c.link = link
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	u, err := url.Parse(c.link)
	if err != nil || c.link == "" {
		return nil, errors.Join(fmt.Errorf("the console printed no link"), err, c.close())
	}
	c.base = u.Scheme + "://" + u.Host
	return c, nil
}

func (c *consoleProcess) close() error {
	err := c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Wait() // it ends by the signal
	return err
}

func (c *consoleProcess) signIn(ctx context.Context) error {
	if _, _, err := c.get(ctx, strings.TrimPrefix(c.link, c.base)); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/i/sandbox/acknowledge", strings.NewReader(url.Values{"read": {"yes"}, "next": {"/i/sandbox/"}}.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("acknowledging: %s", answer.Status)
	}
	return nil
}

func (c *consoleProcess) get(ctx context.Context, path string) (body []byte, status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, 0, err
	}
	answer, err := c.client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return body, answer.StatusCode, err
}

// time asks for a page several times, after once for what is read but once.
func (c *consoleProcess) time(ctx context.Context, path string, times int) (took []time.Duration, size, status int, err error) {
	for n := range times + 1 {
		began := time.Now()
		var body []byte
		if body, status, err = c.get(ctx, path); err != nil {
			return nil, 0, 0, fmt.Errorf("%s: %w", path, err)
		}
		if lasted := time.Since(began); n > 0 {
			took, size = append(took, lasted), len(body)
		}
		if slow := time.Since(began); slow > 5*time.Second && len(took) >= 3 {
			return took, size, status, nil // more would only take long
		}
	}
	return took, size, status, nil
}

var linked = regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`)

// weigh is how much a browser fetches for a page, with nothing kept.
func (c *consoleProcess) weigh(ctx context.Context, path string) (size, answers int, err error) {
	body, _, err := c.get(ctx, path)
	if err != nil {
		return 0, 0, err
	}
	size, answers = len(body), 1
	seen := map[string]bool{}
	for _, m := range linked.FindAllSubmatch(body, -1) {
		file, _, _ := strings.Cut(string(m[1]), "#")
		if seen[file] {
			continue
		}
		seen[file] = true
		body, _, err := c.get(ctx, file)
		if err != nil {
			return 0, 0, err
		}
		size, answers = size+len(body), answers+1
	}
	return size, answers, nil
}
