package ingress_test

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/ledger"
)

// find asks as internal/operator does, and says that nothing of the question is readable in
// what Temporal is given.
func find(s *activitytest.World, how, text string) activities.Found {
	s.T.Helper()
	public, private, err := box.GenerateKey(rand.Reader)
	require.NoError(s.T, err)
	key := activitytest.Call[activities.QuestionKeyResult](s, s.Ingress.QuestionKey, activities.QuestionKeyInput{})
	in := activities.FindInput{Table: s.Table, How: how, AnswerTo: public[:], By: "ada"}
	in.Question, err = activities.Question{Text: text, AnswerTo: public[:]}.Seal(key.Public)
	require.NoError(s.T, err)
	answer := activitytest.Call[activities.FindResult](s, s.Ingress.FindRecords, in)
	for _, kept := range []any{in, answer} {
		doc, err := json.Marshal(kept)
		require.NoError(s.T, err)
		require.NotContains(s.T, string(doc), text)
		require.NotContains(s.T, string(doc), "text of")
	}
	found, err := activities.OpenFound(answer.Sealed, public, private)
	require.NoError(s.T, err)
	return found
}

func TestAPersonIsFoundByEMail(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 30)
	s.Load()
	id := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(id, map[string]any{"emailaddress1": "O'Quill@example.org", "firstname": "Inga", "lastname": "Quill"})
	s.Delta()

	want := []activities.FoundRecord{{ID: id, InDynamics: true, InCampaign: true, Fields: []activities.FoundField{
		{To: "email", InDynamics: "text of 19", InCampaign: "text of 19"}, {To: "firstName", InDynamics: "text of 4", InCampaign: "text of 4"}, {To: "lastName", InDynamics: "text of 5", InCampaign: "text of 5"},
	}}}
	require.Equal(t, want, find(s, activities.ByEmail, "O'Quill@example.org").Hits)
	require.Equal(t, want, find(s, activities.ByEmail, "o'quill@EXAMPLE.org").Hits, "Dynamics compares without regard to case")
	require.Empty(t, find(s, activities.ByEmail, "O'Quill@example.o").Hits, "the beginning of an address is another address")

	// Campaign holds the address that Dynamics had before, and one that Dynamics never had.
	s.Edit(id, map[string]any{"emailaddress1": "inga@example.org"})
	got := find(s, activities.ByEmail, "O'Quill@example.org").Hits
	require.Len(t, got, 1)
	require.Equal(t, activities.FoundField{To: "email", InDynamics: "text of 16", InCampaign: "text of 19"}, got[0].Fields[0])
	require.Equal(t, id, find(s, activities.ByEmail, "inga@example.org").Hits[0].ID)
	s.InsertProfile(map[string]any{"externalId": "form-17", "email": "walkin@example.org", "lastName": "Walk"})
	got = find(s, activities.ByEmail, "walkin@example.org").Hits
	require.Len(t, got, 1)
	require.Empty(t, got[0].ID, "its key is no id of Dynamics, and may be anything")
	require.False(t, got[0].InDynamics)
	require.True(t, got[0].InCampaign)

	log, err := s.Ledger.Operations(t.Context(), ledger.OperationFilter{What: activities.OpSearch})
	require.NoError(t, err)
	require.Len(t, log, 6)
	doc, err := json.Marshal(log)
	require.NoError(t, err)
	require.NotContains(t, strings.ToLower(string(doc)), "example.org")
	require.Equal(t, "records by e-mail address", log[0].Detail)
	require.Equal(t, "ada", log[0].By)
}

func TestPeopleAreFoundByName(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 30)
	ids := s.Sandboxes.Dynamics.Keys("contacts")
	s.Edit(ids[0], map[string]any{"firstname": "Zoralda", "lastname": "Quillfeather"})
	s.Edit(ids[1], map[string]any{"firstname": "Zorina", "lastname": "Quillon"})
	s.Load()
	hits := func(name string) (out []string) {
		for _, h := range find(s, activities.ByName, name).Hits {
			out = append(out, h.ID)
			require.True(t, h.InDynamics && h.InCampaign)
		}
		return out
	}
	require.ElementsMatch(t, ids[:2], hits("Quill"))
	require.ElementsMatch(t, ids[:2], hits("zor quill"))
	require.Equal(t, ids[:1], hits("Zoralda Quillfeather"))
	require.Equal(t, ids[1:2], hits("Quillon Zorina"))
	require.Empty(t, hits("Zoralda Quillon"))
}

func TestALongListSaysThatThereAreMore(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 30)
	for _, id := range s.Sandboxes.Dynamics.Keys("contacts")[:25] {
		s.Edit(id, map[string]any{"lastname": "Quillfeather"})
	}
	got := find(s, activities.ByName, "Quillfeather")
	require.Len(t, got.Hits, 20)
	require.True(t, got.More)
}

// Who records a sealed question in Temporal cannot have it answered to a key of their own.
func TestAQuestionIsAnsweredToWhoAskedIt(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1)
	key := activitytest.Call[activities.QuestionKeyResult](s, s.Ingress.QuestionKey, activities.QuestionKeyInput{})
	theirs, mine := make([]byte, 32), append(make([]byte, 31), 1)
	question, err := activities.Question{Text: "quill@example.org", AnswerTo: theirs}.Seal(key.Public)
	require.NoError(t, err)
	in := activities.FindInput{Table: s.Table, How: activities.ByEmail, Question: question, AnswerTo: mine}
	_, err = s.Env.ExecuteActivity(s.Ingress.FindRecords, in)
	require.ErrorContains(t, err, "was not made for this answer")
	in.Question = append(question, 0)
	_, err = s.Env.ExecuteActivity(s.Ingress.FindRecords, in)
	require.ErrorContains(t, err, "sealed with another key")
	log, err := s.Ledger.Operations(t.Context(), ledger.OperationFilter{What: activities.OpSearch})
	require.NoError(t, err)
	require.Empty(t, log)
}
