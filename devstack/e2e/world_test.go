// Package e2e tests whole flows, with a real Temporal server, the sandboxes over TLS,
// and worker processes that are really killed. An oracle computes what Campaign must
// hold, without the product's code. Nobody imports the package.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/config"
	"causeway.dev/devstack/temporalserver"
	"causeway.dev/internal/operator"
	"causeway.dev/sandbox/stack"
	"causeway.dev/workflows"
)

// settleWithin is the longest wait for an expected state. A healthy run needs a small
// part of it.
const settleWithin = 4 * time.Minute

// world is one installation: Temporal, both sandboxes, a configuration.
type world struct {
	t               *testing.T
	dir             string
	address         string   // of Temporal
	namespace       string   // in it
	temporalProcess *process // Temporal, in a test that kills it
	boxes           *stack.Stack
	cfg             *config.Config
	cfgPath         string
	client          client.Client
	log             string // of all workers
	flow            string // id of the flow to ask; "" = that of contacts
}

type worldOptions struct {
	contacts     int
	pageSize     int
	temporalPort int            // of a Temporal process of its own; 0 = inside this one
	beside       *world         // whose Temporal it uses, with a namespace of its own that is not there yet
	dynamic      map[string]any // dynamic configuration of Temporal inside this process
	stack        func(*stack.Options)
	boxes        func(*stack.Stack)  // is called with the sandboxes, before yaml
	yaml         func(string) string // changes the text of the configuration
}

func newWorld(t *testing.T, o worldOptions) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), namespace: "default"}
	w.log = filepath.Join(w.dir, "worker.log")
	var err error
	if o.beside != nil {
		w.address, w.namespace = o.beside.address, "beside-"+o.beside.namespace
	} else if o.temporalPort > 0 {
		w.address = fmt.Sprintf("127.0.0.1:%d", o.temporalPort)
		w.temporalProcess = w.startTemporal(o.temporalPort)
	} else {
		options := temporalOptions(w.dir, 0)
		options.Dynamic = o.dynamic
		temporal, err := temporalserver.Start(t.Context(), options)
		require.NoError(t, err)
		t.Cleanup(temporal.Stop)
		w.address = temporal.Address()
	}
	so := stack.Options{Dir: filepath.Join(w.dir, "sandbox"), Host: "127.0.0.1", Contacts: o.contacts, Seed: 7}
	if o.stack != nil {
		o.stack(&so)
	}
	w.boxes, err = stack.Start(t.Context(), so)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.boxes.Close(context.Background()) })
	if o.boxes != nil {
		o.boxes(w.boxes)
	}
	if o.pageSize == 0 {
		o.pageSize = 500
	}
	text := configText(w.boxes, filepath.Join(w.dir, "ledger.db"), o.pageSize)
	if o.yaml != nil {
		text = o.yaml(text)
	}
	w.cfgPath = filepath.Join(w.dir, "causeway.yaml")
	require.NoError(t, os.WriteFile(w.cfgPath, []byte(text), 0o600))
	w.load()
	return w
}

// load reads the configuration, and connects as it says.
func (w *world) load() {
	w.t.Helper()
	var err error
	w.cfg, err = config.Load(w.cfgPath)
	require.NoError(w.t, err)
	keys, err := operator.KeysOf(w.cfg.Temporal)
	require.NoError(w.t, err)
	options := client.Options{HostPort: w.address, Namespace: w.namespace, Identity: "test", Logger: quiet{}}
	keys.Apply(&options)
	w.client, err = client.Dial(options)
	require.NoError(w.t, err)
	w.t.Cleanup(w.client.Close)
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// fields are the pairs of the test mapping. The oracle has its own list of them.
const fields = `
        - {from: firstname, to: firstName, on_too_long: truncate}
        - {from: lastname, to: lastName}
        - {from: emailaddress1, to: email}
        - {from: mobilephone, to: mobilePhone}
        - {from: birthdate, to: birthDate}
        - {from: address1_city, to: location.city}
        - {from: address1_postalcode, to: location.zipCode}
        - {from: donotbulkemail, to: blackListEmail}
`

func configText(b *stack.Stack, ledger string, pageSize int) string {
	return fmt.Sprintf(`instance: acme
dynamics:
  url: %s
  authority: %s
  tenant: %s
  client_id: %s
  client_secret: file:%s
  instance_discovery: false
  ca_file: %s
  page_size: %d
campaign:
  url: %s
  ims_url: %s
  organization_id: ABC@AdobeOrg
  client_id: %s
  client_secret: file:%s
  scopes: [campaign_sdk]
  ca_file: %s
  concurrency: 32
  rate: 0
  timeout: 5s
ledger:
  driver: sqlite
  path: %s
ingress:
  poll_every: 1s
  lanes: 4
  tables:
    contacts:
      dynamics: {table: contact}
      campaign: {resource: profile, key: externalId}
      apply_deletes: true
      erased: restore
      fields:%s
telemetry:
  listen: 127.0.0.1:0
`, b.DynamicsURL, b.Authority, b.Tenant, b.DynamicsClientID, b.DynamicsSecretFile, b.CAPath, pageSize,
		b.CampaignURL, b.IMSURL, b.CampaignClientID, b.CampaignSecretFile, b.CAPath, ledger, strings.TrimRight(fields, "\n"))
}

var workerBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "causeway-worker")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "worker")
	cmd := exec.Command("go", "build", "-o", path, "./worker")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the worker: %w\n%s", err, out)
	}
	return path, nil
})

// process is a worker of its own.
type process struct {
	cmd      *exec.Cmd
	done     chan struct{}
	identity string // in Temporal, where it is known
	link     *link  // to Temporal, where it has one of its own
}

func (w *world) startWorker() *process {
	w.t.Helper()
	path, err := workerBinary()
	require.NoError(w.t, err)
	return w.startBuild(path)
}

// startBuild starts a worker of a program.
func (w *world) startBuild(program string) *process {
	w.t.Helper()
	log, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(w.t, err)
	p := &process{cmd: exec.Command(program, "--config", w.cfgPath), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+w.address, "TEMPORAL_NAMESPACE="+w.namespace)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	require.NoError(w.t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait()
		_ = log.Close()
		close(p.done)
	}()
	w.t.Cleanup(p.kill)
	return p
}

// kill sends SIGKILL, so nothing is flushed or reported.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.done
}

// drain sends SIGTERM, as a deployment does.
func (p *process) drain() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.done
}

func (w *world) flowID() string {
	if w.flow != "" {
		return w.flow
	}
	return workflows.TableFlow(w.cfg.Instance, "contacts").WorkflowID()
}

func (w *world) startFlow() workflows.Status {
	w.t.Helper()
	st, err := w.tryStart(w.startRequest())
	require.NoError(w.t, err)
	return st
}

// startRequest is the request that the command line sends.
func (w *world) startRequest() workflows.StartRequest {
	return operator.StartRequest(w.cfg, "contacts", "test")
}

func (w *world) tryStart(req workflows.StartRequest) (workflows.Status, error) {
	start := w.client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: w.flowID(), TaskQueue: workflows.QueueMain, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, workflows.TypeTableSync, workflows.TableSyncInput{Instance: w.cfg.Instance, Table: "contacts"})
	var st workflows.Status
	handle, err := w.client.UpdateWithStartWorkflow(w.t.Context(), client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{WorkflowID: w.flowID(), UpdateName: workflows.UpdateStart,
			WaitForStage: client.WorkflowUpdateStageCompleted, Args: []any{req}},
	})
	if err == nil {
		err = handle.Get(w.t.Context(), &st)
	}
	return st, err
}

func (w *world) update(name string, arg, answer any) {
	w.t.Helper()
	handle, err := w.client.UpdateWorkflow(w.t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: w.flowID(), UpdateName: name, WaitForStage: client.WorkflowUpdateStageCompleted, Args: []any{arg},
	})
	require.NoError(w.t, err)
	require.NoError(w.t, handle.Get(w.t.Context(), answer))
}

func (w *world) status() (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
	defer cancel()
	var st workflows.Status
	value, err := w.client.QueryWorkflow(ctx, w.flowID(), "", workflows.QueryStatus)
	if err == nil {
		err = value.Get(&st)
	}
	return st, err
}

// until polls the status until ok accepts it.
func (w *world) until(what string, ok func(workflows.Status) bool) workflows.Status {
	w.t.Helper()
	var last workflows.Status
	if !assert.Eventually(w.t, func() bool {
		st, err := w.status()
		if err != nil {
			return false
		}
		last = st
		return ok(st)
	}, settleWithin, 100*time.Millisecond, "waiting for %s", what) {
		st, err := w.status()
		require.FailNow(w.t, "waiting for "+what, "status: %+v %v\nworker log:\n%s", st, err, w.tail())
	}
	return last
}

// loaded waits for the end of the initial load.
func (w *world) loaded() workflows.Status {
	w.t.Helper()
	st := w.until("the initial load", func(st workflows.Status) bool {
		return st.State == workflows.StateFailed || (st.State == workflows.StateRunning && !st.Watermark.IsZero() && st.Run == "")
	})
	require.Equal(w.t, workflows.StateRunning, st.State, "reason: %s", st.Reason)
	return st
}

// inStep waits until Campaign holds what the oracle expects.
func (w *world) inStep() {
	w.t.Helper()
	var diff []string
	if !assert.Eventually(w.t, func() bool {
		diff = w.differences(10)
		return len(diff) == 0
	}, settleWithin, 200*time.Millisecond, "Campaign must become equal to the oracle") {
		st, err := w.status()
		require.FailNow(w.t, "not in step", "differences: %v\nstatus: %+v %v\nworker log:\n%s", diff, st, err, w.tail())
	}
}

func (w *world) tail() string {
	data, err := os.ReadFile(w.log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(data, []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-30):], []byte("\n")))
}
