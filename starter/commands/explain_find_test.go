package commands

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
)

const soughtAddress = "quill@example.org"

// findsPeople is a worker that opens the question, and answers with these people.
func findsPeople(t *testing.T, w *world, hits ...activities.FoundRecord) (asked *activities.Question) {
	public, private, err := box.GenerateKey(rand.Reader)
	require.NoError(t, err)
	asked = &activities.Question{}
	w.on("Run QuestionKey", activities.QuestionKeyResult{Public: public[:]})
	w.on("Run FindRecords", func(request any) any {
		in := request.(activities.FindInput)
		plain, ok := box.OpenAnonymous(nil, in.Question, public, private)
		require.True(t, ok)
		require.NoError(t, json.Unmarshal(plain, asked))
		require.Equal(t, in.AnswerTo, asked.AnswerTo)
		doc, err := json.Marshal(activities.Found{Hits: hits, At: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)})
		require.NoError(t, err)
		answer, err := box.SealAnonymous(nil, doc, (*[32]byte)(in.AnswerTo), rand.Reader)
		require.NoError(t, err)
		return activities.FindResult{Sealed: answer}
	})
	return asked
}

func foundPerson(id string, mail int) activities.FoundRecord {
	return activities.FoundRecord{ID: id, InDynamics: true, InCampaign: true, Fields: []activities.FoundField{
		{To: "email", InDynamics: fmt.Sprintf("text of %d", mail), InCampaign: "text of 17"}, {To: "lastName", InDynamics: "text of 5", InCampaign: "text of 5"},
	}}
}

func TestPeopleAreFoundAndExplained(t *testing.T) {
	t.Parallel()
	const id, other = "6f0c1d2e-0000-4000-8000-000000000001", "6f0c1d2e-0000-4000-8000-000000000002"
	w := newWorld()
	asked := findsPeople(t, w, foundPerson(id, 17), foundPerson(other, 3))
	code, out, stderr := w.run(t, "explain", "contacts", "--email", soughtAddress)
	require.Zero(t, code, stderr)
	require.Equal(t, soughtAddress, asked.Text)
	golden(t, "explain-email.txt", out)
	require.NotContains(t, w.Asked, "Run Explain")
	for _, requests := range w.Requests {
		require.NotContains(t, fmt.Sprintf("%+v", requests), "quill", "what is looked for is sealed")
	}
	in := w.Requests["Run FindRecords"][0].(activities.FindInput)
	require.Equal(t, "ada", in.By)
	require.Equal(t, activities.ByEmail, in.How)

	// One alone is explained; the address comes from standard input.
	w = newWorld()
	w.stdin = " " + soughtAddress + "\n"
	asked = findsPeople(t, w, foundPerson(id, 17))
	w.on("Run Explain", activities.ExplainResult{Table: "contacts", ID: id, State: "written", Meaning: "Campaign holds it"})
	code, out, stderr = w.run(t, "explain", "contacts", "--email", "-")
	require.Zero(t, code, stderr)
	require.Equal(t, soughtAddress, asked.Text)
	require.Contains(t, out, "written: Campaign holds it")
	w.stdin = soughtAddress
	_, out, _ = w.run(t, "explain", "contacts", "--email", "-", "-o", "json")
	require.Contains(t, out, `"record": {`)

	w = newWorld()
	asked = findsPeople(t, w)
	code, out, _ = w.run(t, "explain", "contacts", "--name", "inga  quill")
	require.Equal(t, exitFailed, code)
	require.Equal(t, "inga quill", asked.Text)
	require.Equal(t, "Nobody fits, in Dynamics or in Campaign.\n", out)

	for args, says := range map[string][]string{
		"want one whole e-mail address":                         {"explain", "contacts", "--email", "quill"},
		"at least two letters":                                  {"explain", "contacts", "--name", "q"},
		"want a table, and --email or --name in place of an id": {"explain", "contacts", id, "--name", "quill"},
		"none of the others can be":                             {"explain", "contacts", "--name", "quill", "--email", soughtAddress},
		"want a table and the id of a record, or event and its": {"explain", "contacts"},
	} {
		code, _, stderr = newWorld().run(t, says...)
		require.Equal(t, exitBadInput, code, args)
		require.Contains(t, stderr, args)
	}
}
