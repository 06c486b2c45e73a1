package ingress_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/config"
)

const proposalAround = `instance: acme
dynamics: {url: "https://acme.crm4.dynamics.com", tenant: contoso.example, client_id: app, client_secret: "env:S"}
campaign: {url: "https://mc.adobe.io/acme", client_id: key, client_secret: "env:S"}
ingress:
  tables:
`

// R9.2, R9.3: what is proposed loads as configuration, passes the check against
// both systems, and flows.
func TestAProposedMappingRuns(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 20)
	for table, resource := range map[string]string{"contact": "profile", "new_vehicle": "cusVehicle", "new_service": "cusService"} {
		got := activitytest.Call[activities.ProposeResult](f.World, f.Ingress.ProposeMapping, activities.ProposeInput{Name: "proposed", Table: table, Resource: resource})
		text := proposalAround + "    " + strings.ReplaceAll(strings.TrimSpace(got.YAML), "\n", "\n    ") + "\n"
		cfg, err := config.Parse("proposed.yaml", []byte(text))
		require.NoError(t, err, text)
		require.Len(t, cfg.Ingress.Tables, 1)
		for _, mapped := range cfg.Ingress.Tables {
			require.Equal(t, got.Proposal.Table.Revision(), mapped.Revision(), "YAML says what the proposal says")
			activitytest.Call[activities.PreflightResult](f.World, f.Ingress.Preflight, activities.PreflightInput{Table: mapped})
		}
	}
	_, err := f.Env.ExecuteActivity(f.Ingress.ProposeMapping, activities.ProposeInput{Name: "x", Table: "contact", Resource: "cusNothing"})
	require.ErrorContains(t, err, "reading the definition of cusNothing in Campaign")
}
