// Command tour takes what docs/tour.md shows from a devstack that runs: it types the
// commands of a session and keeps what they answer, and takes pictures of the console and
// of Temporal's Web UI. It needs Debian's package chromium.
//
//	make screenshots
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := tour(ctx, ".."); err != nil {
		fmt.Fprintln(os.Stderr, "tour: "+err.Error())
		os.Exit(1)
	}
}

// tour writes the session into docs/tour.md and the pictures into docs/pictures, under root.
func tour(ctx context.Context, root string) (err error) {
	dir, err := os.MkdirTemp("", "causeway-tour")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, build := range [][]string{{".", "devstack", "."}, {root, "bin/causeway", "./starter"}, {root, "sandbox", "./sandbox"}} {
		if err := command(ctx, "go", "build", "-C", build[0], "-o", filepath.Join(dir, build[1]), build[2]); err != nil {
			return err
		}
	}
	stack, err := start(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.stop()) }()
	// What is typed names no port: the sandbox of this devstack is meant.
	sandbox := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\" --admin %s\n", filepath.Join(dir, "sandbox"), stack.admin)
	if err := os.WriteFile(filepath.Join(dir, "bin", "sandbox"), []byte(sandbox), 0o755); err != nil {
		return err
	}
	session, err := record(ctx, stack)
	if err != nil {
		return err
	}
	if err := keepSession(filepath.Join(root, "docs", "tour.md"), session); err != nil {
		return err
	}
	return takePictures(ctx, stack, filepath.Join(root, "docs", "pictures"))
}

func command(ctx context.Context, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, out)
	}
	return nil
}

// running is a devstack in a process of its own.
type running struct {
	dir                string
	console, ui, admin string
	process            *exec.Cmd
}

// What a devstack prints once everything has flowed.
var (
	uiLine      = regexp.MustCompile(`^Temporal UI +(\S+)$`)
	consoleLine = regexp.MustCompile(`^ +(http://127\.0\.0\.1:\d+/\S+)$`)
)

// start returns when everything has flowed.
func start(ctx context.Context, dir string) (*running, error) {
	r := &running{dir: dir}
	args := []string{"--data", filepath.Join(dir, "causeway-data"), "--contacts", "10000"}
	for _, port := range []string{"temporal", "ui", "console", "dynamics", "campaign", "admin", "metrics", "codec"} {
		free, err := freePort()
		if err != nil {
			return nil, err
		}
		if port == "admin" {
			r.admin = fmt.Sprintf("http://127.0.0.1:%d", free)
		}
		args = append(args, "--"+port+"-port", fmt.Sprint(free))
	}
	r.process = exec.CommandContext(ctx, filepath.Join(dir, "devstack"), args...)
	r.process.Cancel = func() error { return r.process.Process.Signal(os.Interrupt) }
	r.process.Stderr = os.Stderr
	out, err := r.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.process.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Println(lines.Text())
		if m := uiLine.FindStringSubmatch(lines.Text()); m != nil {
			r.ui = m[1]
		}
		if m := consoleLine.FindStringSubmatch(lines.Text()); m != nil {
			r.console = m[1]
			go drain(lines)
			return r, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("the devstack ended before everything had flowed"), lines.Err(), r.process.Wait())
}

func drain(lines *bufio.Scanner) {
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
}

func (r *running) stop() error {
	if err := r.process.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- r.process.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(time.Minute):
		return errors.Join(errors.New("the devstack does not end"), r.process.Process.Kill())
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
