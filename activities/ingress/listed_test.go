package ingress_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/kit"
)

// desk is a Dynamics whose administrator has not yet published some options of
// familystatuscode, and counts how often the metadata is read.
type desk struct {
	*dataverse.Client
	hidden  map[int]bool
	deleted string // a column that Dynamics does not have any more
	reads   atomic.Int64
}

func (d *desk) Entity(ctx context.Context, name string) (*dataverse.Entity, error) {
	d.reads.Add(1)
	e, err := d.Client.Entity(ctx, name)
	if err != nil {
		return nil, err
	}
	column := e.Attributes["familystatuscode"]
	options := map[int]string{}
	for option, label := range column.Options {
		if !d.hidden[option] {
			options[option] = label
		}
	}
	column.Options = options
	delete(e.Attributes, d.deleted)
	e.Attributes["familystatuscode"] = column
	return e, nil
}

// members is a Campaign whose enumeration lacks a member.
type members struct {
	*campaign.Client
	hidden string
}

func (m *members) Metadata(ctx context.Context, r campaign.Resource) (*campaign.Metadata, error) {
	out, err := m.Client.Metadata(ctx, r)
	if err == nil {
		delete(out.Fields["gender"].Values, m.hidden)
	}
	return out, err
}

// newDesk is a world in which the options Widowed, and one that nobody ever publishes, are
// hidden.
func newDesk(t *testing.T, contacts int) (*activitytest.World, *desk) {
	s := activitytest.NewWorld(t, contacts)
	d := &desk{Client: s.IngressOptions.Source.(*dataverse.Client), hidden: map[int]bool{3: true, 4: true}}
	s.IngressOptions.Source = d
	s.Ingress = ingress.New(s.IngressOptions)
	s.Register()
	s.Table.Fields = append(s.Table.Fields, mapping.Field{From: "familystatuscode", To: "salutation"})
	return s, d
}

// An option that is added while the flow runs is taken up when a record has it: nothing
// goes to quarantine, and the metadata is read once, not once a record.
func TestANewOptionIsTakenUpWhileTheFlowRuns(t *testing.T) {
	t.Parallel()
	s, d := newDesk(t, 60)
	s.Load()
	d.hidden = map[int]bool{3: true}
	reads := d.reads.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys[:40] {
		s.Edit(key, map[string]any{"familystatuscode": 4})
	}
	delta := s.Delta()
	require.EqualValues(t, 40, delta.Updated)
	require.Zero(t, delta.Quarantined)
	require.Equal(t, "Widowed", s.Sandboxes.Campaign.Profile(keys[0])["salutation"])
	require.Equal(t, reads+1, d.reads.Load())

	for _, key := range keys[40:50] {
		s.Edit(key, map[string]any{"familystatuscode": 4})
	}
	require.EqualValues(t, 10, s.Delta().Updated)
	require.Equal(t, reads+1, d.reads.Load(), "it is known now")

	for _, key := range keys[:20] { // listed nowhere
		s.Edit(key, map[string]any{"familystatuscode": 3})
	}
	require.EqualValues(t, 20, s.Delta().Quarantined)
	require.Equal(t, reads+2, d.reads.Load(), "once for another value, however many records have it")
	list := s.ListQuarantine(activities.QuarantineListInput{})
	require.Contains(t, list.Records[0].Message, "a choice that the column's metadata does not list")
	d.hidden = nil
	s.ReleaseQuarantined(activities.Release{})
	require.Equal(t, reads+2, d.reads.Load(), "not again for the same value within a while")
}

// Metadata that cannot be read for a passing reason leaves the record open: it does not go
// to quarantine for it.
func TestMetadataThatCannotBeReadRefusesNothing(t *testing.T) {
	t.Parallel()
	s, d := newDesk(t, 10)
	s.Load()
	d.hidden = nil
	s.LaneAttempts = 5
	s.Edit(s.Sandboxes.Dynamics.Keys("contacts")[0], map[string]any{"familystatuscode": 4})
	_, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "dataverse", Method: http.MethodGet, Path: "EntityDefinitions", Action: kit.Respond, Status: 503, Times: 2})
	require.NoError(t, err)
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.Delta())
}

// A member that Campaign adds to an enumeration is taken up, too.
func TestANewMemberOfAnEnumerationIsTakenUp(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	target := &members{s.IngressOptions.Target.(*campaign.Client), "female"}
	s.IngressOptions.Target = target
	s.Ingress = ingress.New(s.IngressOptions)
	s.Register()
	s.Table.Fields = append(s.Table.Fields, mapping.Field{From: "gendercode", To: "gender", Replace: map[string]string{"Male": "male"}})
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys {
		s.Edit(key, map[string]any{"gendercode": 1})
	}
	s.Load()
	target.hidden = ""
	s.Edit(keys[2], map[string]any{"gendercode": 2})
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.Delta())
	require.Equal(t, "female", s.Sandboxes.Campaign.Profile(keys[2])["gender"])
}
