package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/config"
	"causeway.dev/internal/buildinfo"
	"causeway.dev/internal/histories"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/temporalconn"
	"causeway.dev/workflows"
)

// Choices of upgrades.versions.
const (
	versionsAutomatic = "automatic"
	versionsNone      = "none"
)

// How often a worker looks which version is given work: soon while it is not the current
// one, and seldom while it is, because each look is a question to a workflow of Temporal's own.
const (
	versionsSoon   = time.Second
	versionsSeldom = 5 * time.Second
)

// versionsTry bounds one look, with a change that follows from it.
const versionsTry = 30 * time.Second

// holdEvery is the pause before histories that did not replay are tried again: a flow that
// has continued as new may fit.
const holdEvery = time.Minute

// buildOf names the version of this worker.
func buildOf(cfg *config.Config) string {
	if cfg.Upgrades.Build != "" {
		return cfg.Upgrades.Build
	}
	return buildinfo.Current().ID()
}

// programs is what the ledger knows of the programs of workers.
type programs interface {
	Programs(context.Context) ([]ledger.Program, error)
}

// versionKeeper sees to it that a version of the worker is given work for as long as a
// worker lives, so that nobody has to be there when one is replaced by another. Temporal
// gives work to the current version only, and passes to the version that began them.
//
//   - The first version becomes the current one.
//   - With upgrades.versions: automatic, a version that was never given work becomes the
//     current one, once the histories of the flows replay in it. So does another one when
//     no worker of the current version is left.
//   - Passes of a version without workers go on with the current one.
type versionKeeper struct {
	versions temporalconn.Versions
	mode     string
	build    string // "" where this worker has no version
	patience time.Duration
	ledger   programs
	// fits says what in the histories of the flows this build cannot go on with; "" nothing.
	fits   func(context.Context) (string, error)
	now    func() time.Time
	logger *slog.Logger

	missed map[string]time.Time // since when a version has had no worker
	held   string               // why this version is not the current one
	retry  time.Time            // when that is looked at again
}

// versioned asks whether the server tells versions of workers apart. While it does not
// answer the worker cannot begin.
func versioned(ctx context.Context, v temporalconn.Versions, mode string, logger *slog.Logger) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, versionsTry)
	defer cancel()
	_, err := v.Describe(ctx)
	for busy(err) && ctx.Err() == nil {
		rest(ctx, versionsSoon)
		_, err = v.Describe(ctx)
	}
	if errors.Is(err, temporalconn.ErrNoVersions) {
		if mode != versionsNone {
			logger.Warn("this Temporal server does not tell versions of workers apart, so workers of all versions are given any work; replace all workers at once")
		}
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking Temporal for the versions of the worker: %w", err)
	}
	return true, nil
}

// busy says that Temporal answers later: it asks a workflow of its own, which may be at work.
func busy(err error) bool {
	_, exhausted := errors.AsType[*serviceerror.ResourceExhausted](err)
	_, unavailable := errors.AsType[*serviceerror.Unavailable](err)
	return exhausted || unavailable
}

// run keeps the version until ctx ends.
func (k *versionKeeper) run(ctx context.Context) {
	told := ""
	for {
		try, cancel := context.WithTimeout(ctx, versionsTry)
		current, err := k.once(try)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			told = ""
		case busy(err):
		case err.Error() != told:
			told = err.Error()
			k.logger.Warn("which version of the worker is given work could not be looked at; it is tried again", "error", err)
		}
		pause := versionsSoon
		if current && err == nil {
			pause = versionsSeldom
		}
		rest(ctx, pause)
	}
}

// once looks, and does what follows. It says whether this version is the current one.
func (k *versionKeeper) once(ctx context.Context) (bool, error) {
	d, err := k.versions.Describe(ctx)
	if err != nil {
		return false, err
	}
	own, known := d.Of(k.build)
	if k.build == "" {
		known = true
	}
	if !known {
		return false, nil // Temporal has not noted yet that this worker asks for work
	}
	lives, err := k.alive(ctx, d)
	if err != nil {
		return false, err
	}
	if d.Current != k.build {
		return false, k.takeTurn(ctx, d, own, lives)
	}
	if err := k.unhold(ctx); err != nil {
		return true, err
	}
	return true, k.adopt(ctx, d, lives)
}

// alive says of each version whether a worker of it is there. One that was seen has been
// away for a while before it counts as gone.
func (k *versionKeeper) alive(ctx context.Context, d *temporalconn.Deployment) (map[string]bool, error) {
	programs, err := k.ledger.Programs(ctx)
	if err != nil {
		return nil, err
	}
	lives := map[string]bool{}
	for _, p := range programs {
		lives[p.Build] = true
	}
	if k.missed == nil {
		k.missed = map[string]time.Time{}
	}
	for _, v := range d.Versions {
		if lives[v.Build] {
			delete(k.missed, v.Build)
			continue
		}
		since, before := k.missed[v.Build]
		if !before {
			since = k.now()
			k.missed[v.Build] = since
		}
		lives[v.Build] = k.now().Sub(since) < k.patience
	}
	return lives, nil
}

// takeTurn makes this version the current one where that is its turn.
func (k *versionKeeper) takeTurn(ctx context.Context, d *temporalconn.Deployment, own temporalconn.Version, lives map[string]bool) error {
	first := d.Current == "" && k.build != ""
	fresh := k.mode == versionsAutomatic && own.State == temporalconn.VersionNew
	orphaned := k.mode != "manual" && !k.isCarried(d.Current, lives)
	leaving := k.build == "" // workers without versions replace those with
	if !first && !fresh && !orphaned && !leaving {
		return nil
	}
	// Nobody else goes on with the flows of a version without workers: rather some than none.
	if fresh && !orphaned {
		if k.now().Before(k.retry) {
			return nil
		}
		why, err := k.fits(ctx)
		if err != nil {
			return err
		}
		if why != "" {
			return k.hold(ctx, why)
		}
	}
	if err := k.versions.SetCurrent(ctx, d, k.build); err != nil {
		if now, failed := k.versions.Describe(ctx); failed == nil && now.Current == k.build {
			return nil // another worker of this version was first
		}
		return fmt.Errorf("making %s the current version: %w", k.build, err)
	}
	k.logger.Info("this version of the worker is the current one: flows go on with it", "version", k.build, "before", d.Current)
	return nil
}

// isCarried says whether a worker is there that goes on with what the current version is
// given. Before there is one, any other worker does.
func (k *versionKeeper) isCarried(current string, lives map[string]bool) bool {
	if current != "" {
		return lives[current]
	}
	for build, alive := range lives {
		if alive && build != k.build {
			return true
		}
	}
	return false
}

// hold says why this version waits, once for each reason.
func (k *versionKeeper) hold(ctx context.Context, why string) error {
	k.retry = k.now().Add(holdEvery)
	if k.held == why {
		return nil
	}
	k.logger.Error("this version of the worker does not go on with the flows, the current one does; start a worker of a version that fits, or see: causeway deploy status", "version", k.build, "because", why)
	if err := k.versions.Hold(ctx, k.build, why); err != nil {
		return err
	}
	k.held = why
	return nil
}

func (k *versionKeeper) unhold(ctx context.Context) error {
	if k.held == "" {
		return nil
	}
	if err := k.versions.Hold(ctx, k.build, ""); err != nil {
		return err
	}
	k.held = ""
	return nil
}

// adopt lets the passes of versions without workers go on with the current one.
func (k *versionKeeper) adopt(ctx context.Context, d *temporalconn.Deployment, lives map[string]bool) error {
	for _, v := range d.Versions {
		if v.Build == k.build || v.State == temporalconn.VersionNew || v.State == temporalconn.VersionDrained || lives[v.Build] {
			continue
		}
		passes, err := k.versions.Pinned(ctx, v.Build)
		if err != nil {
			return err
		}
		for _, p := range passes {
			if err := k.versions.Move(ctx, p); err != nil {
				return fmt.Errorf("letting %s go on with the current version: %w", p.GetWorkflowId(), err)
			}
			k.logger.Info("no worker of the version that began it is left: it goes on with the current one", "workflow", p.GetWorkflowId(), "began", v.Build, "version", k.build)
		}
	}
	return nil
}

// historyReader is the part of Temporal's client that reads histories.
type historyReader interface {
	workflowLister
	GetWorkflowHistory(ctx context.Context, workflowID, runID string, isLongPoll bool, filter enumspb.HistoryEventFilterType) client.HistoryEventIterator
}

// ownersFit replays the histories of the flows of an instance in this build. Passes stay
// with the version that began them. open opens what is sealed in an event.
func ownersFit(ctx context.Context, c historyReader, instance string, open func(context.Context, *historypb.HistoryEvent) error) (string, error) {
	type execution struct{ id, run string }
	var owners []execution
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowType IN ('" + strings.Join(workflows.OwnerTypes(), "', '") + "') AND ExecutionStatus = 'Running'"}
	for {
		page, err := c.ListWorkflow(ctx, request)
		if err != nil {
			return "", err
		}
		for _, e := range page.Executions {
			if id := e.GetExecution().GetWorkflowId(); strings.HasPrefix(id, instance+"/") {
				owners = append(owners, execution{id, e.GetExecution().GetRunId()})
			}
		}
		if request.NextPageToken = page.NextPageToken; len(request.NextPageToken) == 0 {
			break
		}
	}
	for _, o := range owners {
		history := &historypb.History{}
		for events := c.GetWorkflowHistory(ctx, o.id, o.run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
			e, err := events.Next()
			if err != nil {
				return "", err
			}
			if err := open(ctx, e); err != nil {
				return "", err
			}
			history.Events = append(history.Events, e)
		}
		differs, err := histories.Verify(history, o.id, func(r worker.WorkflowReplayer) { workflows.Register(r) })
		switch {
		case err != nil:
			return fmt.Sprintf("%s: %v", o.id, err), nil
		case differs != nil:
			return fmt.Sprintf("%s: %s", o.id, differs), nil
		}
	}
	return "", nil
}

// deploymentOptions tell Temporal the version of a worker.
func deploymentOptions(deployment, build string) worker.DeploymentOptions {
	if build == "" {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{UseVersioning: true, Version: worker.WorkerDeploymentVersion{DeploymentName: deployment, BuildID: build},
		// Each workflow says its own; this one is for those that a test adds.
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned}
}
