package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/config"
	"causeway.dev/devstack/temporalserver"
	"causeway.dev/internal/operator"
	"causeway.dev/sandbox/stack"
	"causeway.dev/workflows"
)

// rig is one installation under measurement.
type rig struct {
	dir      string
	boxes    *stack.Stack
	temporal *temporalserver.Server
	client   client.Client
	cfg      *config.Config
	worker   *exec.Cmd
	others   []*exec.Cmd // further workers
	path     string      // of the configuration
	flow     string      // id of the flow to ask; "" = the only one
	program  string      // the worker's; "" = that of this tree
}

type rigOptions struct {
	contacts    int
	latency     time.Duration
	rate        float64 // Campaign's limit, calls/s; 0 = none
	settings    string  // more lines of the ingress section
	synchronous string
	tables      string               // more table mappings
	egress      string               // settings of the egress section; "" = no egress
	optOut      string               // settings of the opt_out section; "" = opt-outs are mapped with the contacts
	stack       func(*stack.Options) // more of the sandboxes
	sealLedger  bool                 // the ledger is sealed
	sealHistory bool                 // what goes into Temporal is sealed
	prepare     func(*rig) error     // runs before the worker starts
	edit        func(string) string  // of the text of the configuration
	program     string               // the worker's; "" = that of this tree
}

func newRig(ctx context.Context, o rigOptions) (*rig, error) {
	dir, err := os.MkdirTemp("", "causeway-bench")
	if err != nil {
		return nil, err
	}
	r := &rig{dir: dir, program: o.program}
	if err := r.start(ctx, o); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *rig) start(ctx context.Context, o rigOptions) error {
	var err error
	so := stack.Options{Dir: filepath.Join(r.dir, "sandbox"), Contacts: o.contacts, Seed: 1, Latency: o.latency, CampaignRate: o.rate}
	if o.stack != nil {
		o.stack(&so)
	}
	r.boxes, err = stack.Start(ctx, so)
	if err != nil {
		return err
	}
	r.temporal, err = temporalserver.Start(ctx, temporalserver.Options{
		Dir: r.dir, UIPort: -1, Namespace: "default", Retention: 24 * time.Hour, SearchAttributes: workflows.SearchAttributes(),
	})
	if err != nil {
		return err
	}
	key := filepath.Join(r.dir, "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("2a", 32)), 0o600); err != nil {
		return err
	}
	path := filepath.Join(r.dir, "causeway.yaml")
	text := configText(r.boxes, r.dir, o)
	if o.edit != nil {
		text = o.edit(text)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	if r.cfg, err = config.Load(path); err != nil {
		return err
	}
	at := client.Options{HostPort: r.temporal.Address(), Namespace: "default", Logger: quiet{}}
	keys, err := operator.KeysOf(r.cfg.Temporal)
	if err != nil {
		return err
	}
	keys.Apply(&at)
	if r.client, err = client.Dial(at); err != nil {
		return err
	}
	r.path = path
	if o.prepare != nil {
		if err := o.prepare(r); err != nil {
			return err
		}
	}
	return r.startWorker(path)
}

func configText(boxes *stack.Stack, dir string, o rigOptions) string {
	ledger := ""
	if o.synchronous != "" {
		ledger = "\n  synchronous: " + o.synchronous
	}
	key := fmt.Sprintf("encryption_key: %q", "file:"+filepath.Join(dir, "key"))
	if o.sealLedger {
		ledger += "\n  " + key
	}
	organization, egress := "BENCH@AdobeOrg", ""
	if o.egress != "" {
		organization = boxes.CampaignOrganization + fmt.Sprintf(", journal: {url: %q}", boxes.JournalURL)
		egress = "egress: {" + o.egress + "}\n"
	}
	mapped := "\n        - {from: donotbulkemail, to: blackListEmail}"
	if o.optOut != "" {
		mapped, egress = "", egress+"opt_out: {"+o.optOut+"}\n"
	}
	if o.sealHistory {
		egress += "temporal: {" + key + "}\n"
	}
	return fmt.Sprintf(`instance: sandbox
dynamics: {url: %[1]q, authority: %[1]q, tenant: %[2]s, client_id: %[3]s, client_secret: "file:%[4]s", instance_discovery: false, ca_file: %[5]s}
campaign: {url: %[6]q, ims_url: %[7]q, organization_id: %[14]s, client_id: %[8]s, client_secret: "file:%[9]s", scopes: [campaign_sdk], ca_file: %[5]s, concurrency: 64, rate: 0}
ledger:
  driver: sqlite
  path: %[10]s%[11]s
telemetry: {listen: ""}
%[15]singress:%[12]s
  tables:
    contacts:
      dynamics: {table: contact}
      campaign: {resource: profile, key: externalId}
      apply_deletes: true
      fields:
        - {from: salutation, to: salutation, on_too_long: truncate}
        - {from: firstname, to: firstName, on_too_long: truncate}
        - {from: middlename, to: middleName, on_too_long: truncate}
        - {from: lastname, to: lastName}
        - {from: emailaddress1, to: email}
        - {from: mobilephone, to: mobilePhone, on_too_long: truncate}
        - {from: birthdate, to: birthDate}
        - {from: address1_line1, to: location.address1, on_too_long: truncate}
        - {from: address1_city, to: location.city}
        - {from: address1_postalcode, to: location.zipCode}%[16]s
%[13]s`, boxes.DynamicsURL, boxes.Tenant, boxes.DynamicsClientID, boxes.DynamicsSecretFile, boxes.CAPath,
		boxes.CampaignURL, boxes.IMSURL, boxes.CampaignClientID, boxes.CampaignSecretFile,
		filepath.Join(dir, "ledger.db"), ledger, o.settings, strings.TrimPrefix(o.tables, "\n"), organization, egress, mapped)
}

var workerBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "causeway-bench-worker")
	if err != nil {
		return "", err
	}
	return buildWorker("", dir)
})

// buildWorker builds the worker of a tree, "" = this one, into a folder.
func buildWorker(tree, dir string) (string, error) {
	path := filepath.Join(dir, "worker")
	build := exec.Command("go", "build", "-o", path, "causeway.dev/worker")
	build.Dir = tree
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the worker: %w\n%s", err, out)
	}
	return path, nil
}

func (r *rig) startWorker(configPath string) (err error) {
	r.worker, err = r.newWorker(configPath)
	return err
}

// another starts one more worker.
func (r *rig) another() error {
	worker, err := r.newWorker(r.path)
	if err == nil {
		r.others = append(r.others, worker)
	}
	return err
}

func (r *rig) newWorker(configPath string) (*exec.Cmd, error) {
	path, err := r.program, error(nil)
	if path == "" {
		path, err = workerBinary()
	}
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(r.dir, "worker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	worker := exec.Command(path, "--config", configPath)
	worker.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+r.temporal.Address(), "TEMPORAL_NAMESPACE=default")
	worker.Stdout, worker.Stderr = log, log
	return worker, worker.Start()
}

func (r *rig) close() error {
	var errs []error
	for _, worker := range append(r.others, r.worker) {
		if worker != nil && worker.Process != nil {
			errs = append(errs, worker.Process.Signal(syscall.SIGTERM), worker.Wait())
		}
	}
	if r.client != nil {
		r.client.Close()
	}
	if r.temporal != nil {
		r.temporal.Stop()
	}
	if r.boxes != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		errs = append(errs, r.boxes.Close(ctx))
	}
	return errors.Join(append(errs, os.RemoveAll(r.dir))...)
}

// done closes the rig and adds its error to err.
func (r *rig) done(err *error) { *err = errors.Join(*err, r.close()) }

func (r *rig) flowID() string {
	if r.flow != "" {
		return r.flow
	}
	if r.cfg.Egress.Settings().Enabled() {
		return workflows.EventFlow(r.cfg.Instance).WorkflowID()
	}
	return workflows.TableFlow(r.cfg.Instance, "contacts").WorkflowID()
}

// load starts the flow and waits for the end of the initial load.
func (r *rig) load(ctx context.Context) (workflows.RunSummary, error) {
	handle, err := r.client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: r.client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
			ID: r.flowID(), TaskQueue: workflows.QueueMain, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		}, workflows.TypeTableSync, workflows.TableSyncInput{Instance: r.cfg.Instance, Table: "contacts"}),
		UpdateOptions: client.UpdateWorkflowOptions{
			WorkflowID: r.flowID(), UpdateName: workflows.UpdateStart, WaitForStage: client.WorkflowUpdateStageCompleted,
			Args: []any{operator.StartRequest(r.cfg, "contacts", "bench")},
		},
	})
	if err != nil {
		return workflows.RunSummary{}, err
	}
	if err := handle.Get(ctx, nil); err != nil {
		return workflows.RunSummary{}, err
	}
	return r.wait(ctx, func(run workflows.RunSummary) bool { return run.Kind == "initial" })
}

// backfill asks for a backfill of everything and waits for its end.
func (r *rig) backfill(ctx context.Context) (workflows.RunSummary, error) {
	handle, err := r.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: r.flowID(), UpdateName: workflows.UpdateRequestBackfill, WaitForStage: client.WorkflowUpdateStageCompleted,
		Args: []any{workflows.BackfillRequest{By: "bench"}},
	})
	if err != nil {
		return workflows.RunSummary{}, err
	}
	var answer workflows.BackfillAnswer
	if err := handle.Get(ctx, &answer); err != nil {
		return workflows.RunSummary{}, err
	}
	return r.wait(ctx, func(run workflows.RunSummary) bool { return run.Run == answer.Run })
}

func (r *rig) status(ctx context.Context) (workflows.Status, error) {
	var st workflows.Status
	value, err := r.client.QueryWorkflow(ctx, r.flowID(), "", workflows.QueryStatus)
	if err == nil {
		err = value.Get(&st)
	}
	return st, err
}

// wait polls until the last run is as wanted.
func (r *rig) wait(ctx context.Context, wanted func(workflows.RunSummary) bool) (workflows.RunSummary, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := r.status(ctx)
		switch {
		case ctx.Err() != nil:
			return workflows.RunSummary{}, ctx.Err()
		case err == nil && st.State == workflows.StateFailed:
			return workflows.RunSummary{}, fmt.Errorf("the flow failed: %s", st.Reason)
		case err == nil && st.LastRun != nil && wanted(*st.LastRun):
			return *st.LastRun, nil
		}
		<-tick.C
	}
}

// memory samples the worker's resident memory until the context ends.
func (r *rig) memory(ctx context.Context) <-chan []int64 {
	out := make(chan []int64, 1)
	go func() {
		var samples []int64
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				samples = append(samples, procStatus(r.worker.Process.Pid, "VmRSS:"))
			case <-ctx.Done():
				out <- samples
				return
			}
		}
	}()
	return out
}

// procStatus reads a size from /proc/<pid>/status, in bytes; 0 without that file.
func procStatus(pid int, name string) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == name {
			kb, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0
			}
			return kb << 10
		}
	}
	return 0
}

// history is the length and size of one execution's history.
func (r *rig) history(ctx context.Context, workflowID, runID string) (events, bytes int64, err error) {
	d, err := r.client.DescribeWorkflowExecution(ctx, workflowID, runID)
	if err != nil {
		return 0, 0, err
	}
	return d.WorkflowExecutionInfo.HistoryLength, d.WorkflowExecutionInfo.HistorySizeBytes, nil
}

// quiet drops the SDK's log lines.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
