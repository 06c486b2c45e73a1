package campaign_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
)

const described = `{"PKey":"@m","apiName":"resourceType","name":"profile","schema":"nms:recipient","type":"item",
"filters":{"href":"https://mc.example.test/filters"},
"content":{
 "cusTier":{"apiName":"cusTier","dataPolicy":"","length":"127","mandatory":true,"readOnly":false,"resType":"string","type":"string"},
 "email":{"dataPolicy":"email","length":128,"type":"string","resType":"string"},
 "age":{"type":"number","resType":"long","length":"","readOnly":true},
 "gender":{"type":"enumeration","resType":"byte","values":{"male":{"name":"male","label":"Male","value":"1"},"unknown":{"label":"Not given","value":0}}},
 "emailFormat":{"type":"enumeration","resType":"byte","values":[{"name":"text","label":"Text","value":"1"}]},
 "country":{"type":"link","resTarget":"country","content":{"isoA2":{"type":"string"}}},
 "location":{"type":"item","content":{"city":{"type":"string","length":"80"},"geo":{"content":{"lat":{"type":"number","resType":"double"}}}}},
 "bare":{}, "odd":"text", "none":null}}`

func TestMetadataFlattensItemsAndToleratesMissingMembers(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(200, described))
	m, err := rec.client(t, nil).Metadata(t.Context(), profile)
	require.NoError(t, err)
	require.Equal(t, "/acme/campaign/profileAndServicesExt/resourceType/profile", rec.all()[0].URI)
	require.Equal(t, "https://mc.example.test/filters", m.Filters)
	require.Equal(t, map[string]campaign.Field{
		"cusTier": {Type: "string", ResType: "string", Length: 127, Mandatory: true},
		"email":   {Type: "string", ResType: "string", Length: 128, DataPolicy: "email"},
		"age":     {Type: "number", ResType: "long", ReadOnly: true},
		"gender": {Type: "enumeration", ResType: "byte", Values: map[string]campaign.EnumValue{
			"male": {Label: "Male", Value: "1"}, "unknown": {Label: "Not given", Value: "0"}}},
		"emailFormat":      {Type: "enumeration", ResType: "byte", Values: map[string]campaign.EnumValue{"text": {Label: "Text", Value: "1"}}},
		"country":          {Type: "link", Target: "country"},
		"location.city":    {Type: "string", Length: 80},
		"location.geo.lat": {Type: "number", ResType: "double"},
		"bare":             {},
	}, m.Fields)
}

func TestMetadataThatDescribesNothing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{}`, `{"content":[]}`, `<html>`, `{"content":{}`} {
		_, err := record(t, answer(http.StatusOK, body)).client(t, nil).Metadata(t.Context(), profile)
		require.Equal(t, apierr.ReasonBadResponse, apierr.ReasonOf(err), body)
	}
}
