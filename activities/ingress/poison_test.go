package ingress_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/activities/run"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
	"causeway.dev/internal/transport"
)

// victimEnv makes the test program a worker that dies at certain records.
const victimEnv = "CAUSEWAY_ACTIVITIES_VICTIM"

const victimDied = 137

func TestMain(m *testing.M) {
	if order := os.Getenv(victimEnv); order != "" {
		if err := victimLane(order); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// victimOrder is the lane that a victim writes, and with what.
type victimOrder struct {
	CampaignURL, IMSURL, ClientID, Secret string
	CA, Ledger                            string
	Poison                                []string      // keys it dies at
	DieAfter                              int           // and after so many writes; 0 = never
	KilledAfter                           time.Duration // from outside, whatever it does; 0 = never
	Quiet                                 time.Duration // see run.NewAlone
	Lane                                  activities.LaneInput
}

// deadly is a target at which the process dies, as it does of a stack that
// overflows or when it is killed for its memory: nothing is flushed, nothing said.
type deadly struct {
	*campaign.Client
	order  victimOrder
	writes chan struct{}
}

func (d *deadly) at(key string) {
	for _, p := range d.order.Poison {
		if p == key {
			os.Exit(victimDied)
		}
	}
}

func (d *deadly) Create(ctx context.Context, r campaign.Resource, body []byte) error {
	var record struct {
		Key string `json:"externalId"`
	}
	if err := json.Unmarshal(body, &record); err != nil {
		return err
	}
	d.at(record.Key)
	if d.order.KilledAfter > 0 {
		select {} // a target that is slower than the killer
	}
	err := d.Client.Create(ctx, r, body)
	d.wrote()
	return err
}

func (d *deadly) Patch(ctx context.Context, r campaign.Resource, key string, body []byte) error {
	d.at(key)
	err := d.Client.Patch(ctx, r, key, body)
	d.wrote()
	return err
}

// wrote dies after a write that Campaign has and nobody was told of.
func (d *deadly) wrote() {
	if d.order.DieAfter == 0 {
		return
	}
	select {
	case d.writes <- struct{}{}:
	default:
		os.Exit(victimDied)
	}
}

func victimLane(text string) error {
	var order victimOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		return err
	}
	ctx := context.Background()
	books, err := ledger.Open(ctx, ledger.Options{Driver: "sqlite", Path: order.Ledger, Synchronous: "normal", Keys: ledgertest.Keys})
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(order.CA)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	tokens := campaign.NewIMSTokens(campaign.IMSOptions{URL: order.IMSURL, ClientID: order.ClientID, Secret: order.Secret, Scopes: []string{"campaign_sdk"},
		HTTPClient: &http.Client{Transport: transport.NewBase(roots)}})
	client, err := campaign.New(campaign.Options{BaseURL: order.CampaignURL, APIKey: order.ClientID,
		Transport: transport.New(transport.Options{Service: "campaign", RootCAs: roots, Gate: transport.NewGate(), Tokens: tokens})})
	if err != nil {
		return err
	}
	in := ingress.New(ingress.Options{
		Target: &deadly{Client: client, order: order, writes: make(chan struct{}, max(order.DieAfter-1, 0))}, Ledger: books, Concurrency: 8, Lanes: 4,
		Alone: run.NewAlone(order.Quiet),
	})
	if order.KilledAfter > 0 {
		time.AfterFunc(order.KilledAfter, func() { os.Exit(victimDied) })
	}
	env := activitytest.NewEnv()
	in.Register(env)
	if _, err := env.ExecuteActivity(in.WriteLane, order.Lane); err != nil {
		return err
	}
	return books.Close()
}

// victim runs WriteLane in a process of its own; true when it died.
func victim(s *activitytest.World, order victimOrder) bool {
	s.T.Helper()
	secret, err := os.ReadFile(s.Sandboxes.CampaignSecretFile)
	require.NoError(s.T, err)
	order.CampaignURL, order.IMSURL, order.ClientID, order.Secret = s.Sandboxes.CampaignURL, s.Sandboxes.IMSURL, s.Sandboxes.CampaignClientID, string(secret)
	order.CA, order.Ledger = s.Sandboxes.CAPath, filepath.Join(filepath.Dir(s.Sandboxes.CAPath), "ledger.db")
	text, err := json.Marshal(order)
	require.NoError(s.T, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+string(text))
	out, err := cmd.CombinedOutput()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if failed && exit.ExitCode() == victimDied {
		return true
	}
	require.NoError(s.T, err, string(out))
	return false
}

// A record at which workers die ends in quarantine, alone; the flow goes on.
func TestAPoisonousRecordEndsInQuarantine(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 40)
	s.Preflight()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	ref, page := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	require.Equal(t, []int{40}, page.Lanes)
	deaths := 0
	for victim(s, victimOrder{Poison: keys[7:8], Quiet: time.Millisecond, Lane: activities.LaneInput{RunRef: ref, Page: 1}}) {
		deaths++
		require.Less(t, deaths, 10, "it must come to an end")
	}
	require.Equal(t, 6, deaths, "3 until the lane is written carefully, 3 until the record is blamed")
	done := activitytest.Call[activities.SaveWatermarkResult](s, s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
	require.Equal(t, activities.Counts{Read: 40, Created: 39, Quarantined: 1}, done.Counts)
	refused := activitytest.Call[activities.QuarantineListResult](s, s.Operator.ListQuarantine, activities.QuarantineListInput{Table: "contacts"})
	require.Len(t, refused.Records, 1)
	require.Equal(t, keys[7], refused.Records[0].ID)
	require.Equal(t, "Poison", refused.Records[0].Code)
	require.Zero(t, refused.Records[0].NextTry, "not tried again by itself")
	require.Nil(t, s.Sandboxes.Campaign.Profile(keys[7]))
}

// Workers that are killed at one record after another blame none of them.
func TestKilledWorkersBlameNoRecord(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 40)
	s.Preflight()
	ref, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	deaths := 0
	for victim(s, victimOrder{DieAfter: 3, Quiet: time.Millisecond, Lane: activities.LaneInput{RunRef: ref, Page: 1}}) {
		deaths++
		require.Less(t, deaths, 60)
	}
	require.Greater(t, deaths, 6)
	done := activitytest.Call[activities.SaveWatermarkResult](s, s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
	require.Equal(t, activities.Counts{Read: 40, Created: 40}, done.Counts)
	require.Empty(t, s.Differences())
}

// Several records at which workers die are all found.
func TestSeveralPoisonousRecordsAreFound(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 6)
	s.Preflight()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	ref, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	deaths := 0
	for victim(s, victimOrder{Poison: []string{keys[1], keys[4]}, Quiet: time.Millisecond, Lane: activities.LaneInput{RunRef: ref, Page: 1}}) {
		deaths++
		require.Less(t, deaths, 20, "it must come to an end")
	}
	done := activitytest.Call[activities.SaveWatermarkResult](s, s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
	require.Equal(t, activities.Counts{Read: 6, Created: 4, Quarantined: 2}, done.Counts)
}

// Workers that are killed again and again, with a target so slow that each has the same
// record in flight, blame it for nothing: they die without it, too.
func TestThePaceOfKillsBlamesNoRecord(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1)
	s.Preflight()
	ref, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	for range 12 {
		require.True(t, victim(s, victimOrder{KilledAfter: 200 * time.Millisecond, Quiet: time.Minute, Lane: activities.LaneInput{RunRef: ref, Page: 1}}))
	}
	require.False(t, victim(s, victimOrder{Quiet: time.Millisecond, Lane: activities.LaneInput{RunRef: ref, Page: 1}}))
	done := activitytest.Call[activities.SaveWatermarkResult](s, s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, done.Counts)
}

// panics is a target at which the code fails.
type panics struct {
	*campaign.Client
	key string
}

func (p panics) Create(ctx context.Context, r campaign.Resource, body []byte) error {
	var record map[string]any
	if err := json.Unmarshal(body, &record); err != nil {
		return err
	}
	if record["externalId"] == p.key {
		panic(fmt.Sprint("a value: ", record["lastName"]))
	}
	return p.Client.Create(ctx, r, body)
}

// A panic at a record sets that record aside, at once and without its values.
func TestAPanicSetsTheRecordAside(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	s.Preflight()
	key := s.Sandboxes.Dynamics.Keys("contacts")[3]
	s.IngressOptions.Target = panics{s.IngressOptions.Target.(*campaign.Client), key}
	s.Ingress = ingress.New(s.IngressOptions)
	s.Register()
	done := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Equal(t, activities.Counts{Read: 20, Created: 19, Quarantined: 1}, done.Counts)
	refused := activitytest.Call[activities.QuarantineListResult](s, s.Operator.ListQuarantine, activities.QuarantineListInput{Table: "contacts"})
	require.Equal(t, "Panic", refused.Records[0].Code)
	require.Equal(t, key, refused.Records[0].ID)
	require.NotContains(t, refused.Records[0].Message, s.Sandboxes.Dynamics.Row("contacts", key)["lastname"])
}
