package campaign_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/campaign"
)

func TestResourcesOfAnAPI(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(200, `{"apiName":"resourceType","profile":{"help":"Profiles","label":""},"cusVehicle":{"label":"Vehicle","help":"x"}}`))
	got, err := rec.client(t, nil).Resources(t.Context(), "profileAndServicesExt")
	require.NoError(t, err)
	require.Equal(t, []campaign.ResourceName{{Name: "cusVehicle", Label: "Vehicle"}, {Name: "profile", Label: "Profiles"}}, got)
	require.Equal(t, "/acme/campaign/profileAndServicesExt/", rec.all()[0].URI)

	_, err = record(t, answer(200, `[]`)).client(t, nil).Resources(t.Context(), "profileAndServicesExt")
	require.Error(t, err)
}
