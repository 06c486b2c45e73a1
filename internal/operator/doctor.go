package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// DoctorReport is every check, those made here and those that a worker made.
type DoctorReport struct {
	activities.DoctorResult
	// Unreachable says that no worker made its checks, because none answered.
	Unreachable bool `json:"unreachable,omitempty"`
}

// Doctor looks whether everything outside is as it has to be. Configuration and Temporal
// are looked at from here, all else by a worker, which has the network and the secrets.
// areas narrows it to some; none are all.
func (i *Instance) Doctor(ctx context.Context, areas ...string) (*DoctorReport, error) {
	for _, area := range areas {
		if !slices.Contains(activities.Areas(), area) {
			return nil, badField("area", "got %q, want %s", area, strings.Join(activities.Areas(), ", "))
		}
	}
	out := &DoctorReport{DoctorResult: activities.DoctorResult{At: i.Now().UTC(), Requests: map[string]int{}}}
	isAsked := func(area string) bool { return len(areas) == 0 || slices.Contains(areas, area) }
	if isAsked(activities.AreaConfig) {
		out.Checks = append(out.Checks, i.configChecks()...)
	}
	temporal := i.temporalChecks(ctx)
	if isAsked(activities.AreaTemporal) {
		out.Checks = append(out.Checks, temporal...)
		if _, knows := i.versions(); knows && !slices.ContainsFunc(temporal, func(c activities.Check) bool { return c.State == activities.CheckSkipped }) {
			out.Checks = append(out.Checks, i.versionCheck(ctx))
		}
	} else { // the worker is asked over it
		out.Checks = append(out.Checks, slices.DeleteFunc(temporal, func(c activities.Check) bool { return c.State != activities.CheckFail })...)
	}
	own := []string{activities.AreaConfig, activities.AreaTemporal}
	theirs := slices.DeleteFunc(slices.Clone(areas), func(area string) bool { return slices.Contains(own, area) })
	if len(areas) > 0 && len(theirs) == 0 {
		return out, nil
	}
	var answer activities.DoctorResult
	began := i.Now()
	in := activities.DoctorInput{Areas: theirs, Within: max(i.Timeout/2, i.Timeout-5*time.Second), Keep: len(areas) == 0}
	err := i.ask(ctx, i.Timeout, activities.Doctor, in, &answer)
	if KindOf(err) == NoWorker || KindOf(err) == Unreachable {
		out.Unreachable = true
		out.Checks = append(out.Checks, activities.Check{Area: activities.AreaTemporal, What: "answer of a worker", State: activities.CheckFail, Found: err.Error(),
			Wanted: "the checks that only a worker can make", Remedy: "start one: worker --config " + i.File, TookMS: i.Now().Sub(began).Milliseconds()})
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out.Checks, out.Requests, out.EngineCalls = append(out.Checks, answer.Checks...), answer.Requests, answer.EngineCalls
	if isAsked(activities.AreaTemporal) {
		out.Checks = slices.Insert(out.Checks, i.afterTemporal(out.Checks), i.askedHow())
	}
	return out, nil
}

// configChecks tell what is odd in a configuration that can be used.
func (i *Instance) configChecks() []activities.Check {
	out := []activities.Check{{Area: activities.AreaConfig, What: "file", State: activities.CheckOK, Found: cmp.Or(i.File, "read") + " can be used"}}
	for n, warning := range i.Config.Warnings() {
		out = append(out, activities.Check{Area: activities.AreaConfig, What: fmt.Sprintf("warning %d", n+1), State: activities.CheckWarn, Found: warning, Remedy: "correct it, unless it is meant so"})
	}
	return out
}

// afterTemporal is where a further check of Temporal belongs.
func (i *Instance) afterTemporal(checks []activities.Check) int {
	at := 0
	for n, c := range checks {
		if c.Area == activities.AreaTemporal || c.Area == activities.AreaConfig {
			at = n + 1
		}
	}
	return at
}

func (i *Instance) temporalChecks(ctx context.Context) []activities.Check {
	const setup = "run: causeway setup"
	space := i.temporal.Namespace()
	var out []activities.Check
	look := func(what string, f func(ctx context.Context, c *activities.Check)) activities.CheckState {
		began := i.Now()
		c := activities.Check{Area: activities.AreaTemporal, What: what, State: activities.CheckOK}
		ctx, cancel := context.WithTimeout(ctx, max(serverWithin, i.Timeout/4))
		defer cancel()
		f(ctx, &c)
		c.TookMS = i.Now().Sub(began).Milliseconds()
		out = append(out, c)
		return c.State
	}
	failing := func(c *activities.Check, err error) {
		c.State, c.Found, c.Remedy = activities.CheckFail, err.Error(), "look at the Temporal server, and at TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the key or certificate that it asks for"
	}
	state := look("namespace", func(ctx context.Context, c *activities.Check) {
		kept, err := i.temporal.Retention(ctx)
		switch {
		case errors.Is(err, ErrNotFound):
			c.State, c.Found, c.Remedy = activities.CheckFail, "there is no namespace "+space, setup
		case err != nil:
			failing(c, err)
		case kept < retention:
			c.State, c.Found, c.Wanted = activities.CheckWarn, space+" keeps closed runs for "+phrase.Span(kept), "30 d"
			c.Remedy = fmt.Sprintf("raise it, or support cannot replay older runs: temporal operator namespace update --retention 30d -n %s", space)
		default:
			c.Found = space + " keeps closed runs for " + phrase.Span(kept)
		}
	})
	if state == activities.CheckFail {
		for _, what := range []string{"search attributes", "worker"} {
			out = append(out, activities.Check{Area: activities.AreaTemporal, What: what, State: activities.CheckSkipped, Found: "because of temporal: namespace"})
		}
		return out
	}
	look("search attributes", func(ctx context.Context, c *activities.Check) {
		have, err := i.temporal.SearchAttributes(ctx)
		if err != nil {
			failing(c, err)
			return
		}
		missing, wrong := compareAttributes(workflows.SearchAttributes(), have)
		switch {
		case len(wrong) > 0:
			c.State, c.Found, c.Remedy = activities.CheckFail, strings.Join(wrong, ", "), "remove them in the namespace, or use another one, then "+setup
		case len(missing) > 0:
			c.State, c.Found, c.Remedy = activities.CheckFail, "missing: "+strings.Join(slices.Sorted(maps.Keys(missing)), ", "), setup
		default:
			c.Found = "all there"
		}
	})
	look("worker", func(ctx context.Context, c *activities.Check) {
		ago, lives, err := i.workerSeen(ctx)
		switch {
		case err != nil:
			failing(c, err)
		case !lives:
			c.State, c.Found, c.Remedy = activities.CheckFail, "none asks for work", "start one: worker --config "+i.File
		default:
			c.Found = "one asked for work " + phrase.Span(ago) + " ago"
		}
	})
	return out
}

// standalone is a Temporal that knows whether its server carries out activities without a
// workflow.
type standalone interface{ Standalone() bool }

// Standalone is what the last question has shown.
func (t *temporalClient) Standalone() bool { return !t.askByWorkflow.Load() }

// askedHow says how questions travel, which costs more events where the server has no
// standalone activities.
func (i *Instance) askedHow() activities.Check {
	c := activities.Check{Area: activities.AreaTemporal, What: "standalone activities", State: activities.CheckOK, Found: "questions are asked by a workflow: the server has none, or has them switched off"}
	of := i.temporal
	if p, ok := of.(*permitted); ok {
		of = p.Temporal
	}
	if s, ok := of.(standalone); ok && s.Standalone() {
		c.Found = "questions are asked without a workflow"
	}
	return c
}

// doctor tells what failed in the night.
func (n *notes) doctor(found *activities.DoctorResult, now time.Time) {
	if found == nil {
		return
	}
	for _, c := range found.Checks {
		if c.State == activities.CheckFail {
			n.because(config.CauseDoctor, Alarm, "the doctor found %s: %s: %s, %s; %s; look again with: causeway doctor", c.Area, c.What, c.Found, phrase.Moment(now, found.At), c.Remedy)
		}
		if table, audit := strings.CutPrefix(c.What, "audit of "); audit && c.State == activities.CheckWarn {
			n.add(Caution, "the audit of the night found that %s is not in step: %s; %s", table, c.Found, c.Remedy)
		}
	}
}
