package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"causeway.dev/workflows"
)

// linked starts a worker behind a link to Temporal of its own.
func (w *staleWorld) linked(start func() *process) *process {
	temporal, own := w.address, newLink(w.t, w.address)
	w.address = own.address()
	defer func() { w.address = temporal }()
	p := start()
	p.link = own
	return p
}

// wake lets a worker go on. For a while it does not hear that Temporal has given it up.
func (w *staleWorld) wake(p *process) {
	p.link.releaseAfter(deafFor)
	p.signal(w.t, syscall.SIGCONT)
}

// stop stops a worker and returns what was under way at it.
func (w *staleWorld) stop(p *process) map[string]int32 {
	before, types := w.attempts(p.identity)
	p.signal(w.t, syscall.SIGSTOP)
	p.link.hold()
	w.stage("stopped at %v", types)
	return before
}

// stage tells how long a stage of a round took, and what workers have refused and put
// right so far.
func (w *staleWorld) stage(format string, args ...any) {
	w.t.Helper()
	notSent, late := w.figures()
	now := time.Now()
	w.t.Logf("%s after %.1f s; so far %d old requests were not sent, %d late ones put right", fmt.Sprintf(format, args...), now.Sub(w.last).Seconds(), notSent, late)
	w.last = now
}

// figures are how many old requests workers have not sent, and how many records that late
// ones had changed they have put right.
func (w *staleWorld) figures() (notSent, late int) {
	w.t.Helper()
	log, err := os.ReadFile(w.log)
	require.NoError(w.t, err)
	for _, m := range requestsNotSent.FindAllSubmatch(log, -1) {
		n, err := strconv.Atoi(string(m[1]))
		require.NoError(w.t, err)
		notSent += n
	}
	return notSent, strings.Count(string(log), "a request that came late had changed")
}

var requestsNotSent = regexp.MustCompile(`requests_not_sent=(\d+)`)

// givenUp waits until Temporal has given up the attempts of a worker that stands still.
func (w *staleWorld) givenUp(before map[string]int32) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		now, _ := w.attempts("")
		for id := range before {
			if attempt, open := now[id]; open && attempt == before[id] {
				return false
			}
		}
		return true
	}, 3*settleWithin, 100*time.Millisecond, "attempts of a stopped worker end")
}

// attempts are the attempts under way at a worker, by workflow and activity, and how many
// of each type of activity; of all workers for "".
func (w *staleWorld) attempts(identity string) (out map[string]int32, types map[string]int) {
	out, types = map[string]int32{}, map[string]int{}
	todo := []string{
		workflows.TableFlow(w.cfg.Instance, "contacts").WorkflowID(), workflows.OptOutFlow(w.cfg.Instance).WorkflowID(), workflows.EventFlow(w.cfg.Instance).WorkflowID(),
	}
	for len(todo) > 0 {
		d, err := w.client.DescribeWorkflowExecution(context.WithoutCancel(w.t.Context()), todo[0], "")
		todo = todo[1:]
		if err != nil {
			continue
		}
		for _, child := range d.PendingChildren {
			todo = append(todo, child.WorkflowId)
		}
		for _, a := range d.PendingActivities {
			if a.State == enumspb.PENDING_ACTIVITY_STATE_STARTED && strings.HasPrefix(a.LastWorkerIdentity, identity) {
				out[d.WorkflowExecutionInfo.Execution.RunId+a.ActivityId] = a.Attempt
				types[a.ActivityType.GetName()]++
			}
		}
	}
	return out, types
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
}
