package dataverse_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
)

func TestTablesAreListedByName(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(200, `{"value":[
 {"LogicalName":"new_vehicle","EntitySetName":"new_vehicles","ChangeTrackingEnabled":true,"DisplayName":`+label("Vehicle")+`},
 {"LogicalName":"contact","EntitySetName":"contacts","ChangeTrackingEnabled":false,"DisplayName":{"LocalizedLabels":[{"Label":"Kontakt"}],"UserLocalizedLabel":null}},
 {"LogicalName":"account","EntitySetName":"accounts","DisplayName":{"LocalizedLabels":[],"UserLocalizedLabel":null}},
 {"LogicalName":"inner","EntitySetName":null}]}`))
	got, err := rec.client(t, nil).Tables(t.Context())
	require.NoError(t, err)
	require.Equal(t, []dataverse.TableName{{LogicalName: "account"}, {LogicalName: "contact", DisplayName: "Kontakt"}, {LogicalName: "new_vehicle", DisplayName: "Vehicle", ChangeTrackingEnabled: true}}, got)
	require.Equal(t, api+"/EntityDefinitions?$select=LogicalName,DisplayName,EntitySetName,ChangeTrackingEnabled", rec.all()[0].URI)

	_, err = record(t, answer(200, `{"error":1}`)).client(t, nil).Tables(t.Context())
	require.Equal(t, apierr.Retryable, apierr.ClassOf(err))
}
