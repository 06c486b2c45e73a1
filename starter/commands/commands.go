// Package commands is the operators' tool, a face of internal/operator: flags in, one
// call, a table or JSON out, one command a file. The starter program calls it, and
// tests run it in process.
package commands

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/internal/readable"
)

//go:generate go test -run ^TestTheReferenceIsCurrent$ . -update

// Execute runs one command line, without the program name, and returns its exit
// code: 0 done, 1 failed, 2 bad input, 3 Temporal or worker unreachable. Results
// go to stdout, everything else to stderr. Questions are asked only when stdin
// and stderr are terminals.
func Execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return execute(ctx, args, &env{
		in: stdin, out: stdout, err: stderr,
		inTerminal: isTerminal(stdin), outTerminal: isTerminal(stdout), errTerminal: isTerminal(stderr),
		columns: func() int { return cmp.Or(columns(stdout), columns(stderr)) },
		now:     time.Now, getenv: os.Getenv, by: account(), dial: operator.Connect, open: openBrowser, token: keptToken,
	})
}

// env is the world a command runs in, and the flags that every command has.
type env struct {
	in                                   io.Reader
	out, err                             io.Writer
	jsonOut                              io.Writer // of documents; see readable.JSONLines
	inTerminal, outTerminal, errTerminal bool
	columns                              func() int // of the terminal, 0 when there is none
	now                                  func() time.Time
	sleep                                func(context.Context, time.Duration) error                                // nil: the clock's
	after                                func(context.Context, time.Duration, func(context.Context)) (stop func()) // nil: the clock's
	getenv                               func(string) string
	by                                   string // account name, "" when unknown
	token                                func(context.Context, *config.Config) (string, error)
	dial                                 func(context.Context, operator.Address) (operator.Temporal, error)
	open                                 func(address string) // in a browser; nil: nowhere
	tokens                               string               // folder of kept sign-ins; "": the account's

	configPath string
	address    string
	namespace  string
	output     string
	timeout    time.Duration
	utc        bool
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
unreachable. Results are on stdout, messages and progress on stderr.

With -o json an error is JSON as well. It is the last line of stderr:
{"error": {"kind", "exit_code", "message", "field"}}. kind is failed, bad_input,
not_started, no_worker or unreachable; field is the input that is wrong, if it is one.

With -o name the names alone are printed, a line each, of what a command lists or
begins: runs, flows, records, requests, saved changes.

On a terminal, rows that are wider than it become blocks, with a line for each value;
in a file or a pipe a row is always a line. With NO_COLOR, or TERM=dumb, there are no
colours, and progress is printed line by line.

Times are those of this machine's zone, which TZ sets, or of UTC with --utc. Those in
JSON, and in the names of runs, are UTC always. Lists have the newest first.`

const rootExample = `  causeway config validate
  causeway setup                          # once per Temporal namespace
  causeway start contacts --wait          # initial load with progress
  causeway status --watch
  causeway status -o json | jq -r '.tables[].status.state'`

// execute builds the command tree, runs it and turns its error into an exit code.
func execute(ctx context.Context, args []string, e *env) int {
	// Names and values that others chose end in most of what is printed.
	out := e.out
	e.out, e.err, e.jsonOut = readable.Screen(e.out), readable.Screen(e.err), readable.JSONLines(out)
	root := newRoot(e)
	root.SetArgs(args)
	root.SetIn(e.in)
	root.SetOut(e.out)
	root.SetErr(e.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && cmd.LocalNonPersistentFlags().Lookup("output") == nil && asksForJSON(args) {
		e.output = outputJSON // also where flags could not be read up to that one
	}
	return e.report(err)
}

func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use: "causeway", Short: "Operate the flows between Dynamics 365 and Adobe Campaign",
		Long: rootLong, Example: rootExample,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return e.check(cmd) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	path := e.getenv("CAUSEWAY_CONFIG")
	if path == "" {
		path = "causeway.yaml"
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&e.configPath, "config", "c", path, "configuration `file`; CAUSEWAY_CONFIG sets the default")
	flags.StringVar(&e.address, "address", "", "Temporal server as `host:port`, instead of the configured one")
	flags.StringVar(&e.namespace, "namespace", "", "Temporal namespace, instead of the configured one")
	flags.StringVarP(&e.output, "output", "o", "table", "`format` of the result: table, json, or name for names alone, a line each, where there are some")
	flags.BoolVar(&e.utc, "utc", false, "show times in UTC, and read days as those of UTC, instead of this machine's zone")
	flags.DurationVar(&e.timeout, "timeout", time.Minute, "how long to wait for one answer; --wait and --watch go on for longer")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return badInput("%s", cmp.Or(flagProblem(err), phrase.OneLine(err.Error())+"; see "+cmd.CommandPath()+" --help"))
	})
	root.AddCommand(
		newStatus(e), newStart(e), newStop(e), newPause(e), newResume(e), newSyncNow(e),
		newBackfill(e), newCancelBackfill(e), newApply(e), newApprove(e), newReject(e), newRollback(e), newPlan(e), newAudit(e), newMapping(e), newExplain(e), newEvents(e), newOptOut(e),
		newQuarantine(e), newLog(e), newRequests(e), newRuns(e), newLedger(e), newForget(e),
		newConfig(e), newSetup(e), newDoctor(e), newNotify(e), newDeploy(e), newSupport(e), newCodec(e), newLogin(e), newLogout(e), newWhoami(e), newConsole(e), newOpen(e), newVersion(e),
	)
	return root
}

// check looks at the flags of every command before one begins.
func (e *env) check(cmd *cobra.Command) error {
	switch {
	case !slices.Contains(outputs, e.output):
		return badInput("--output: got %q, want table, json or name", e.output)
	case e.output == outputName && cmd.Annotations[prints] == "":
		return badInput("--output: %s has no names to print, want table or json", cmd.CommandPath())
	}
	if e.utc {
		clock := e.now
		e.now = func() time.Time { return clock().UTC() }
	}
	if e.timeout < time.Second {
		return badInput("--timeout: got %s, want at least 1s", e.timeout)
	}
	return nil
}

func (e *env) json() bool { return e.output == outputJSON }

// load reads the configuration file; what is wrong with it is bad input.
func (e *env) load() (*config.Config, error) {
	cfg, err := config.Load(e.configPath)
	if err != nil {
		return nil, configError(e.configPath, err)
	}
	return cfg, nil
}

// with reads the configuration, connects to Temporal, and hands over the instance.
func (e *env) with(ctx context.Context, do func(*operator.Instance) error) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	dialling, cancel := context.WithTimeout(ctx, e.timeout)
	temporal, err := e.dial(dialling, operator.Address{File: cfg.Temporal, HostPort: e.address, Namespace: e.namespace, By: e.by})
	cancel()
	if err != nil {
		return err
	}
	i := operator.New(cfg, temporal, operator.Options{
		File: e.configPath, By: e.by, Timeout: e.timeout, Say: func(s string) { e.say("%s", s) }, Now: e.now, Sleep: e.sleep, After: e.after,
		Token: func(ctx context.Context) (string, error) { return e.tokenOf(ctx, cfg) },
	})
	defer i.Close()
	return do(i)
}

// tokenOf is the token of whoever is signed in; "" when nobody is. CAUSEWAY_TOKEN has one
// for programs, which cannot sign in as people do.
func (e *env) tokenOf(ctx context.Context, cfg *config.Config) (string, error) {
	if token := e.getenv("CAUSEWAY_TOKEN"); token != "" || e.token == nil {
		return token, nil
	}
	return e.token(ctx, cfg)
}

// tell asks an instance, and prints the answer as text does for people.
func tell[T any](ctx context.Context, e *env, ask func(*operator.Instance) (T, error), text func(*env, T)) error {
	return judge(ctx, e, ask, text, func(T) int { return exitDone })
}

// judge is tell with an exit code that depends on the answer.
func judge[T any](ctx context.Context, e *env, ask func(*operator.Instance) (T, error), text func(*env, T), verdict func(T) int) error {
	return e.with(ctx, func(i *operator.Instance) error {
		answer, err := ask(i)
		if err != nil {
			return err
		}
		return cmp.Or(e.show(answer, func() { text(e, answer) }), quietly(verdict(answer)))
	})
}

// show prints a result: as JSON where that was asked for, else text prints it.
func (e *env) show(result any, text func()) error {
	switch e.output {
	case outputJSON:
		return writeJSON(e.jsonOut, result)
	case outputName:
		for _, name := range namesOf(result) {
			fmt.Fprintln(e.out, name)
		}
	default:
		text()
	}
	return nil
}

// confirm asks before something is done, after saying what that is; otherwise is the
// refusal where nobody can be asked.
func (e *env) confirm(ctx context.Context, yes bool, what, question, otherwise string) error {
	if yes {
		return nil
	}
	if !e.inTerminal || !e.errTerminal {
		return badInput("%s", otherwise)
	}
	if what != "" {
		e.say("%s", what)
	}
	if !e.confirmed(ctx, false, question) {
		return failed("nothing was done")
	}
	return nil
}

// confirmed asks a question of somebody who is there.
func (e *env) confirmed(ctx context.Context, yes bool, question string) bool {
	if yes {
		return true
	}
	fmt.Fprint(e.err, question+" [y/N] ")
	return slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(e.readLine(ctx))))
}

// readLine reads a line of stdin, "" when ctx ends before there is one. The
// reader it leaves behind then ends with the program.
func (e *env) readLine(ctx context.Context) string {
	line := make(chan string, 1)
	go func() {
		s, _ := bufio.NewReader(e.in).ReadString('\n')
		line <- s
	}()
	select {
	case s := <-line:
		return s
	case <-ctx.Done():
		fmt.Fprintln(e.err)
		return ""
	}
}

// say prints a line for people on stderr.
func (e *env) say(format string, args ...any) {
	fmt.Fprintf(e.err, format+"\n", args...)
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
