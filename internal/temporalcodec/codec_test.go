package temporalcodec

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"
)

// keyText is a key for tests.
func keyText(b byte) string { return hex.EncodeToString(bytes.Repeat([]byte{b}, 32)) }

func keysOf(t *testing.T, text string) *Keys {
	t.Helper()
	k, err := ParseKeys(text)
	require.NoError(t, err)
	return k
}

func TestKeysInEveryForm(t *testing.T) {
	t.Parallel()
	inBase64 := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{2}, 32))
	k := keysOf(t, " "+keyText(1)+",\n"+inBase64+"\r\n"+keyText(1))
	require.Len(t, k.ids, 2, "one was there twice")
	require.Equal(t, k.ids[0], k.first)
	require.Equal(t, keysOf(t, keyText(2)).first, k.ids[1])
	for _, text := range []string{"", " \n", "hunter2", keyText(1) + " hunter2", keyText(1)[:62]} {
		_, err := ParseKeys(text)
		require.ErrorContains(t, err, "32 bytes")
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestWhatOneKeySealsOnlyThatKeyOpens(t *testing.T) {
	t.Parallel()
	old, both := keysOf(t, keyText(1)), keysOf(t, keyText(2)+" "+keyText(1))
	clear, err := (&Keys{}).Converter().ToPayload(map[string]string{"email": "ada@example.test"})
	require.NoError(t, err)
	require.Contains(t, string(clear.Data), "ada@")
	first, err := old.Encode([]*commonpb.Payload{clear})
	require.NoError(t, err)
	second, err := both.Encode([]*commonpb.Payload{clear, first[0]})
	require.NoError(t, err)
	require.Same(t, first[0], second[1], "nothing is sealed twice")
	require.Equal(t, old.first, KeyOf(first[0]))
	require.Equal(t, both.first, KeyOf(second[0]))
	raw, err := proto.Marshal(second[0])
	require.NoError(t, err)
	require.NotContains(t, string(raw), "ada@")
	require.NotContains(t, string(raw), "json/plain")

	opened, err := both.Decode([]*commonpb.Payload{clear, first[0], second[0]})
	require.NoError(t, err)
	for _, p := range opened {
		require.True(t, proto.Equal(clear, p))
	}
	for name, other := range map[string]*Keys{"the old key": old, "no key": {}} {
		_, err = other.Decode(second[:1])
		missing, ok := errors.AsType[*MissingKeyError](err)
		require.True(t, ok, name)
		require.Equal(t, both.first, missing.ID)
		require.ErrorContains(t, err, "temporal.encryption_key: Temporal holds what is sealed with key "+both.first)
	}
}

// Neither the value nor the name of its key can be changed unnoticed.
func TestAChangedPayloadIsRefused(t *testing.T) {
	t.Parallel()
	k := keysOf(t, keyText(1)+" "+keyText(2))
	sealed, err := k.Converter().ToPayload("value")
	require.NoError(t, err)
	for n := range sealed.Data {
		changed := proto.Clone(sealed).(*commonpb.Payload)
		changed.Data[n] ^= 1
		_, err := k.Decode([]*commonpb.Payload{changed})
		require.ErrorContains(t, err, "was changed since")
	}
	sealed.Metadata[metadataKey] = []byte(k.ids[1])
	_, err = k.Decode([]*commonpb.Payload{sealed})
	require.ErrorContains(t, err, "was changed since")
	sealed.Data, sealed.Metadata[metadataKey] = nil, []byte(k.first)
	_, err = k.Decode([]*commonpb.Payload{sealed})
	require.ErrorContains(t, err, "was changed since")
}

func TestFailuresHideTheirTexts(t *testing.T) {
	t.Parallel()
	var ours, theirs client.Options
	k := keysOf(t, keyText(1))
	k.Apply(&ours)
	keysOf(t, keyText(2)).Apply(&theirs)
	failure := ours.FailureConverter.ErrorToFailure(temporal.NewApplicationErrorWithCause("outer ada@example.test", "kind", errors.New("inner ada@example.test"), "detail ada@example.test"))
	raw, err := proto.Marshal(failure)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "ada@")
	require.ErrorContains(t, ours.FailureConverter.FailureToError(proto.CloneOf(failure)), "outer ada@example.test")
	require.ErrorContains(t, theirs.FailureConverter.FailureToError(proto.CloneOf(failure)), SealedText)

	event := &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{
		WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{Failure: failure},
	}}
	ids, err := KeysOf(t.Context(), event)
	require.NoError(t, err)
	require.Equal(t, []string{k.first}, ids)
	require.ErrorContains(t, keysOf(t, keyText(2)).Open(t.Context(), event), k.first)
	require.NoError(t, k.Open(context.Background(), event))
	opened := event.GetWorkflowExecutionFailedEventAttributes().GetFailure()
	require.Equal(t, "outer ada@example.test", opened.GetMessage())
	require.Equal(t, "inner ada@example.test", opened.GetCause().GetMessage())
	require.Contains(t, string(opened.GetApplicationFailureInfo().GetDetails().GetPayloads()[0].GetData()), "detail ada")
}

// Workflow code waits for its key; everything else is refused.
func TestAMissingKeyHoldsWorkflowCode(t *testing.T) {
	t.Parallel()
	sealed, err := keysOf(t, keyText(1)).Converter().ToPayloads("value")
	require.NoError(t, err)
	clear, err := converter.GetDefaultDataConverter().ToPayloads("clear")
	require.NoError(t, err)
	outside := (&Keys{}).Converter()
	inside := outside.(workflow.ContextAware).WithWorkflowContext(nil)
	var got string
	require.ErrorContains(t, outside.FromPayloads(sealed, &got), "temporal.encryption_key")
	require.Panics(t, func() { _ = inside.FromPayloads(sealed, &got) })
	require.Panics(t, func() { _ = inside.FromPayload(sealed.GetPayloads()[0], &got) })
	require.NoError(t, inside.FromPayloads(clear, &got))
	require.Equal(t, "clear", got)
	require.NoError(t, inside.FromPayload(nil, &got))
	require.NoError(t, inside.FromPayloads(nil))
}
