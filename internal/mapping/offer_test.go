package mapping_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/mapping"
)

// Try gives each field what Map gives it, and does not end at the first that cannot be
// written.
func TestTryAgreesWithMap(t *testing.T) {
	t.Parallel()
	table := mapping.Table{Name: "contacts", Dynamics: mapping.SourceTable{Table: "contact"}, Campaign: mapping.TargetTable{Resource: "profile", Key: "externalId"},
		Fields: []mapping.Field{{From: "lastname", To: "lastName", Replace: map[string]string{"": "none"}}, {From: "firstname", To: "firstName"}}}
	src := mapping.SourceSchema{Table: "contact", EntitySet: "contacts", Key: "contactid", Tracked: true, Columns: map[string]mapping.Column{"contactid": {Type: "Uniqueidentifier"}, "lastname": {Type: "String", MaxLength: 50}, "firstname": {Type: "String", MaxLength: 50}}}
	dst := mapping.TargetSchema{API: mapping.DefaultAPI, Resource: "profile", Fields: map[string]mapping.TargetField{"externalId": {Type: "string", ResType: "string", Length: 50}, "lastName": {Type: "string", ResType: "string", Length: 5}, "firstName": {Type: "string", ResType: "string", Length: 5}}}
	plan, err := mapping.Resolve(table, src, dst)
	require.NoError(t, err)
	m, err := plan.Mapper()
	require.NoError(t, err)
	row := []byte(`{"contactid":"6f0c1d2e-0000-4000-8000-000000000001","lastname":null,"firstname":"Zora"}`)
	p, err := m.Map(row)
	require.NoError(t, err)
	tried, err := m.Try(row)
	require.NoError(t, err)
	for _, one := range tried {
		require.Equal(t, string(p.Value(one.To)), string(one.Send), one.To)
		require.Empty(t, one.Refusal)
		if one.To == "lastName" {
			require.Equal(t, []string{"replaced: the column is empty"}, one.Notes)
		}
	}
	long := []byte(`{"contactid":"6f0c1d2e-0000-4000-8000-000000000001","lastname":"Quillfeather","firstname":"Zoralda"}`)
	_, err = m.Map(long)
	require.Error(t, err)
	tried, err = m.Try(long)
	require.NoError(t, err)
	refused := 0
	for _, one := range tried {
		if one.Refusal != "" {
			refused++
			require.Nil(t, one.Send)
			require.NotContains(t, one.Refusal, "uill")
		}
	}
	require.Equal(t, 2, refused)
}
