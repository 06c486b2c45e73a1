package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/internal/phrase"
	"causeway.dev/internal/temporalconn"
)

// Deployment is the versions of the worker that Temporal knows.
type Deployment struct {
	temporalconn.Deployment
	Held map[string]string `json:"held,omitempty"` // why a version does not become the current one, by its build
}

// Deployments is a Temporal that knows versions of workers.
type Deployments interface {
	Versions(instance string) temporalconn.Versions
}

func (t *temporalClient) Versions(instance string) temporalconn.Versions {
	return temporalconn.Versions{Service: t.client.WorkflowService(), Namespace: t.space, Name: temporalconn.DeploymentName(instance), Identity: t.identity}
}

// noVersionsText is the sentence about a server that does not tell versions apart.
const noVersionsText = "this Temporal server does not tell versions of workers apart (it does from 1.28 on, unless that is switched off): workers of all versions are given any work, so replace all at once"

func (i *Instance) versions() (temporalconn.Versions, bool) {
	of := i.temporal
	if p, ok := of.(*permitted); ok {
		of = p.Temporal
	}
	d, ok := of.(Deployments)
	if !ok {
		return temporalconn.Versions{}, false
	}
	return d.Versions(i.Config.Instance), true
}

func (i *Instance) explainVersions(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, temporalconn.ErrNoVersions):
		return failed("%s", noVersionsText)
	default:
		return unreachable("Temporal does not answer about versions of the worker (%s)", phrase.OneLine(err.Error()))
	}
}

// DeployStatus tells which versions of the worker there are, and what each is given.
func (i *Instance) DeployStatus(ctx context.Context) (*Deployment, error) {
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	v, ok := i.versions()
	if !ok {
		return nil, failed("%s", noVersionsText)
	}
	d, err := v.Describe(ctx)
	if err != nil {
		return nil, i.explainVersions(err)
	}
	out := &Deployment{Deployment: *d, Held: map[string]string{}}
	for _, version := range d.Versions {
		if version.State != temporalconn.VersionNew {
			continue
		}
		why, err := v.Held(ctx, version.Build)
		if err != nil {
			return nil, i.explainVersions(err)
		}
		if why != "" {
			out.Held[version.Build] = why
		}
	}
	return out, nil
}

// change describes the deployment, has do change it, and describes it again.
func (i *Instance) change(ctx context.Context, do func(context.Context, temporalconn.Versions, *temporalconn.Deployment) error) (*Deployment, error) {
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	v, ok := i.versions()
	if !ok {
		return nil, failed("%s", noVersionsText)
	}
	d, err := v.Describe(ctx)
	if err != nil {
		return nil, i.explainVersions(err)
	}
	if err := do(ctx, v, d); err != nil {
		if KindOf(err) == BadInput {
			return nil, err
		}
		return nil, failed("Temporal did not change which version of the worker is given work (%s)", phrase.OneLine(err.Error()))
	}
	return i.DeployStatus(ctx)
}

// known refuses a build that no worker has asked for work with.
func known(d *temporalconn.Deployment, build string) error {
	if _, ok := d.Of(build); ok {
		return nil
	}
	var builds []string
	for _, v := range d.Versions {
		builds = append(builds, v.Build)
	}
	if len(builds) == 0 {
		return badInput("build: no worker has told its version yet; start one")
	}
	return badInput("build: got %q, want one that a worker has: %s", build, strings.Join(builds, ", "))
}

// DeployCurrent gives what begins, and the flows, to a version of the worker.
func (i *Instance) DeployCurrent(ctx context.Context, build string) (*Deployment, error) {
	return i.change(ctx, func(ctx context.Context, v temporalconn.Versions, d *temporalconn.Deployment) error {
		if err := known(d, build); err != nil {
			return err
		}
		return v.SetCurrent(ctx, d, build)
	})
}

// DeployRamp gives a share of the flows, and of what begins, to a version of the worker; 0
// percent ends it.
func (i *Instance) DeployRamp(ctx context.Context, build string, percent float64) (*Deployment, error) {
	if percent < 0 || percent > 100 {
		return nil, badField("percent", "got %g, want 0 to 100", percent)
	}
	return i.change(ctx, func(ctx context.Context, v temporalconn.Versions, d *temporalconn.Deployment) error {
		if err := known(d, build); err != nil {
			return err
		}
		if percent == 0 {
			build = ""
		}
		return v.SetRamping(ctx, d, build, float32(percent))
	})
}

// DeployRollback makes the version current that was it before, unless that one is newer: then
// it was done already.
func (i *Instance) DeployRollback(ctx context.Context) (*Deployment, error) {
	return i.change(ctx, func(ctx context.Context, v temporalconn.Versions, d *temporalconn.Deployment) error {
		var before temporalconn.Version
		for _, version := range d.Versions {
			if version.Build != d.Current && version.Current.After(before.Current) {
				before = version
			}
		}
		if before.Build == "" {
			return badInput("build: no other version was the current one before %q; name one: causeway deploy current <build>", d.Current)
		}
		// Asked twice, a rollback must not bring back what it took away.
		if now, known := d.Of(d.Current); known && before.Created.After(now.Created) {
			return badInput("build: %s is the current one already, and %s, which was it before, is newer; nothing was changed. If you want that: causeway deploy current %s; an older one: causeway deploy current <build>", d.Current, before.Build, before.Build)
		}
		return v.SetCurrent(ctx, d, before.Build)
	})
}

// versionCheck says whether Temporal tells versions of workers apart, and whether one waits.
func (i *Instance) versionCheck(ctx context.Context) activities.Check {
	c := activities.Check{Area: activities.AreaTemporal, What: "versions of workers", State: activities.CheckOK}
	v, _ := i.versions()
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	d, err := v.Describe(ctx)
	switch {
	case errors.Is(err, temporalconn.ErrNoVersions):
		c.State, c.Found, c.Wanted = activities.CheckWarn, noVersionsText, "a Temporal server that does, for upgrades without a pause"
		c.Remedy = "update the server or allow them there, or replace all workers at once: docs/upgrade.md"
	case err != nil:
		c.State, c.Found, c.Remedy = activities.CheckWarn, phrase.OneLine(err.Error()), "look at the permissions of the key or certificate at the Temporal server"
	case d.Current == "" && len(d.Versions) > 0 && i.Config.Upgrades.Versions != "none":
		c.State, c.Found, c.Remedy = activities.CheckFail, "no version is the current one, so no worker is given work", "causeway deploy current "+d.Versions[0].Build
	case d.Current == "":
		c.Found = "workers of all versions are given any work"
	default:
		c.Found = d.Current + " is the current one"
		if newest := d.Versions[0]; newest.State == temporalconn.VersionNew {
			why, _ := v.Held(ctx, newest.Build) // the reason is extra
			if why == "" {
				why = "nobody has made it the current one yet"
			}
			c.State, c.Found, c.Wanted = activities.CheckWarn, fmt.Sprintf("%s is the current one, and %s waits: %s", d.Current, newest.Build, why), newest.Build+" to go on with the flows"
			c.Remedy = "causeway deploy status; start a worker of a version that fits, or causeway deploy current " + newest.Build
		}
	}
	return c
}
