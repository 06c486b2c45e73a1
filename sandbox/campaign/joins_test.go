package campaign_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/campaign"
)

// vehicle is a custom resource that a text column joins to the profile, and
// service one that a text column joins to the vehicle.
func vehicle(cardinality, onDelete string) campaign.Resource {
	return campaign.Resource{Name: "cusVehicle", Label: "Vehicle", Schema: "cus:vehicle", Key: "externalId", Fields: []campaign.Field{
		{Name: "externalId", Type: campaign.String, ResType: "string", Length: 50},
		{Name: "model", Type: campaign.String, ResType: "string", Length: 50},
		{Name: "ProfileExternalId", Type: campaign.String, ResType: "string", Length: 50},
		{Name: "profile", Type: campaign.Link, ResType: "link", Target: "profile", ReadOnly: true},
	}, Joins: []campaign.Join{{Link: "profile", Column: "ProfileExternalId", Target: "profile", Cardinality: cardinality, OnDelete: onDelete}}}
}

func service(cardinality, onDelete string) campaign.Resource {
	return campaign.Resource{Name: "cusService", Label: "Service", Schema: "cus:service", Key: "externalId", Fields: []campaign.Field{
		{Name: "externalId", Type: campaign.String, ResType: "string", Length: 50},
		{Name: "VehicleExternalId", Type: campaign.String, ResType: "string", Length: 50},
	}, Joins: []campaign.Join{{Column: "VehicleExternalId", Target: "cusVehicle", Cardinality: cardinality, OnDelete: onDelete}}}
}

func linkedInstance(t *testing.T, resources ...campaign.Resource) *instance {
	return newInstance(t, func(o *campaign.Options) { o.Resources = resources })
}

const (
	vehicles = "profileAndServicesExt/cusVehicle"
	services = "profileAndServicesExt/cusService"
)

// §4.4: cardinality 0 or 1: a record without its parent is visible, its link empty.
func TestAChildWithoutItsParentIsVisible(t *testing.T) {
	i := linkedInstance(t, vehicle(campaign.ZeroOrOne, campaign.KeepRows))
	require.Equal(t, 201, i.send("POST", vehicles, `{"externalId":"v1","ProfileExternalId":"a"}`).status)
	got := i.send("GET", vehicles+"/v1", "")
	require.Equal(t, 200, got.status)
	require.Empty(t, got.get("profile.PKey").Str)
	i.post(`{"externalId":"a"}`)
	pkey := i.send("GET", vehicles+"/v1", "").get("profile.PKey").Str
	require.Equal(t, "a", i.send("GET", "profileAndServicesExt/profile/"+pkey, "").get("externalId").Str, "the link leads to the parent")
	require.Equal(t, 200, i.send("DELETE", "profileAndServicesExt/profile/a", "").status)
	require.Empty(t, i.send("GET", vehicles+"/v1", "").get("profile.PKey").Str)
}

// §4.4: cardinality 1: a record is hidden until its parent comes, but its key is taken.
func TestAChildWithoutItsParentIsHidden(t *testing.T) {
	i := linkedInstance(t, vehicle(campaign.One, campaign.KeepRows), service(campaign.One, campaign.KeepRows))
	require.Equal(t, 201, i.send("POST", services, `{"externalId":"s1","VehicleExternalId":"v1"}`).status)
	require.Equal(t, 201, i.send("POST", vehicles, `{"externalId":"v1","ProfileExternalId":"a"}`).status)
	for _, child := range []string{vehicles + "/v1", services + "/s1"} {
		require.Equal(t, 404, i.send("GET", child, "").status)
		require.Equal(t, 404, i.send("DELETE", child, "").status)
		require.Contains(t, i.send("GET", child, "").body, "Unable to find document")
	}
	require.Equal(t, 404, i.send("PATCH", vehicles+"/v1", `{"model":"x"}`).status)
	again := i.send("POST", vehicles, `{"externalId":"v1"}`)
	require.Equal(t, 500, again.status)
	require.Contains(t, again.body, "already exists")
	require.Empty(t, i.send("GET", vehicles, "").get("content").Array())
	require.Empty(t, i.send("GET", vehicles+"/byExternalId?externalId_parameter=v1", "").get("content").Array())
	require.EqualValues(t, 0, i.send("GET", vehicles+"/_count", "").get("count").Int())
	require.True(t, i.Hidden("cusVehicle", "v1"))
	require.NotNil(t, i.Record("cusVehicle", "v1"), "the admin sees it")

	i.post(`{"externalId":"a"}`)
	for _, child := range []string{vehicles + "/v1", services + "/s1"} {
		require.Equal(t, 200, i.send("GET", child, "").status, "the parent brings the whole chain")
	}
	require.Len(t, i.send("GET", vehicles, "").get("content").Array(), 1)
	require.False(t, i.Hidden("cusVehicle", "v1"))
	require.Equal(t, 200, i.send("DELETE", "profileAndServicesExt/profile/a", "").status)
	require.True(t, i.Hidden("cusService", "s1"))
}

// §4.4: what happens to children when their parent is deleted.
func TestDeletingAParent(t *testing.T) {
	i := linkedInstance(t, vehicle(campaign.ZeroOrOne, campaign.Cascade), service(campaign.One, campaign.Cascade))
	for n := range 3 {
		i.post(fmt.Sprintf(`{"externalId":"a%d"}`, n))
		require.Equal(t, 201, i.send("POST", vehicles, fmt.Sprintf(`{"externalId":"v%d","ProfileExternalId":"a%d"}`, n, n)).status)
		require.Equal(t, 201, i.send("POST", services, fmt.Sprintf(`{"externalId":"s%d","VehicleExternalId":"v%d"}`, n, n)).status)
	}
	require.Equal(t, 200, i.send("DELETE", "profileAndServicesExt/profile/a1", "").status)
	require.Nil(t, i.Record("cusVehicle", "v1"))
	require.Nil(t, i.Record("cusService", "s1"))
	require.EqualValues(t, 2, i.Count("cusService"))

	strict := linkedInstance(t, vehicle(campaign.ZeroOrOne, campaign.Restrict))
	strict.post(`{"externalId":"a"}`)
	require.Equal(t, 201, strict.send("POST", vehicles, `{"externalId":"v","ProfileExternalId":"a"}`).status)
	require.Equal(t, 500, strict.send("DELETE", "profileAndServicesExt/profile/a", "").status)
	require.Equal(t, 200, strict.send("DELETE", vehicles+"/v", "").status)
	require.Equal(t, 200, strict.send("DELETE", "profileAndServicesExt/profile/a", "").status)
}

// A link object with cardinality 1 needs its target from the start.
func TestALinkObjectOfCardinalityOne(t *testing.T) {
	owned := order()
	owned.Joins = []campaign.Join{{Link: "owner", Target: "profile", Cardinality: campaign.One, OnDelete: campaign.Cascade}}
	i := linkedInstance(t, owned)
	const orders = "profileAndServicesExt/cusOrder"
	require.Equal(t, 404, i.send("POST", orders, `{"orderId":"o1","owner":{"PKey":"a"}}`).status)
	i.post(`{"externalId":"a"}`)
	require.Equal(t, 201, i.send("POST", orders, `{"orderId":"o1","owner":{"PKey":"a"}}`).status)
	require.Equal(t, 200, i.send("GET", orders+"/o1", "").status)
	require.Equal(t, 201, i.send("POST", orders, `{"orderId":"o2"}`).status)
	require.Equal(t, 404, i.send("GET", orders+"/o2", "").status, "it names nobody")
	require.Equal(t, 200, i.send("DELETE", "profileAndServicesExt/profile/a", "").status)
	require.Nil(t, i.Record("cusOrder", "o1"))
}

// Parents and children are created and deleted at the same time. Afterwards a child is
// hidden exactly if its parent is missing.
func TestJoinsUnderConcurrency(t *testing.T) {
	i := linkedInstance(t, vehicle(campaign.One, campaign.Cascade))
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for n := range 50 {
				id := fmt.Sprint((n + worker) % 10)
				_ = i.Insert("profile", []byte(`{"externalId":"`+id+`"}`))
				_ = i.Insert("cusVehicle", []byte(`{"externalId":"`+id+`","ProfileExternalId":"`+id+`"}`))
				i.Hidden("cusVehicle", id)
				if n%3 == worker%3 {
					_ = i.Delete("profile", id)
				}
			}
		})
	}
	group.Wait()
	for n := range 10 {
		id := fmt.Sprint(n)
		if i.Record("cusVehicle", id) != nil {
			require.Equal(t, i.Profile(id) == nil, i.Hidden("cusVehicle", id))
		}
	}
}
