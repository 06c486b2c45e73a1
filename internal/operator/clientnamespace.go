package operator

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

func (t *temporalClient) Retention(ctx context.Context) (time.Duration, error) {
	answer, err := t.client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: t.space})
	if err != nil {
		return 0, t.explainNamespace(err)
	}
	return answer.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(), nil
}

func (t *temporalClient) CreateNamespace(ctx context.Context, retention time.Duration) error {
	_, err := t.client.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: t.space, Description: "Causeway: Dynamics 365 and Adobe Campaign in step", WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	if _, exists := errors.AsType[*serviceerror.NamespaceAlreadyExists](err); exists {
		return nil
	}
	return t.explain(err)
}

func (t *temporalClient) SearchAttributes(ctx context.Context) (map[string]enumspb.IndexedValueType, error) {
	answer, err := t.client.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: t.space})
	if err != nil {
		return nil, t.explainNamespace(err)
	}
	return answer.GetCustomAttributes(), nil
}

func (t *temporalClient) AddSearchAttributes(ctx context.Context, attributes map[string]enumspb.IndexedValueType) error {
	_, err := t.client.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: t.space, SearchAttributes: attributes,
	})
	return t.explainNamespace(err)
}
