package temporalcodec

import (
	"context"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Apply has a client seal all that it sends, and open all that it gets. Without a key it
// sends clear payloads, and refuses sealed ones with the key that they want.
func (k *Keys) Apply(o *client.Options) {
	o.DataConverter = k.Converter()
	o.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: o.DataConverter, EncodeCommonAttributes: k.Seals(),
	})
}

// SealedText is what the SDK shows of a failure whose own text cannot be opened.
const SealedText = "Encoded failure"

// Converter turns values into sealed payloads, and back.
func (k *Keys) Converter() converter.DataConverter {
	return outside{converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), k), k}
}

// outside is the converter of clients, activities, and the arguments of updates and
// queries. There an error refuses one call.
type outside struct {
	converter.DataConverter
	keys *Keys
}

var _ workflow.ContextAware = outside{}

// WithContext is that of clients and activities.
func (o outside) WithContext(context.Context) converter.DataConverter { return o }

// WithWorkflowContext makes the converter of workflow code.
func (o outside) WithWorkflowContext(workflow.Context) converter.DataConverter {
	return inside(o)
}

// inside is the converter of workflow code, for its input and the results it waits for.
// An error there would end a flow as failed, only because a key is missing here. A panic
// makes the task fail, and Temporal tries it again until a worker has the key.
type inside struct {
	converter.DataConverter
	keys *Keys
}

func (i inside) FromPayload(p *commonpb.Payload, value any) error {
	i.hold(p)
	return i.DataConverter.FromPayload(p, value)
}

func (i inside) FromPayloads(p *commonpb.Payloads, values ...any) error {
	i.hold(p.GetPayloads()...)
	return i.DataConverter.FromPayloads(p, values...)
}

// hold panics when a payload cannot be opened.
func (i inside) hold(payloads ...*commonpb.Payload) {
	if _, err := i.keys.Decode(payloads); err != nil {
		panic(err)
	}
}
