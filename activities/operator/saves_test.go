package operator_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
)

// A saved change is kept with who, when and what, and is in the audit trail.
func TestASavedChangeIsKeptAndLogged(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1)
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	in := activities.RecordSaveInput{
		ConfigSave: activities.ConfigSave{ID: "s1", At: at, By: "Ada <6f0c>", Reason: "faster", Paths: []string{"mappings/contacts.yaml"}, Differences: []activities.MappingDifference{{Sentence: "x is new", Kind: "added"}}},
		Files:      []activities.SavedFile{{Path: "mappings/contacts.yaml", Before: []byte("a"), After: []byte("b")}},
	}
	_, err := s.Env.ExecuteActivity(s.Operator.RecordSave, in)
	require.NoError(t, err)
	want := in.ConfigSave
	want.Verified = true
	listed := activitytest.Call[activities.ListSavesResult](s, s.Operator.ListSaves, activities.ListSavesInput{})
	require.Equal(t, []activities.ConfigSave{want}, listed.Saves)
	shown := activitytest.Call[activities.ShowSaveResult](s, s.Operator.ShowSave, activities.ShowSaveInput{ID: "s1"})
	require.Equal(t, activities.ShowSaveResult{Found: true, Save: want, Files: in.Files}, shown)
	require.False(t, activitytest.Call[activities.ShowSaveResult](s, s.Operator.ShowSave, activities.ShowSaveInput{ID: "s2"}).Found)

	log := activitytest.Call[activities.OperationsResult](s, s.Operator.ListOperations, activities.OperationsInput{What: activities.OpSave})
	require.Len(t, log.Operations, 1)
	require.Equal(t, "s1: differences in mappings/contacts.yaml: 1", log.Operations[0].Detail)
	require.True(t, log.Operations[0].Verified)

	for name, bad := range map[string]func(*activities.RecordSaveInput){
		"no id":    func(in *activities.RecordSaveInput) { in.ID = "" },
		"no files": func(in *activities.RecordSaveInput) { in.Files = nil },
		"too big":  func(in *activities.RecordSaveInput) { in.Files = []activities.SavedFile{{After: make([]byte, 5<<20)}} },
	} {
		bad, change := in, bad
		change(&bad)
		_, err := s.Env.ExecuteActivity(s.Operator.RecordSave, bad)
		require.Error(t, err, name)
	}
}
