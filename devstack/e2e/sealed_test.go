package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"causeway.dev/activities"
	"causeway.dev/internal/temporalcodec"
	"causeway.dev/starter/commands"
	"causeway.dev/workflows"
)

// aKey is a key, written as it is configured.
func aKey(b byte) string { return hex.EncodeToString(bytes.Repeat([]byte{b}, 32)) }

// seal configures these keys, and connects with them.
func (w *world) seal(keys ...string) {
	w.t.Helper()
	file := filepath.Join(w.dir, "temporal.key")
	require.NoError(w.t, os.WriteFile(file, []byte(strings.Join(keys, "\n")+"\n"), 0o600))
	text, err := os.ReadFile(w.cfgPath)
	require.NoError(w.t, err)
	if !bytes.Contains(text, []byte("\ntemporal:")) {
		require.NoError(w.t, os.WriteFile(w.cfgPath, append(text, "temporal:\n  encryption_key: file:temporal.key\n  codec_listen: 127.0.0.1:0\n"...), 0o600))
	}
	w.load()
}

// keyNamed is the id of a key.
func keyNamed(t *testing.T, key string) string {
	t.Helper()
	keys, err := temporalcodec.ParseKeys(key)
	require.NoError(t, err)
	p, err := keys.Converter().ToPayload("")
	require.NoError(t, err)
	return temporalcodec.KeyOf(p)
}

// temporalBytes are all bytes that Temporal has written.
func (w *world) temporalBytes() []byte {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "temporal.db*"))
	require.NoError(w.t, err)
	var all []byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(w.t, err)
		all = append(all, data...)
	}
	return all
}

// inClear are texts that payloads of ours hold, and a failure, a summary and a filter.
var inClear = []string{`"table"`, `"request"`, `"revision"`, `"state"`, `"run"`, `"instance"`, `"fields"`, "emailaddress1", "externalId", "Zyxwvut", "a release of a person", "hostile-text-of-a-service", "contacts: Dynamics contact to Campaign profile", "asked by causeway"}

// A loaded instance with a key has been asked, updated, and has failed; the database of
// Temporal holds none of the texts. What reads histories opens them, and another key is
// refused.
func TestTemporalHoldsNothingInClear(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 60, pageSize: 30, yaml: func(text string) string {
		return strings.Replace(text, "      fields:", "      filter: {where: [{column: lastname, is: not_equals, value: Zyxwvut}]}\n      fields:", 1)
	}})
	if os.Getenv("CAUSEWAY_E2E_CLEAR") == "" { // set it to see that the texts are found without a key
		w.seal(aKey(1))
	}
	first := w.startWorker()
	code, _, stderr := w.causeway("start", "contacts")
	require.Zero(t, code, stderr+w.tail())
	require.NotContains(t, stderr, "unsealed")
	w.loaded()
	for _, args := range [][]string{{"pause", "contacts", "--reason", "a release of a person"}, {"status", "contacts"}, {"resume", "contacts"}, {"quarantine", "list"}} {
		code, _, stderr := w.causeway(args...)
		require.Zero(t, code, stderr)
	}
	first.drain()
	stop := w.testBuild(func(r worker.Worker) { workflows.Register(r) }, map[string]any{
		"AuditPages": func(context.Context, activities.AuditInput) (*activities.AuditPagesResult, error) {
			return nil, temporal.NewNonRetryableApplicationError("hostile-text-of-a-service", "Fault", nil)
		},
	})
	audit := w.audit("contacts", false)
	ctx, cancel := context.WithTimeout(t.Context(), settleWithin)
	defer cancel()
	require.ErrorContains(t, audit.Get(ctx, nil), "hostile-text-of-a-service", "the text comes back to whoever has the key")
	failed := runs[activities.RunListResult](w, "runs", "list", "--failed")
	require.Len(t, failed.Runs, 1)
	run := failed.Runs[0].Run
	code, out, stderr := w.causeway("runs", "show", run)
	require.Zero(t, code, stderr)
	require.Contains(t, out, "hostile-text-of-a-service")
	stop()

	written := w.temporalBytes()
	require.True(t, bytes.Contains(written, []byte(w.flowID())), "ids stay clear")
	for _, text := range inClear {
		assert.False(t, bytes.Contains(written, []byte(text)), "%s stands in the database of Temporal", text)
	}

	// The endpoint of the Web UI opens what Temporal has.
	remote := converter.NewRemotePayloadCodec(converter.RemotePayloadCodecOptions{Endpoint: w.codec()})
	history := w.history(w.flowID())
	memo := history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes().GetMemo().GetFields()["started_by"]
	require.Equal(t, keyNamed(t, aKey(1)), temporalcodec.KeyOf(memo), "who began it")
	require.NoError(t, proxy.VisitPayloads(ctx, history, proxy.VisitPayloadsOptions{
		SkipSearchAttributes: true,
		Visitor: func(_ *proxy.VisitPayloadsContext, payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
			return remote.Decode(payloads)
		},
	}))
	var opened []byte
	require.NoError(t, proxy.VisitPayloads(ctx, history, proxy.VisitPayloadsOptions{
		Visitor: func(_ *proxy.VisitPayloadsContext, payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
			for _, p := range payloads {
				opened = append(opened, p.GetData()...)
			}
			return payloads, nil
		},
	}))
	require.Contains(t, string(opened), "Zyxwvut")
	require.Contains(t, string(opened), "contacts: Dynamics contact to Campaign profile")

	// An exported history stays sealed, and replays.
	dir := filepath.Join(t.TempDir(), "histories")
	exported := runs[struct{ Files []struct{ File string } }](w, "runs", "export", "contacts", "--to", dir)
	require.NotEmpty(t, exported.Files)
	for _, f := range exported.Files {
		data, err := os.ReadFile(f.File)
		require.NoError(t, err)
		require.NotContains(t, string(data), base64.StdEncoding.EncodeToString([]byte(`{"instance":`))[:15])
		require.Contains(t, string(data), `"causeway-key"`)
	}
	code, out, stderr = w.causeway("runs", "verify", dir)
	require.Zero(t, code, out+stderr)
	code, out, stderr = w.causeway("runs", "verify", "contacts")
	require.Zero(t, code, out+stderr)

	// Another key is refused everywhere, and nothing is written.
	w.seal(aKey(2))
	w.edit(w.ids()[0], map[string]any{"address1_city": "Nebelheim"})
	calls, wanted := w.engineCalls(), "sealed with key "+keyNamed(t, aKey(1))+", and the keys configured are "+keyNamed(t, aKey(2))
	wrong := w.startWorker()
	<-wrong.done
	require.Contains(t, w.tail(), "workflow "+w.flowID()+": temporal.encryption_key: Temporal holds what is "+wanted)
	code, out, stderr = w.causeway("runs", "verify", dir)
	require.Equal(t, 1, code)
	require.Contains(t, out+stderr, wanted)
	code, _, stderr = w.causeway("runs", "verify", "contacts")
	require.Equal(t, 2, code, stderr)
	require.Contains(t, stderr, wanted)
	require.Equal(t, calls, w.engineCalls())
	w.seal(aKey(1))
	w.startWorker()
	w.inStep()
}

// codec runs causeway codec, and returns where it listens.
func (w *world) codec() string {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	out, in := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- commands.Execute(ctx, []string{"codec", "-o", "json", "--config", w.cfgPath}, strings.NewReader(""), in, io.Discard)
		_ = in.Close()
	}()
	w.t.Cleanup(func() {
		stop()
		go func() { _, _ = io.Copy(io.Discard, out) }()
		require.Zero(w.t, <-done)
	})
	var answer struct{ Address string }
	require.NoError(w.t, json.NewDecoder(out).Decode(&answer))
	return answer.Address
}

// A flow that began without a key gets one in the middle of its load, and another one
// soon after. It goes on, and all of its histories are read.
func TestKeysChangeDuringALoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 600, pageSize: 30})
	w.boxes.Campaign.SetLatency(100 * time.Millisecond)
	one := w.startWorker()
	w.startFlow()
	var load string
	for n, keys := range [][]string{{aKey(1)}, {aKey(2), aKey(1)}} {
		require.Eventually(t, func() bool { return w.profileCount() > int64(60*(n+1)) }, settleWithin, 5*time.Millisecond)
		st, err := w.status()
		require.NoError(t, err)
		require.NotEmpty(t, st.Run, "the load is at work")
		load = st.RunWorkflow
		one.kill()
		w.seal(keys...)
		one = w.startWorker()
		w.until("the worker to answer", func(workflows.Status) bool { return true })
	}
	w.boxes.Campaign.SetLatency(0)
	st := w.loaded()
	w.inStep()
	code, out, stderr := w.causeway("runs", "verify", st.LastRun.Run)
	require.Zero(t, code, out+stderr)
	code, out, stderr = w.causeway("runs", "show", st.LastRun.Run)
	require.Zero(t, code, stderr)
	require.NotContains(t, out, temporalcodec.SealedText)

	// Temporal has all three forms, and the newest is that of the key put first.
	written := string(w.temporalBytes())
	for _, want := range []string{`"emailaddress1"`, keyNamed(t, aKey(1)), keyNamed(t, aKey(2))} {
		require.True(t, strings.Contains(written, want), want)
	}
	ids, err := temporalcodec.KeysOf(t.Context(), w.history(load))
	require.NoError(t, err)
	require.Contains(t, ids, keyNamed(t, aKey(2)))

	// An update that is sealed with a key which the worker lacks is refused, and the flow
	// goes on.
	w.seal(aKey(3))
	code, _, stderr = w.causeway("pause", "contacts", "--reason", "another key")
	require.NotZero(t, code)
	require.Contains(t, stderr, "temporal.encryption_key")
	w.seal(aKey(2), aKey(1))
	w.edit(w.ids()[0], map[string]any{"address1_city": "Nebelheim"})
	w.inStep()
}

// A flow is begun with a key that its worker does not have. It is not failed for that; it
// goes on when a worker has the key.
func TestAFlowWaitsForAWorkerWithItsKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 30})
	w.seal(aKey(1))
	without := w.startWorker()
	require.Eventually(t, func() bool { // it has begun, with its own key
		code, _, _ := w.causeway("runs", "list", "--timeout", "2s")
		return code == 0
	}, settleWithin, 100*time.Millisecond, w.tail())
	w.seal(aKey(2))
	code, _, stderr := w.causeway("start", "contacts", "--timeout", "3s")
	require.NotZero(t, code, stderr)
	require.Eventually(t, func() bool {
		d, err := w.client.DescribeWorkflowExecution(t.Context(), w.flowID(), "")
		return err == nil && d.GetPendingWorkflowTask().GetAttempt() > 1
	}, settleWithin, 100*time.Millisecond, w.tail())
	require.Contains(t, w.tail(), "sealed with key "+keyNamed(t, aKey(2)), "the worker's log says what it lacks")
	without.drain()
	w.seal(aKey(2), aKey(1))
	w.startWorker()
	w.loaded() // with the start that nobody could answer
	w.inStep()
}
