package operator

import (
	"context"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"

	"causeway.dev/internal/access"
)

// Permits travel as a header of what is asked for, so that no input has to have a place
// for them. They hold no token.
const (
	headerPermit = "causeway-permit"
	headerOrigin = "causeway-origin"
	headerUsed   = "causeway-used"
)

// OriginChild says that another workflow began a workflow, as its activities are told. Only
// workers say so.
const OriginChild = "child"

// Headers reads and writes them, sealed as everything is that goes to Temporal.
type Headers struct{ Converter converter.DataConverter }

// ReadPermit is the permit in a header; nil when there is none.
func (h Headers) ReadPermit(header map[string]*commonpb.Payload) *access.Permit {
	payload, ok := header[headerPermit]
	if !ok {
		return nil
	}
	var p access.Permit
	if h.Converter.FromPayload(payload, &p) != nil {
		return &access.Permit{} // no worker gave it
	}
	return &p
}

// ReadOrigin is what a workflow says that it was begun by.
func (h Headers) ReadOrigin(header map[string]*commonpb.Payload) (origin string) {
	if payload, ok := header[headerOrigin]; ok {
		_ = h.Converter.FromPayload(payload, &origin) // unreadable is none
	}
	return origin
}

// UsedPermit is a permit that a flow has carried out. It is known until nobody takes it any more.
type UsedPermit struct {
	Nonce string    `json:"nonce"`
	Until time.Time `json:"until"`
}

// ReadUsed are the permits that the histories before this one have used.
func (h Headers) ReadUsed(header map[string]*commonpb.Payload) (used []UsedPermit) {
	if payload, ok := header[headerUsed]; ok {
		_ = h.Converter.FromPayload(payload, &used) // unreadable is none
	}
	return used
}

// WriteUsed hands used permits to the next history, if there are any.
func (h Headers) WriteUsed(header map[string]*commonpb.Payload, used []UsedPermit) {
	if len(used) > 0 {
		h.put(header, headerUsed, used)
	}
}

// Write puts a permit and an origin into a header, each where there is one.
func (h Headers) Write(header map[string]*commonpb.Payload, p *access.Permit, origin string) {
	if p != nil {
		h.put(header, headerPermit, p)
	}
	if origin != "" {
		h.put(header, headerOrigin, origin)
	}
}

func (h Headers) put(header map[string]*commonpb.Payload, key string, value any) {
	if payload, err := h.Converter.ToPayload(value); err == nil {
		header[key] = payload
	}
}

// sendPermit puts the permit of a context into what is sent with it.
type sendPermit struct {
	interceptor.ClientInterceptorBase
	headers Headers
}

func (s *sendPermit) InterceptClient(next interceptor.ClientOutboundInterceptor) interceptor.ClientOutboundInterceptor {
	return &permitSender{interceptor.ClientOutboundInterceptorBase{Next: next}, s.headers}
}

type permitSender struct {
	interceptor.ClientOutboundInterceptorBase
	headers Headers
}

func (s *permitSender) send(ctx context.Context) {
	if p, ok := access.PermitOf(ctx); ok {
		s.headers.Write(interceptor.Header(ctx), &p, "")
	}
}

func (s *permitSender) ExecuteWorkflow(ctx context.Context, in *interceptor.ClientExecuteWorkflowInput) (client.WorkflowRun, error) {
	s.send(ctx)
	return s.Next.ExecuteWorkflow(ctx, in)
}

func (s *permitSender) UpdateWorkflow(ctx context.Context, in *interceptor.ClientUpdateWorkflowInput) (client.WorkflowUpdateHandle, error) {
	s.send(ctx)
	return s.Next.UpdateWorkflow(ctx, in)
}

func (s *permitSender) UpdateWithStartWorkflow(ctx context.Context, in *interceptor.ClientUpdateWithStartWorkflowInput) (client.WorkflowUpdateHandle, error) {
	s.send(ctx)
	return s.Next.UpdateWithStartWorkflow(ctx, in)
}

func (s *permitSender) ExecuteActivity(ctx context.Context, in *interceptor.ClientExecuteActivityInput) (client.ActivityHandle, error) {
	s.send(ctx)
	return s.Next.ExecuteActivity(ctx, in)
}
