package host

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	permits "causeway.dev/activities/operator"
	"causeway.dev/activities/run"
	"causeway.dev/internal/access"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// passes are the workflows that owners begin, and nobody else.
var passes = []string{
	workflows.TypeBackfill, workflows.TypeDeltaPass, workflows.TypeRollback, workflows.TypeRelease, workflows.TypeEventPass, workflows.TypeOptOutPass,
}

// gate asks for a permit wherever somebody asks for something, when access is configured.
// Otherwise names are what somebody says, and never look like verified ones.
//
// Updates are refused before they are in the history, by a check that no replay repeats.
// What happens after that follows from the permit, which is in the history.
type gate struct {
	interceptor.WorkerInterceptorBase
	instance string
	headers  operator.Headers
	keys     *access.Keys // nil: access is not configured
	ledger   *ledger.Ledger
	skew     time.Duration // of clocks
}

func newGate(instance string, headers operator.Headers, granting *permits.Access, l *ledger.Ledger) *gate {
	g := &gate{instance: instance, headers: headers, ledger: l}
	if granting != nil {
		g.keys, g.skew = granting.Keys, granting.Config.ClockSkew
	}
	return g
}

// check returns the permit of a request. Without access there is none, and none may be
// there: it would make a name look verified.
func (g *gate) check(p *access.Permit, name, target, what string, now time.Time) error {
	switch {
	case g.keys == nil && p == nil:
		return nil
	case g.keys == nil:
		return refuse("access is configured where this was asked, and not at the worker; give both the same configuration")
	case p == nil:
		return refuse("this instance asks who you are; set access in your configuration as the worker has it, and sign in with: causeway login")
	}
	if err := g.keys.Check(*p, g.instance, name, target, what, now); err != nil {
		return refuse("%v", err)
	}
	return nil
}

// spend uses a permit up: only this execution of an activity has it, however often it is
// tried.
func (g *gate) spend(ctx context.Context, p *access.Permit) error {
	if p == nil {
		return nil
	}
	mine, err := g.ledger.UseOnce(ctx, "permit/"+p.Nonce, run.Execution(ctx), p.Until.Add(2*g.skew))
	if err == nil && !mine {
		err = errUsed
	}
	return err
}

var errUsed = refuse("the permit of this request was used before; nothing was done, ask again")

func refuse(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), access.CodeRefused, nil)
}

// signed puts who was verified into an input, or what somebody says to be.
func signed(args []any, p *access.Permit) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		out[i] = access.Sign(arg, func(was string) string {
			if p != nil {
				return p.By
			}
			return access.SaysToBe(was)
		})
	}
	return out
}

func (g *gate) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &gatedActivity{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, gate: g}
}

type gatedActivity struct {
	interceptor.ActivityInboundInterceptorBase
	*gate
}

func (g *gatedActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	name, header := info.ActivityType.Name, interceptor.Header(ctx)
	of := ""
	if info.WorkflowType != nil {
		of = info.WorkflowType.Name
	}
	permit, origin := g.headers.ReadPermit(header), g.headers.ReadOrigin(header)
	switch {
	case name == activities.AccessKey, name == activities.AskPermit:
	case !info.IsWorkflowActivity(), of == workflows.TypeAsk:
		return g.asked(ctx, name, permit, in)
	case of == workflows.TypeAudit && origin != operator.OriginChild:
		if err := g.audits(ctx, info, permit); err != nil {
			return nil, err
		}
	case g.keys != nil && slices.Contains(passes, of) && origin != operator.OriginChild:
		return nil, refuse("workflow %s was not begun by the flow that owns it; nothing was done", info.WorkflowExecution.ID)
	}
	return g.Next.ExecuteActivity(ctx, in)
}

// audits checks the permit of an audit that somebody began. Its first activity uses the
// permit up, and has to come in time; those after it show the same one.
func (g *gatedActivity) audits(ctx context.Context, info activity.Info, permit *access.Permit) error {
	now, first := time.Now(), info.ActivityType.Name == activities.OpenAudit
	if !first && permit != nil {
		now = permit.Until
	}
	err := g.check(permit, access.Begin(workflows.TypeAudit), info.WorkflowExecution.ID, whatOfPermit(permit), now)
	if err == nil && first {
		err = g.spend(ctx, permit)
	}
	return err
}

// asked carries out what somebody asks for.
func (g *gatedActivity) asked(ctx context.Context, name string, permit *access.Permit, in *interceptor.ExecuteActivityInput) (any, error) {
	if err := g.check(permit, access.Ask(name), "", whatOf(in.Args), time.Now()); err != nil {
		return nil, err
	}
	if err := g.spend(ctx, permit); err != nil {
		return nil, err
	}
	if operation, known := access.Find(access.Ask(name), nil); known && operation.Signs {
		in.Args = signed(in.Args, permit)
	}
	if permit != nil {
		ctx = access.WithPermit(ctx, *permit)
	}
	return g.Next.ExecuteActivity(ctx, in)
}

func (g *gate) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &gatedWorkflow{WorkflowInboundInterceptorBase: interceptor.WorkflowInboundInterceptorBase{Next: next}, gate: g}
}

type gatedWorkflow struct {
	interceptor.WorkflowInboundInterceptorBase
	*gate
	carries carries
}

func (g *gatedWorkflow) Init(outbound interceptor.WorkflowOutboundInterceptor) error {
	g.carries.headers = g.headers
	g.carries.WorkflowOutboundInterceptorBase = interceptor.WorkflowOutboundInterceptorBase{Next: outbound}
	return g.Next.Init(&g.carries)
}

func (g *gatedWorkflow) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	info := workflow.GetInfo(ctx)
	begun := info.ParentWorkflowExecution == nil && info.ContinuedExecutionRunID == ""
	if info.WorkflowType.Name == workflows.TypeAudit && info.ParentWorkflowExecution == nil && (repeats(info) || begun && inItsMiddle(in.Args)) {
		return nil, refuse("an audit begins once and from the beginning, and this one was begun in another way; nothing was done")
	}
	g.carries.before = g.headers.ReadUsed(interceptor.WorkflowHeader(ctx))
	switch permit := g.headers.ReadPermit(interceptor.WorkflowHeader(ctx)); {
	case info.ParentWorkflowExecution != nil:
		g.carries.origin = operator.OriginChild
	case info.WorkflowType.Name == workflows.TypeAsk:
		g.carries.permit = permit
	case info.WorkflowType.Name == workflows.TypeAudit && !begun:
		g.carries.permit = permit
	case info.WorkflowType.Name == workflows.TypeAudit:
		g.carries.permit = permit
		if permit != nil && permit.What != whatOf(in.Args) { // whether it is a real one, OpenAudit looks
			return nil, refuse("the permit of this audit is for something else; nothing was done")
		}
		in.Args = signed(in.Args, permit)
	}
	return g.Next.ExecuteWorkflow(ctx, in)
}

// repeats says that Temporal begins a workflow again by itself: that would look as if it went
// on after its beginning, where its permit is checked.
func repeats(info *workflow.Info) bool { return info.CronSchedule != "" || info.Attempt > 1 }

func inItsMiddle(args []any) bool {
	in, ok := args[0].(workflows.AuditInput)
	return !ok || in.At != nil
}

// whatOf is the input that something is done with, as permits have it; "" when it cannot be
// told, which no permit has.
func whatOf(args []any) string {
	if len(args) == 0 {
		return ""
	}
	what, err := access.What(args[0])
	if err != nil {
		return ""
	}
	return what
}

// whatOfPermit is for what was compared with the permit before.
func whatOfPermit(p *access.Permit) string {
	if p == nil {
		return ""
	}
	return p.What
}

func (g *gatedWorkflow) ValidateUpdate(ctx workflow.Context, in *interceptor.UpdateInput) error {
	info, permit := workflow.GetInfo(ctx), g.headers.ReadPermit(interceptor.WorkflowHeader(ctx))
	now := time.Now() // no replay repeats a validation
	if permit != nil && info.OriginalRunID != info.WorkflowExecution.RunID && permit.Until.After(info.WorkflowStartTime) {
		now = permit.Until // a reset applies anew what this run had accepted in time
	}
	err := g.check(permit, access.Update(in.Name), info.WorkflowExecution.ID, whatOf(in.Args), now)
	if err == nil && permit != nil && workflow.GetCurrentUpdateInfo(ctx).ID != permit.Nonce {
		err = refuse("the permit of this request was used for another one; nothing was done")
	}
	if err == nil && permit != nil && slices.ContainsFunc(g.carries.before, func(u operator.UsedPermit) bool { return u.Nonce == permit.Nonce }) {
		err = errUsed
	}
	if err != nil {
		return err
	}
	return g.Next.ValidateUpdate(ctx, in)
}

func (g *gatedWorkflow) ExecuteUpdate(ctx workflow.Context, in *interceptor.UpdateInput) (any, error) {
	permit := g.headers.ReadPermit(interceptor.WorkflowHeader(ctx))
	if permit != nil {
		g.carries.used = append(g.carries.used, operator.UsedPermit{Nonce: permit.Nonce, Until: permit.Until})
	}
	in.Args = signed(in.Args, permit)
	return g.Next.ExecuteUpdate(ctx, in)
}

// carries tells activities what their workflow was begun by, and hands the permit on. When a
// workflow continues as new, it hands on which permits were used: Temporal takes an update
// with the same id once, but in one history only. An audit hands on the one that it was begun with.
type carries struct {
	interceptor.WorkflowOutboundInterceptorBase
	headers operator.Headers
	permit  *access.Permit
	origin  string
	before  []operator.UsedPermit // by the histories before
	used    []operator.UsedPermit // by this one
}

func (c *carries) NewContinueAsNewError(ctx workflow.Context, workflowFn any, args ...any) error {
	now := workflow.Now(ctx)
	still := slices.DeleteFunc(slices.Concat(c.before, c.used), func(u operator.UsedPermit) bool { return now.After(u.Until.Add(keepUsed)) })
	c.headers.WriteUsed(interceptor.WorkflowHeader(ctx), still)
	c.headers.Write(interceptor.WorkflowHeader(ctx), c.permit, "")
	return c.Next.NewContinueAsNewError(ctx, workflowFn, args...)
}

// keepUsed is how long a flow knows a permit after its end, for clocks that differ. The skew
// of the configuration may not decide it: it could be another one when a history is replayed.
const keepUsed = time.Hour

func (c *carries) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	c.headers.Write(interceptor.WorkflowHeader(ctx), c.permit, c.origin)
	return c.Next.ExecuteActivity(ctx, name, args...)
}
