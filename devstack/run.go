package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"

	"causeway.dev/config"
	"causeway.dev/devstack/temporalserver"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/processlock"
	"causeway.dev/internal/telemetry"
	"causeway.dev/sandbox/stack"
	"causeway.dev/worker/host"
	"causeway.dev/workflows"
)

const namespace = "default"

// run starts everything in order, loads the contacts, waits for the end of ctx, and
// stops everything.
func run(ctx context.Context, o options) error {
	if err := os.MkdirAll(o.data, 0o755); err != nil {
		return fmt.Errorf("--data: %w; choose a folder you may write to", err)
	}
	lock, err := processlock.Take(filepath.Join(o.data, "devstack.lock"))
	if held, ok := errors.AsType[*processlock.HeldError](err); ok {
		return fmt.Errorf("--data: %s is in use by %s; stop that one first, or choose another folder", o.data, held.Holder)
	}
	if err != nil {
		return fmt.Errorf("--data: %w; choose a folder you may write to", err)
	}
	defer func() { _ = lock.Release() }()
	logFile, err := os.OpenFile(filepath.Join(o.data, "worker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("--data: %w; choose a folder you may write to", err)
	}
	defer logFile.Close()
	logger, err := telemetry.NewLogger(logFile, "info", "text")
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "Starting Temporal, the sandboxes and a worker; state is in %s\n", o.data)

	codec, err := makeKey(o)
	if err == nil {
		err = makeLedgerKey(o)
	}
	if err != nil {
		return err
	}
	temporal, err := temporalserver.Start(ctx, temporalserver.Options{
		CodecEndpoint: codec, Dir: o.data, FrontendPort: o.temporalPort, UIPort: o.uiPort, Namespace: namespace,
		Retention: 30 * 24 * time.Hour, SearchAttributes: workflows.SearchAttributes(),
	})
	if err != nil {
		return fmt.Errorf("the Temporal server: %w", err)
	}
	defer temporal.Stop()

	boxes, err := stack.Start(ctx, stack.Options{
		Dir: filepath.Join(o.data, "sandbox"), Host: "127.0.0.1",
		DynamicsPort: o.dynamicsPort, CampaignPort: o.campaignPort, AdminPort: o.adminPort,
		Contacts: o.contacts, Seed: 1, Latency: o.latency, SnapshotEvery: 5 * time.Second,
	})
	if err != nil {
		return fmt.Errorf("the sandboxes: %w", err)
	}
	defer closeBoxes(boxes, logger)

	path, err := writeConfig(o, codec != "", boxes, temporal.Address(), temporal.UIURL())
	if err != nil {
		return err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	keys, err := operator.KeysOf(cfg.Temporal)
	if err != nil {
		return err
	}
	closeCodec, err := serveCodec(ctx, cfg, keys)
	if err != nil {
		return err
	}
	defer closeCodec()
	stopped, err := startWorker(ctx, cfg, temporal.Address(), logger)
	if err != nil {
		return err
	}
	defer stopped.wait()

	web, err := startConsole(ctx, o, path, cfg, temporal.Address())
	if err != nil {
		return err
	}
	defer web.wait()

	dial := client.Options{HostPort: temporal.Address(), Namespace: namespace, Logger: quiet{}}
	keys.Apply(&dial)
	c, err := client.Dial(dial)
	if err != nil {
		return fmt.Errorf("connecting to the Temporal server: %w", err)
	}
	defer c.Close()
	if o.access {
		fmt.Fprintln(o.out, "Flows go on as they were; nothing new is started until somebody signs in.")
	} else if err := show(ctx, o, cfg, c, boxes); err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(o.out, "\nStopping; start again to go on from here.")
			return nil
		}
		return err
	}
	printNext(o, path, temporal.UIURL(), boxes)
	if web.SignsIn() {
		fmt.Fprintf(o.out, "\nThe console, where you sign in as one of these people:\n\n  %s\n", web.Link())
	} else {
		fmt.Fprintf(o.out, "\nThe console; this link signs you in, once, within %s:\n\n  %s\n", linkLasts, web.Link())
	}
	if o.exitWhenLoaded {
		return nil
	}
	select {
	case <-ctx.Done():
		fmt.Fprintln(o.out, "\nStopping; start again to go on from here.")
		return nil
	case err := <-stopped.failed:
		return fmt.Errorf("the worker ended: %w", err)
	case err := <-web.failed:
		return fmt.Errorf("the console ended: %w", err)
	}
}

// show lets each flow do something and prints it.
func show(ctx context.Context, o options, cfg *config.Config, c client.Client, boxes *stack.Stack) error {
	if err := load(ctx, o, cfg, c); err != nil {
		return err
	}
	if err := showOptOuts(ctx, o, cfg, c); err != nil {
		return err
	}
	return showEvents(ctx, o, cfg, c, boxes)
}

func closeBoxes(boxes *stack.Stack, logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := boxes.Close(ctx); err != nil {
		logger.Error("saving the sandboxes", "error", err)
	}
}

// runningWorker drains when its context ends.
type runningWorker struct {
	cancel context.CancelFunc
	done   chan struct{}
	failed chan error
}

func startWorker(ctx context.Context, cfg *config.Config, address string, logger *slog.Logger) (*runningWorker, error) {
	h, err := host.New(ctx, host.Options{
		Config: cfg, Logger: logger, Temporal: client.Options{HostPort: address, Namespace: namespace},
	})
	if err != nil {
		return nil, fmt.Errorf("the worker: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w := &runningWorker{cancel: cancel, done: make(chan struct{}), failed: make(chan error, 1)}
	go func() {
		defer close(w.done)
		if err := h.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			w.failed <- err
		}
	}()
	return w, nil
}

// wait drains the worker. The servers that it works with must still run.
func (w *runningWorker) wait() {
	w.cancel()
	<-w.done
}

// quiet drops the SDK's log lines of the devstack's own small client.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
