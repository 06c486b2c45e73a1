// Package host is one worker. It builds the clients from the configuration, registers
// workflows and activities, refreshes gauges, serves health and metrics, and drains.
// The worker program and the devstack use it.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/doctor"
	"causeway.dev/activities/egress"
	"causeway.dev/activities/ingress"
	"causeway.dev/activities/logs"
	"causeway.dev/activities/notify"
	"causeway.dev/activities/operator"
	"causeway.dev/activities/optout"
	"causeway.dev/activities/run"
	"causeway.dev/config"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/hooks"
	"causeway.dev/internal/ledger"
	asking "causeway.dev/internal/operator"
	"causeway.dev/internal/telemetry"
	"causeway.dev/internal/temporalcodec"
	"causeway.dev/internal/temporalconn"
	"causeway.dev/internal/transport"
	"causeway.dev/workflows"
)

// budgetCloseWithin is how long a worker that stops may take to give engine calls that
// it did not make back to the ledger.
const budgetCloseWithin = 10 * time.Second

// stopWithin is how long activities may take to commit what is in flight when the
// worker stops. They notice the stop at once and need the time of about one request.
const stopWithin = 20 * time.Second

// stickyWithin is how long a step of a workflow waits for the worker that has the workflow
// in memory. A worker that was killed never comes for it.
const stickyWithin = 2 * time.Second

// Options of a worker.
type Options struct {
	Config *config.Config
	Logger *slog.Logger
	// Temporal overrides the connection settings of the configuration and the
	// environment; the devstack passes the address of its own server.
	Temporal client.Options
}

// Host is one worker process.
type Host struct {
	o       Options
	metrics *telemetry.Metrics
	ledger  *ledger.Ledger
	budget  *budget.Budget
	shares  *budget.Shares
	lanes   *lanes
	files   *campaign.SFTP // nil when no file server is configured
	// logFiles is a connection of its own for logs, so that no flow waits for a long file; nil
	// when none are exported.
	logFiles *campaign.SFTP
	watch    *transport.Watch
	client   client.Client
	workers  []worker.Worker
	health   *health
	pushes   *run.Pushes     // nil when nobody is to tell of changes
	hooks    *hooks.Listener // nil as well
	code     *codeWatch

	namespace string // of Temporal

	gauges     *gaugeRefresher
	levels     *levels
	takeOver   *takeOver
	stillThere ledger.StillThere
	pruner     *run.Pruner
	pauses     *pauses        // of all queues
	versions   *versionKeeper // nil: this server has no versions
}

// New builds everything and connects to Temporal and the ledger. If one of them cannot
// be reached, or a setting cannot be used, the error says so in one sentence.
func New(ctx context.Context, o Options) (*Host, error) {
	h := &Host{o: o, metrics: telemetry.NewMetrics(telemetry.Process{Instance: o.Config.Instance, Identity: temporalconn.WorkerName(o.Config.Instance)}, o.Logger), pauses: &pauses{}}
	h.health = newHealth(o.Config.Telemetry.Listen, h.metrics.Handler(), h.ready)
	var err error
	if h.ledger, err = openLedger(ctx, o.Config, o.Logger, h.waitsForLedger); err != nil {
		return nil, errors.Join(err, h.close())
	}
	options, err := temporalOptions(o)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	keys, err := sealingKeys(o.Config)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	keys.Apply(&options)
	options.Logger = sdklog.NewStructuredLogger(o.Logger)
	h.code, h.namespace = newCodeWatch(h.metrics.Temporal), options.Namespace
	options.MetricsHandler = h.code
	if h.client, err = client.DialContext(ctx, options); err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to Temporal at %s: %w; is the server running, and is TEMPORAL_ADDRESS right?", options.HostPort, err), h.close())
	}
	if err := checkKeys(ctx, h.client, options.Namespace, o.Config.Instance, keys, o.Logger); err != nil {
		return nil, errors.Join(err, h.close())
	}
	if err := h.tellVersion(ctx, keys); err != nil {
		return nil, errors.Join(err, h.close())
	}
	services, err := NewServices(o.Config, h.metrics.Scope, o.Logger)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	h.files, h.watch = services.SFTP, services.Watch
	h.budget = budget.New(budget.Options{
		Ledger: h.ledger, PerHour: int64(o.Config.Campaign.EngineCallsPerHour), Reserved: o.Config.Campaign.EngineCallsReserved, Metrics: h.metrics.Scope,
	})
	h.lanes = newLanes(o.Config, h.ledger.Alone())
	h.shares = budget.NewShares(sharesOptions(o, h.ledger, services, h.lanes, h.metrics.Scope))
	h.lanes.crew = h.shares.Crew
	granting, err := openAccess(ctx, o.Config, h.ledger)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	questions, err := openQuestions(ctx, h.ledger)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	alone := run.NewAlone(0)
	h.pushes = newPushes(o.Config, h.ledger, h.metrics.Scope, o.Logger)
	if h.hooks, err = newHooks(o.Config, h.pushes, h.metrics.Scope, o.Logger); err != nil {
		return nil, errors.Join(err, h.close())
	}
	byFile, err := fileLoads(o.Config, services)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	in := ingress.New(ingress.Options{
		Files:    byFile,
		Budget:   h.budget,
		Instance: o.Config.Instance,
		Source:   services.Dataverse, Target: services.Campaign, TargetGate: services.CampaignGate,
		Ledger: h.ledger, Alone: alone, CatchUpSlack: time.Duration(o.Config.Ingress.CatchUpSlack), SetAsideAfter: o.Config.Failures.SetAsideAfter,
		DeleteRatio: o.Config.Deletes.StopRatio, DeleteMin: o.Config.Deletes.StopMin, DeleteWindow: o.Config.Deletes.Window,
		ShortLoadMin: o.Config.Deletes.ShortLoadMin, ShortLoadRatio: o.Config.Deletes.ShortLoadRatio,
		Concurrency: o.Config.Campaign.Concurrency, Lanes: o.Config.Ingress.Lanes,
		KeepBefores:  o.Config.Retention.BeforeImages,
		MaxRecords:   int64(o.Config.Ingress.MaxRecords),
		ProbeRecords: o.Config.Ingress.KeyProbeRecords, CheckModelsEvery: o.Config.Failures.CheckModelsEvery,
		HideValues: !o.Config.Quarantine.Reveal, Questions: questions, Pushes: h.pushes,
		Metrics: h.metrics.Scope, Logger: o.Logger,
	})
	h.stillThere = in.StillThere
	eg := egress.New(egressOptions(o, services, h.ledger, alone, h.metrics.Scope))
	opt := optout.New(optOutOptions(o, services, h.budget, h.ledger, alone, h.pushes, h.metrics.Scope))
	answers := operator.New(operator.Options{Access: granting, Digests: o.Config.Digests(), Credentials: func() []activities.CredentialEnd { return credentialEnds(o.Config) },
		Ledger: h.ledger, Budget: h.budget, KeepBefores: o.Config.Retention.BeforeImages, Ingress: in,
		Backups:            backupsOf(o.Config),
		Doctor:             func(ctx context.Context) (*activities.DoctorResult, error) { return doctor.Last(ctx, h.ledger) },
		OddAnswers:         func() []activities.OddAnswers { return oddAnswers(h.watch) },
		Notified:           lastNotified(o.Config, h.ledger),
		LogExport:          lastLogExport(o.Config, h.ledger),
		Pushes:             pushStates(o.Config, h.ledger),
		OptOutsCarriedUpTo: func(ctx context.Context) (time.Time, error) { return optout.CarriedUpTo(ctx, h.ledger) },
	})
	telling, err := notifyOptions(o.Config, asking.Over(h.client, keys, options.HostPort, options.Namespace), answers, h.ledger, h.metrics.Scope)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	if o.Config.LogExport.Enabled {
		if h.logFiles, err = newSFTP(o.Config, services.Watch); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	h.register(newGate(o.Config.Instance, asking.Headers{Converter: keys.Converter()}, granting, h.ledger), in, eg, opt, answers,
		doctor.New(doctorOptions(o.Config, services, h.ledger, in, eg, opt)), notify.New(telling), logs.New(logOptions(o.Config, h.logFiles, h.ledger)))
	h.takeOver = newTakeOver(o.Config, h.client, options.Namespace, h.ledger, o.Logger)
	h.pruner = &run.Pruner{Ledger: h.ledger, Retention: run.Retention(o.Config.Retention), Metrics: h.metrics.Scope, Logger: o.Logger}
	h.gauges = &gaugeRefresher{config: o.Config, ingress: in, egress: eg, optOut: opt, budget: h.budget,
		sealing: &sealingGauges{ledger: h.ledger, scope: h.metrics.Scope}, checkup: &checkupGauges{ledger: h.ledger, scope: h.metrics.Scope},
		backups:  &backupGauges{ledger: h.ledger, scope: h.metrics.Scope, settings: backupsOf(o.Config)},
		outbound: &outboundGauges{scope: h.metrics.Scope, logExport: lastLogExport(o.Config, h.ledger), notified: lastNotified(o.Config, h.ledger)}}
	h.levels = &levels{config: o.Config, ledger: h.ledger, scope: h.metrics.Scope}
	return h, nil
}

// tellVersion prepares to tell Temporal the version of this worker, where the server knows
// versions.
func (h *Host) tellVersion(ctx context.Context, keys *temporalcodec.Keys) error {
	cfg := h.o.Config
	space := h.namespace
	if space == "" {
		space = client.DefaultNamespace
	}
	versions := temporalconn.Versions{Service: h.client.WorkflowService(), Namespace: space, Name: temporalconn.DeploymentName(cfg.Instance),
		Identity: identityOf(cfg.Instance, h.ledger.Worker())}
	knows, err := versioned(ctx, versions, cfg.Upgrades.Versions, h.o.Logger)
	if err != nil || !knows {
		return err
	}
	h.versions = &versionKeeper{versions: versions, mode: cfg.Upgrades.Versions, patience: cfg.Upgrades.ReplacedAfter, ledger: h.ledger, now: time.Now, logger: h.o.Logger,
		fits: func(ctx context.Context) (string, error) {
			return ownersFit(ctx, h.client, cfg.Instance, func(ctx context.Context, e *historypb.HistoryEvent) error { return keys.Open(ctx, e) })
		}}
	if cfg.Upgrades.Versions != versionsNone {
		h.versions.build = buildOf(cfg)
	}
	return nil
}

// waitsForLedger shows on the health endpoint which worker has the ledger.
func (h *Host) waitsForLedger(holder string) {
	h.health.waitFor("waiting for the ledger, which " + holder + " has")
	if err := h.health.start(); err != nil {
		// On the host of the other worker that is to be expected: it has the address.
		h.o.Logger.Warn("no health endpoint while waiting for the ledger", "error", err)
	}
}

// register registers workflows on the main queue, and activities on all three queues.
// The workflow chooses the queue of each activity.
func (h *Host) register(g *gate, sets ...interface{ Register(activities.Registry) }) {
	options := worker.Options{
		WorkerStopTimeout: stopWithin,
		// Cancellation reaches an activity with its next heartbeat, so at most a second late.
		MaxHeartbeatThrottleInterval:     time.Second,
		DefaultHeartbeatThrottleInterval: time.Second,
		Identity:                         identityOf(temporalconn.WorkerName(h.o.Config.Instance), h.ledger.Worker()),
		StickyScheduleToStartTimeout:     stickyWithin,
		Interceptors:                     []interceptor.WorkerInterceptor{h.pauses, g, h.lanes, &run.Panics{Logger: h.o.Logger}, &heartbeats{}},
	}
	tuners := map[string]worker.WorkerTuner{workflows.QueueDataverse: h.lanes.tuner(), workflows.QueueCampaign: h.lanes.tuner()}
	if h.versions != nil {
		options.DeploymentOptions = deploymentOptions(h.versions.versions.Name, h.versions.build)
	}
	for _, queue := range []string{workflows.QueueMain, workflows.QueueDataverse, workflows.QueueCampaign} {
		options.Tuner = tuners[queue]
		w := worker.New(h.client, queue, options)
		if queue == workflows.QueueMain {
			workflows.Register(w)
		}
		for _, set := range sets {
			set.Register(w)
		}
		h.workers = append(h.workers, w)
	}
}

// Run runs the worker until ctx ends, then drains it.
func (h *Host) Run(ctx context.Context) error {
	if err := h.health.start(); err != nil {
		return errors.Join(err, h.close())
	}
	renewing, stopRenewing := context.WithCancel(context.WithoutCancel(ctx)) // as long as activities drain
	var renewed sync.WaitGroup
	renewed.Go(func() { h.shares.Run(renewing) })
	defer renewed.Wait()
	defer stopRenewing()
	for i, w := range h.workers {
		if err := w.Start(); err != nil {
			for _, started := range h.workers[:i] {
				started.Stop()
			}
			stopRenewing()
			renewed.Wait()
			return errors.Join(fmt.Errorf("starting the worker: %w", err), h.close())
		}
	}
	h.health.setStarted(true)
	for _, n := range []nightly{checkupOf(h.o.Config), backupOf(h.o.Config), logExportOf(h.o.Config)} {
		if err := n.keep(ctx, h.client.ScheduleClient()); err != nil && ctx.Err() == nil {
			h.o.Logger.Warn("a schedule could not be kept as configured; the next start of a worker tries again", "setting", n.setting, "error", err)
		}
	}
	if err := keepNotify(ctx, h.client, h.o.Config); err != nil && ctx.Err() == nil {
		h.o.Logger.Warn("nobody is told what needs somebody until the next start of a worker: the workflow that does so could not be begun", "error", err)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var keyMissing error
	taking, stopTaking := context.WithCancel(ctx)
	var taken sync.WaitGroup
	taken.Go(func() { h.takeOver.run(taking) })
	if h.versions != nil {
		taken.Go(func() { h.versions.run(taking) })
	}
	taken.Go(func() { h.pruner.Run(taking) })
	taken.Go(func() { newAvailability(h).run(taking, refreshEvery) })
	taken.Go(func() {
		forget := forgetter{ledger: h.ledger, stillThere: h.stillThere, waiting: h.metrics.Scope.Gauge("erasures_waiting"), logger: h.o.Logger, sleep: rest}
		forget.run(taking)
	})
	taken.Go(func() {
		rekey := rekeyer{ledger: h.ledger, logger: h.o.Logger, sleep: rest}
		if keyMissing = rekey.run(taking); keyMissing != nil {
			end()
		}
	})
	if h.hooks != nil {
		if err := h.hooks.Start(); err != nil {
			// On a host with another worker that is to be expected: it has the address, and one is enough.
			h.o.Logger.Warn("this worker takes no calls of Dynamics; flows ask it as usual, and other workers tell this one", "error", err)
		} else {
			missedCalls(h.o.Config, h.pushes)
		}
		taken.Go(func() { h.pushes.Run(taking) })
	}
	h.o.Logger.Info("worker started", "instance", h.o.Config.Instance, "health", "http://"+h.health.address()+"/readyz")
	h.refreshGauges(ctx) // until the worker is to end
	stopTaking()
	taken.Wait()
	h.health.setStarted(false)
	h.o.Logger.Info("worker draining", "within", stopWithin)
	h.stop()
	stopRenewing()
	renewed.Wait()
	return errors.Join(keyMissing, h.close())
}

// stop drains all queues at once.
func (h *Host) stop() {
	done := make(chan struct{}, len(h.workers))
	for _, w := range h.workers {
		go func() {
			w.Stop()
			done <- struct{}{}
		}()
	}
	for range h.workers {
		<-done
	}
}

// ready says whether the worker can do its work.
func (h *Host) ready(ctx context.Context) error {
	if err := h.ledger.Ping(ctx); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if _, err := h.client.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return fmt.Errorf("temporal: %w", err)
	}
	return h.code.fits()
}

func (h *Host) close() error {
	var errs []error
	if h.health != nil {
		errs = append(errs, h.health.close())
	}
	if h.hooks != nil {
		errs = append(errs, h.hooks.Close())
	}
	if h.client != nil {
		h.client.Close()
	}
	if h.budget != nil {
		ctx, cancel := context.WithTimeout(context.Background(), budgetCloseWithin)
		errs = append(errs, h.budget.Close(ctx))
		if h.shares != nil {
			errs = append(errs, h.shares.Close(ctx))
		}
		cancel()
	}
	if h.files != nil {
		errs = append(errs, h.files.Close())
	}
	if h.logFiles != nil {
		errs = append(errs, h.logFiles.Close())
	}
	if h.ledger != nil {
		errs = append(errs, h.ledger.Close())
	}
	return errors.Join(append(errs, h.metrics.Close())...)
}
