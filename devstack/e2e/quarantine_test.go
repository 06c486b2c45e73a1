package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/internal/mapping"
	"causeway.dev/starter/commands"
	"causeway.dev/workflows"
)

// causeway runs the command line.
func (w *world) causeway(args ...string) (code int, stdout, stderr string) {
	w.t.Helper()
	var out, errs bytes.Buffer
	code = commands.Execute(w.t.Context(), append(args, "--config", w.cfgPath, "--address", w.address, "--namespace", w.namespace), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

const tooLong = "Maximiliana-Theodora-Wilhelmine-Auguste"

// 500 records with four causes are in quarantine. The mapping is corrected and the flow
// started again. All records whose cause is gone are written without being named,
// although the worker is killed meanwhile. The others wait for their causes to go.
func TestRefusedRecordsLandAfterTheMappingIsMended(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 1_200, pageSize: 200, yaml: func(text string) string {
		return strings.Replace(text, "on_too_long: truncate", "on_too_long: reject", 1) + "quarantine: {stop_ratio: 0.9}\n"
	}})
	table := w.cfg.Ingress.Tables["contacts"]
	table.Fields = append(table.Fields, mapping.Field{From: "salutation", To: "salutation"},
		mapping.Field{From: "familystatuscode", To: "emailFormat", Replace: map[string]string{"Married": "html"}})
	w.cfg.Ingress.Tables["contacts"] = table
	all := w.ids()
	var ids []string
	for i := range 500 {
		ids = append(ids, all[2*i]) // every other one, so that no page has too many
		w.edit(ids[i], []map[string]any{{"firstname": tooLong}, {"salutation": tooLong}, {"familystatuscode": 1}, {"emailaddress1": fmt.Sprintf("not-an-address-%d", i)}}[i%4])
	}
	worker := w.startWorker()
	w.startFlow()
	require.Equal(t, int64(500), w.loaded().Quarantined)
	list := w.quarantine()
	require.Equal(t, int64(500), list.Total)
	require.Len(t, list.Groups, 4)
	code, out, _ := w.causeway("quarantine", "list", "--limit", "1")
	require.Zero(t, code)
	require.Contains(t, out, "125  contacts  TooLong")

	var st workflows.Status
	w.update(workflows.UpdateStop, workflows.StopRequest{By: "test"}, &st)
	mended := table
	mended.Fields = append([]mapping.Field{}, table.Fields...)
	for i := range mended.Fields {
		switch f := &mended.Fields[i]; f.To {
		case "firstName", "salutation":
			f.OnTooLong = "truncate"
		case "emailFormat":
			f.Replace = maps.Clone(f.Replace)
			f.Replace["Single"] = "text"
		}
	}
	w.cfg.Ingress.Tables["contacts"] = mended
	w.boxes.Campaign.SetLatency(20 * time.Millisecond)
	w.startFlow()
	require.Eventually(t, func() bool { return w.profileCount() > 800 }, settleWithin, 5*time.Millisecond)
	worker.kill()
	w.startWorker()
	st = w.until("the release", func(st workflows.Status) bool {
		return st.LastRun != nil && st.LastRun.Kind == activities.KindRelease && st.Run == ""
	})
	require.Equal(t, "COMPLETED", st.LastRun.State)
	require.Equal(t, int64(500), st.LastRun.Counts.Read)
	require.Equal(t, int64(125), st.LastRun.Counts.Quarantined)
	require.Equal(t, int64(125), st.Quarantined)
	require.LessOrEqual(t, w.repeatedWrites(), int64(100), "a kill repeats what was in hand")
	require.Empty(t, w.differencesBut(10, func(row map[string]any) bool {
		s, _ := row["emailaddress1"].(string)
		return strings.HasPrefix(s, "not-an-address-")
	}))

	// Of the rest, one is released by a change in Dynamics. The others are shown and
	// discarded.
	w.edit(ids[3], map[string]any{"emailaddress1": "ann@example.test"})
	require.Eventually(t, func() bool { return w.boxes.Campaign.Profile(ids[3]) != nil }, settleWithin, 50*time.Millisecond)
	code, out, stderr := w.causeway("quarantine", "show", "contacts", ids[7], "--reveal")
	require.Zero(t, code, stderr)
	require.Contains(t, out, `"not-an-address-7"`)
	w.sealedInTemporal(ids[7], "not-an-address-7")
	code, out, stderr = w.causeway("quarantine", "release", "contacts", "--code", w.quarantine().Records[0].Code, "--wait", "-o", "json")
	require.Zero(t, code, stderr)
	require.Contains(t, out, `"quarantined": 124`)
	code, out, stderr = w.causeway("quarantine", "discard", "contacts", "--all", "--reason", "no addresses", "--yes")
	require.Zero(t, code, stderr)
	require.Equal(t, "124 records of contacts discarded\n", out)
	require.Zero(t, w.quarantine().Total)
	w.until("the status without them", func(st workflows.Status) bool { return st.Quarantined == 0 })
	code, out, stderr = w.causeway("log")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "discard")
	require.Contains(t, out, "no addresses")
	require.Contains(t, out, "release")
	w.noPersonalData()
}

// sealedInTemporal asks like the command line and checks what Temporal keeps.
func (w *world) sealedInTemporal(id, value string) {
	w.t.Helper()
	public, private, err := box.GenerateKey(rand.Reader)
	require.NoError(w.t, err)
	h, err := w.client.ExecuteActivity(w.t.Context(), client.StartActivityOptions{
		ID: "show-quarantined", TaskQueue: workflows.QueueMain, ScheduleToCloseTimeout: time.Minute,
	}, activities.ShowQuarantined, activities.ShowQuarantinedInput{Table: "contacts", ID: id, RevealTo: public[:]})
	require.NoError(w.t, err)
	var kept json.RawMessage
	require.NoError(w.t, h.Get(w.t.Context(), &kept))
	require.NotContains(w.t, string(kept), value)
	var shown activities.ShowQuarantinedResult
	require.NoError(w.t, json.Unmarshal(kept, &shown))
	values, err := activities.Reveal(shown.Sealed, public, private)
	require.NoError(w.t, err)
	require.Contains(w.t, fmt.Sprintf("%s", values), value)
}
