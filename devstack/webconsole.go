package main

import (
	"context"
	"fmt"
	"net"
	"os/user"
	"strconv"
	"time"

	"causeway.dev/config"
	"causeway.dev/console"
	"causeway.dev/internal/operator"
)

// linkLasts is how long the printed link is good: people may be away while the contacts load.
const linkLasts = time.Hour

// runningConsole serves the web console until wait.
type runningConsole struct {
	*console.Server
	cancel context.CancelFunc
	done   chan struct{}
	failed chan error
}

// startConsole serves the console as causeway console does.
func startConsole(ctx context.Context, o options, path string, cfg *config.Config, temporal string) (*runningConsole, error) {
	by := "devstack"
	if u, err := user.Current(); err == nil {
		by = u.Username
	}
	server, err := console.Listen(ctx, console.ServeOptions{
		Configs: []console.Config{{File: path, Config: cfg}}, Listen: net.JoinHostPort("127.0.0.1", strconv.Itoa(o.consolePort)),
		HostPort: temporal, Namespace: namespace, By: by, Lasts: 8 * time.Hour, LinkLasts: linkLasts, Dial: operator.Connect,
		Tell: func(line string) { fmt.Fprintln(o.out, line) },
	})
	if err != nil {
		return nil, fmt.Errorf("the console: %w (--console-port)", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w := &runningConsole{Server: server, cancel: cancel, done: make(chan struct{}), failed: make(chan error, 1)}
	go func() {
		defer close(w.done)
		if err := server.Serve(ctx); err != nil {
			w.failed <- err
		}
	}()
	return w, nil
}

func (w *runningConsole) wait() {
	w.cancel()
	<-w.done
}
