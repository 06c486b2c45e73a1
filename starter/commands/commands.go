// Package commands is the operators' tool, one command per file: flags in, one
// question or request to Temporal, the answer out. It holds no rule of the sync.
// The starter program calls it, and tests run it in process.
package commands

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// Execute runs one command line, without the program name, and returns its exit
// code: 0 done, 1 failed, 2 bad input, 3 Temporal or worker unreachable. Results
// go to stdout, everything else to stderr. Questions are asked only when stdin
// and stderr are terminals.
func Execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return execute(ctx, args, &env{
		in: stdin, out: stdout, err: stderr,
		inTerminal: isTerminal(stdin), outTerminal: isTerminal(stdout), errTerminal: isTerminal(stderr),
		columns: func() int { return cmp.Or(columns(stdout), columns(stderr)) },
		now:     time.Now, sleep: sleep, after: after, getenv: os.Getenv, by: account(), dial: operator.Connect,
	})
}

// env is the world a command runs in.
type env struct {
	in                                   io.Reader
	out, err                             io.Writer
	inTerminal, outTerminal, errTerminal bool
	columns                              func() int // of the terminal, 0 when there is none
	now                                  func() time.Time
	sleep                                func(context.Context, time.Duration) error // ctx.Err() when cut short
	after                                func(context.Context, time.Duration, func(context.Context)) (stop func())
	getenv                               func(string) string
	by                                   string // account name, "" when unknown
	dial                                 func(context.Context, operator.Address) (operator.Temporal, error)
}

// global are the flags every command has.
type global struct {
	configPath string
	address    string
	namespace  string
	output     string
	timeout    time.Duration
}

const rootLong = `causeway operates the flows of one Causeway instance, which keep Microsoft
Dynamics 365 and Adobe Campaign Standard in step.

A flow is named after its table mapping in the configuration file: with a
mapping "contacts" there is "causeway start contacts". Flows live in Temporal;
a worker carries them out, this tool only asks.

Connection: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE,
TEMPORAL_API_KEY, TEMPORAL_TLS_* and Temporal's own configuration file are
honoured; the temporal section of the configuration file fills what they leave
open, --address and --namespace win over both.

Exit codes: 0 done; 1 failed; 2 bad input or refused; 3 Temporal or worker
unreachable. Results are on stdout, messages and progress on stderr.`

const rootExample = `  causeway config validate
  causeway setup                          # once per Temporal namespace
  causeway start contacts --wait          # initial load with progress
  causeway status --watch
  causeway status -o json | jq -r '.tables[].status.state'`

// execute builds the command tree, runs it and turns its error into an exit code.
func execute(ctx context.Context, args []string, e *env) int {
	root := newRoot(e)
	root.SetArgs(args)
	root.SetIn(e.in)
	root.SetOut(e.out)
	root.SetErr(e.err)
	return e.report(root.ExecuteContext(ctx))
}

func newRoot(e *env) *cobra.Command {
	g := &global{}
	root := &cobra.Command{
		Use: "causeway", Short: "Operate the flows between Dynamics 365 and Adobe Campaign",
		Long: rootLong, Example: rootExample,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return g.check() },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	path := e.getenv("CAUSEWAY_CONFIG")
	if path == "" {
		path = "causeway.yaml"
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&g.configPath, "config", "c", path, "configuration `file`; CAUSEWAY_CONFIG sets the default")
	flags.StringVar(&g.address, "address", "", "Temporal server as `host:port`, instead of the configured one")
	flags.StringVar(&g.namespace, "namespace", "", "Temporal namespace, instead of the configured one")
	flags.StringVarP(&g.output, "output", "o", "table", "`format` of the result: table or json")
	flags.DurationVar(&g.timeout, "timeout", time.Minute, "how long to wait for one answer; --wait and --watch go on for longer")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return badInput("%s", cmp.Or(flagProblem(err), phrase.OneLine(err.Error())+"; see "+cmd.CommandPath()+" --help"))
	})
	root.AddCommand(
		newStatus(e, g), newStart(e, g), newStop(e, g), newPause(e, g), newResume(e, g), newSyncNow(e, g),
		newBackfill(e, g), newCancelBackfill(e, g), newApply(e, g), newApprove(e, g), newRollback(e, g), newPlan(e, g), newAudit(e, g), newMapping(e, g), newExplain(e, g), newEvents(e, g), newOptOut(e, g),
		newQuarantine(e, g), newLog(e, g), newRuns(e, g),
		newConfig(e, g), newSetup(e, g), newVersion(e, g),
	)
	return root
}

func (g *global) check() error {
	if g.output != "table" && g.output != "json" {
		return badInput("--output: got %q, want table or json", g.output)
	}
	if g.timeout < time.Second {
		return badInput("--timeout: got %s, want at least 1s", g.timeout)
	}
	return nil
}

func (g *global) json() bool { return g.output == "json" }

// load reads the configuration file; what is wrong with it is bad input.
func (g *global) load() (*config.Config, error) {
	cfg, err := config.Load(g.configPath)
	if err != nil {
		return nil, configError(g.configPath, err)
	}
	return cfg, nil
}

// connect reads the configuration and connects to Temporal. The caller closes.
func (e *env) connect(ctx context.Context, g *global) (*config.Config, operator.Temporal, error) {
	cfg, err := g.load()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	api, err := e.dial(ctx, operator.Address{File: cfg.Temporal, HostPort: g.address, Namespace: g.namespace, By: e.by})
	if err != nil {
		return nil, nil, err
	}
	return cfg, api, nil
}

// say prints a line for people on stderr.
func (e *env) say(format string, args ...any) {
	fmt.Fprintf(e.err, format+"\n", args...)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}

// columns is the width of a terminal, 0 when it is none or does not say.
func columns(stream any) int {
	f, ok := stream.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// account is the name of who runs the tool; "" when it is not known.
func account() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
