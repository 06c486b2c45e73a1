// Command bench measures what Causeway costs. It runs the sandboxes and Temporal in
// this process and the worker in one of its own, on one machine. It prints figures and
// asserts nothing.
//
//	go run -C devstack ./bench                        the quick measurements
//	go run -C devstack ./bench million idle           by name
//	go run -C devstack ./bench --contacts 20000 latency
//	go run -C devstack ./bench compare <commit>       the worker of another commit beside this one
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	work := command().ExecuteContext
	if os.Getenv(loopConfig) != "" {
		work = runLoop
	}
	if err := work(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options of a measurement.
type options struct {
	contacts, million int
	rounds, looks     int
	repeat            int
	idle              time.Duration
	synchronous       string
}

// scenario is one measurement. It prints its figures as it gets them.
type scenario struct {
	name, about string
	quick       bool
	run         func(context.Context, options) error
}

var scenarios = []scenario{
	{"latency", "initial load with Campaign answering after 20 ms, 64 in flight, next to a bare loop", true, latency},
	{"full", "initial load with Campaign answering at once, next to a bare loop; then all of it again unchanged", true, full},
	{"sealing", "what sealing the ledger, or what goes into Temporal, costs an initial load and the same again unchanged", false, sealing},
	{"throttled", "initial load against 500 calls/s and Retry-After, by one worker and by two, also when it is 300/s for a while", true, throttled},
	{"workers", "initial load by 1, 2 and 3 workers on one PostgreSQL ledger, Campaign answering after 150 ms, also when two come later", false, workers},
	{"arrival", "from an edit in Dynamics to its arrival in Campaign, at the default settings", true, arrival},
	{"children", "records that come before their parents, in random order", true, children},
	{"rollback", "undoing a load and undoing changes, beside the runs they undo; the size of before-images", true, rollbacks},
	{"events", "e-mail events from the journal to the timeline, Dynamics answering at once and after 50 ms, beside one request per event", true, events},
	{"optouts", "on a loaded table: everybody's opt-outs, then 1,000 that change on either side", true, optOuts},
	{"million-optouts", "the same among a million contacts", false, millionOptOuts},
	{"daily", "on a loaded table of a million: a plan, 10,000 changes, a new baseline and its sweep", false, daily},
	{"million", "initial load of a million: memory and history", false, million},
	{"events-million", "a million events: memory, and what the ledger keeps of them", false, millionEvents},
	{"console", "server time of each page of the console beside a large ledger and 21 tables; its memory; the weight of its first page", false, consolePages},
	{"idle", "what a flow costs while nothing changes", false, idle},
}

func command() *cobra.Command {
	var o options
	var names []string
	about := "Measures what Causeway costs on this machine and prints figures:\n"
	for _, s := range scenarios {
		names = append(names, s.name)
		about += fmt.Sprintf("\n  %-14s %s", s.name, s.about)
	}
	cmd := &cobra.Command{
		Use: "bench [name...]", Short: "Measure what Causeway costs on this machine", Long: about,
		ValidArgs: names, Args: cobra.OnlyValidArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error { return measure(cmd.Context(), o, args) },
	}
	cmd.PersistentFlags().IntVar(&o.repeat, "repeat", 3, "how often the measurements called latency and full, and compare, load; they print medians")
	cmd.PersistentFlags().IntVar(&o.contacts, "contacts", 100_000, "contacts, or events, of the quick measurements")
	cmd.Flags().IntVar(&o.million, "million", 1_000_000, "contacts of the measurements called million and daily, events of events-million")
	cmd.Flags().IntVar(&o.rounds, "rounds", 6, "how often the measurement called sealing loads, for each of its cases")
	cmd.Flags().IntVar(&o.looks, "looks", 50, "how often the measurement called console asks for each page")
	cmd.Flags().DurationVar(&o.idle, "idle", time.Hour, "how long to stay idle")
	cmd.Flags().StringVar(&o.synchronous, "ledger-synchronous", "", "full or normal; default as configured")
	cmd.AddCommand(compareCommand(&o))
	return cmd
}

// machine prints what the figures were measured on.
func machine() {
	fmt.Printf("%s %s/%s, %d CPUs, %s, %d MB\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor(), memory()>>20)
}

func measure(ctx context.Context, o options, names []string) error {
	machine()
	for _, s := range scenarios {
		if len(names) > 0 && !slices.Contains(names, s.name) || len(names) == 0 && !s.quick {
			continue
		}
		fmt.Printf("\n%s: %s\n", s.name, s.about)
		if err := s.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// figure prints one line of a measurement.
func figure(name, format string, args ...any) {
	fmt.Printf("  %-44s %s\n", name, strings.TrimSpace(fmt.Sprintf(format, args...)))
}
