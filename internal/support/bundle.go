// Package support makes what is sent to whoever helps: a zip that says how an instance is set
// up, what it does, and what went wrong. It holds no secret and nothing of a person: what
// could be is left out, and the first file in it says so. The command line and the console
// hand it out; it asks internal/operator, as they do.
package support

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/buildinfo"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// Options are what a bundle is made of.
type Options struct {
	Run    string // that it is about; "" = none
	Reason string // for the operations log
	Now    func() time.Time
	// Metrics reads those of a worker; nil: from the address that the configuration has.
	Metrics func(ctx context.Context, listen string) ([]byte, error)
}

// Report says what a bundle holds.
type Report struct {
	Files []string `json:"files"`
	// Missing says what could not be had, and why.
	Missing []string `json:"missing"`
}

const (
	recentRuns = 50
	mostEvents = 20_000
	mostBytes  = 8 << 20 // of metrics
)

// bundle is a zip that grows.
type bundle struct {
	i      *operator.Instance
	o      Options
	zip    *zip.Writer
	now    time.Time
	report Report
	err    error
}

// Write makes the bundle of an instance. What nobody answers for is left out and told; it is
// entered into the operations log before to gets the first byte, and without that entry
// there is none.
func Write(ctx context.Context, i *operator.Instance, o Options, to io.Writer) (*Report, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Metrics == nil {
		o.Metrics = Metrics
	}
	var out bytes.Buffer
	b := &bundle{i: i, o: o, zip: zip.NewWriter(&out), now: o.Now().UTC(), report: Report{Missing: []string{}}}
	b.text("README.txt", readme)
	b.json("version.json", version())
	b.text("configuration.yaml", configuration(i.Config))
	b.status(ctx)
	if err := b.run(ctx); err != nil {
		return nil, err
	}
	b.recent(ctx)
	b.metrics(ctx)
	b.text("missing.txt", strings.Join(append(b.report.Missing, ""), "\n"))
	if err := errors.Join(b.err, b.zip.Close()); err != nil {
		return nil, err
	}
	if err := i.LogBundle(ctx, o.Run, o.Reason); err != nil {
		return nil, err
	}
	_, err := out.WriteTo(to)
	return &b.report, err
}

// Name is what the file of a bundle is called.
func Name(instance string, now time.Time) string {
	return "causeway-" + instance + "-" + now.UTC().Format("20060102T150405Z") + ".zip"
}

func (b *bundle) text(name, text string) {
	w, err := b.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: b.now})
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	b.err = errors.Join(b.err, err)
	b.report.Files = append(b.report.Files, name)
}

// json adds a document with what could be of a person left out.
func (b *bundle) json(name string, document any) {
	text, err := masked(document)
	b.err = errors.Join(b.err, err)
	b.text(name, text)
}

func (b *bundle) missing(what string, err error) {
	b.report.Missing = append(b.report.Missing, what+": "+scrubbed(phrase.OneLine(err.Error())))
}

var errNoWorker = errors.New("no worker answered")

// status adds what the instance does, what is wrong, and what the doctor found last.
func (b *bundle) status(ctx context.Context) {
	report, err := b.i.Status(ctx, "")
	if err != nil {
		b.missing("status.json", err)
	}
	meter := b.i.Meter(ctx)
	report.WithMeter(meter)
	b.json("status.json", report)
	if meter == nil {
		b.missing("what only a worker knows: engine calls, the ledger, the doctor's last look", errNoWorker)
	} else if found := meter.Doctor(); found != nil {
		b.json("doctor.json", found)
	} else {
		b.missing("doctor.json", errors.New("nobody has had everything checked; causeway doctor does"))
	}
	var said []string
	for _, f := range report.Flows {
		said = append(said, failuresOf(f)...)
	}
	if len(said) == 0 {
		said = []string{"Nothing is failing at the moment."}
	}
	b.text("failures.txt", scrubbed(strings.Join(said, "\n"))+"\n")
}

// failuresOf says in words what a flow fails with.
func failuresOf(f operator.FlowReport) (out []string) {
	say := func(what, why string) {
		if why != "" {
			out = append(out, f.Flow+": "+what+": "+phrase.OneLine(why))
		}
	}
	say("no answer", f.Problem)
	if st := f.Status; st != nil {
		if st.State == "FAILED" {
			say("failed", st.Reason)
		}
		say("last error", st.LastError)
		if st.LastRun != nil && told(st.LastRun.State) {
			say("run "+st.LastRun.Run+" "+st.LastRun.State, st.LastRun.Reason)
		}
	}
	for _, p := range f.Waiting {
		say(fmt.Sprintf("%s is tried again, attempt %d", p.Activity, p.Attempt), p.LastFailure)
	}
	return out
}

// run adds the facts of the run that was named, and when each of its events was.
func (b *bundle) run(ctx context.Context) error {
	if b.o.Run == "" {
		return nil
	}
	report, err := b.i.ShowRun(ctx, b.o.Run)
	switch {
	case operator.KindOf(err) == operator.BadInput:
		return err
	case err != nil:
		b.missing("run.json", err)
		return nil
	}
	b.json("run.json", report)
	executions, err := b.i.RunExecutions(ctx, b.o.Run)
	if err != nil {
		b.missing("history.jsonl", err)
		return nil
	}
	var lines strings.Builder
	for _, x := range executions {
		err := b.i.EventTimes(ctx, x, mostEvents, func(e operator.EventTime) error {
			line, err := json.Marshal(struct {
				Execution string `json:"execution"`
				operator.EventTime
			}{x.RunID, e})
			lines.Write(append(line, '\n'))
			return err
		})
		if err != nil {
			b.missing("history of "+x.RunID, err)
		}
	}
	b.text("history.jsonl", lines.String())
	return nil
}

// recent adds the newest runs.
func (b *bundle) recent(ctx context.Context) {
	runs, err := b.i.ListRuns(ctx, activities.RunListInput{Limit: recentRuns}, false, false)
	if err != nil {
		b.missing("runs.json", err)
		return
	}
	b.json("runs.json", runs)
}

func (b *bundle) metrics(ctx context.Context) {
	listen := b.i.Config.Telemetry.Listen
	if listen == "" {
		b.missing("metrics.txt", errors.New("telemetry.listen is empty, so no worker serves any"))
		return
	}
	text, err := b.o.Metrics(ctx, listen)
	if err != nil {
		b.missing("metrics.txt", fmt.Errorf("the worker's metrics are not to be had from here: %w", err))
		return
	}
	b.text("metrics.txt", scrubbed(string(text)))
}

// metricsWithin bounds the look at metrics, which another machine may serve.
const metricsWithin = 3 * time.Second

// Metrics reads what a worker on this machine, or at this address, serves.
func Metrics(ctx context.Context, listen string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, metricsWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("got status %d, want 200", answer.StatusCode)
	}
	return io.ReadAll(io.LimitReader(answer.Body, mostBytes))
}

// version is what this program is.
func version() map[string]string {
	build := buildinfo.Current()
	return map[string]string{
		"version": build.Version, "vcs.revision": build.Revision, "vcs.modified": strconv.FormatBool(build.Modified),
		"go": build.Go, "os": runtime.GOOS, "arch": runtime.GOARCH,
	}
}

const readme = `A support bundle of Causeway.

  version.json         of the program that made the bundle
  configuration.yaml   every setting; no secret, and no value of a filter or a replacement
  status.json          what each workflow does
  failures.txt         what is failing, in words
  runs.json            the newest runs
  run.json             the facts of one run, where one was named
  history.jsonl        its events: what kind, and when; nothing of what they carry
  doctor.json          what was not well when everything was checked last
  metrics.txt          the worker's metrics as they were
  missing.txt          what could not be had, and why

Left out on purpose: secrets; values of records, filters and replacements; ids of records;
e-mail addresses; names of operators, and what they wrote as reasons.
That somebody made this bundle is in the operations log, with who it was.
`
