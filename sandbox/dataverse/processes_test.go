package dataverse_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/kit"
)

const (
	clicks   = "adobe_emailurlclicks"
	bounces  = "adobe_emailbounces"
	onClick  = "regardingobjectid_contact_adobe_emailurlclick@odata.bind"
	onBounce = "regardingobjectid_contact_adobe_emailbounce@odata.bind"
)

// tasks are the tasks that regard a contact.
func (o *organisation) tasks(contact string) []map[string]any {
	var out []map[string]any
	for _, a := range o.Regarding(contact) {
		if a["activitytypecode"] == "task" {
			out = append(out, a)
		}
	}
	return out
}

// R18.12, R18.13: one task for each click and each bounce, however often it is written.
func TestProcessesMakeOneTaskForAnActivity(t *testing.T) {
	o := withContacts(t)
	require.Equal(t, 204, o.log(clicks, first, onClick, alice).status)
	o.refused(o.log(clicks, first, onClick, alice), 412, "0x80040237")
	require.Equal(t, 204, o.send("PATCH", clicks+"("+first+")", `{"subject":"again"}`, "If-Match: *").status)
	require.Equal(t, 204, o.log(opened, third, onOpen, alice).status)
	made := o.tasks(alice)
	require.Len(t, made, 1)
	require.Equal(t, "Follow up on URL click", made[0]["subject"])
	due, err := time.Parse(time.RFC3339, made[0]["scheduledend"].(string))
	require.NoError(t, err)
	created, err := time.Parse(time.RFC3339, made[0]["createdon"].(string))
	require.NoError(t, err)
	require.Equal(t, 48*time.Hour, due.Sub(created))

	require.Equal(t, 204, o.log(bounces, second, onBounce, bob).status)
	require.Equal(t, "Fix e-mail address", o.tasks(bob)[0]["subject"])
	require.Len(t, o.tasks(bob), 1)
}

// §5.5: when a click is undone, its task is undone too.
func TestTheTaskOfAFailedChangeSetGoes(t *testing.T) {
	o := withContacts(t)
	click := operation("1", "PATCH", api+"/"+clicks+"("+first+")", `{"`+onClick+`":"/contacts(`+alice+`)"}`)
	require.Equal(t, 400, o.batch(multi("b1", []string{changeSet(click, operation("2", "POST", api+"/contacts", `{"gendercode":9}`))})).status)
	require.Empty(t, o.Regarding(alice))
	require.Equal(t, 200, o.batch(multi("b1", []string{changeSet(click)})).status)
	require.Len(t, o.Regarding(alice), 2)
}

// §5.5, §6.2: a condition in a part of a batch holds for the operation of that part.
func TestABatchOfActivitiesCanBeRepeated(t *testing.T) {
	o := withContacts(t)
	part := func(id string) string {
		return strings.Replace(operation("", "PATCH", api+"/"+clicks+"("+id+")", `{"`+onClick+`":"/contacts(`+alice+`)"}`),
			"Content-Type: application/json\r\n", "Content-Type: application/json\r\nIf-None-Match: *\r\n", 1)
	}
	const goOn = "Prefer: odata.continue-on-error"
	require.Equal(t, 412, o.batch(multi("b1", []string{part(first), part(first), part(second)})).status)
	parts := o.parts(o.batch(multi("b1", []string{part(first), part(second), part(third)}), goOn))
	require.Len(t, parts, 3)
	require.Contains(t, parts[0], "HTTP/1.1 412 Precondition Failed\r\n")
	require.Contains(t, parts[1], "HTTP/1.1 204 No Content\r\n")
	require.Len(t, o.tasks(alice), 3)
	require.EqualValues(t, 3, o.Count(clicks))
}

// R3.8, R3.9: an inactive process does nothing about an event. Its owner is visible.
func TestProcessesAreSwitched(t *testing.T) {
	o := withContacts(t)
	me := o.send("GET", "WhoAmI", "").get("UserId").Str
	read := func() gjson.Result {
		r := o.send("GET", "workflows?$select=name,statecode,statuscode,_ownerid_value&$filter=name%20eq%20'Adobe%20Campaign%20Email%20Click'", "")
		require.Len(t, r.get("value").Array(), 1, r.body)
		return r.get("value.0")
	}
	require.Equal(t, []string{"1", "2", me}, []string{read().Get("statecode").Raw, read().Get("statuscode").Raw, read().Get("_ownerid_value").Str})
	sales := "0a11ce00-0000-4000-8000-000000000002"
	require.NoError(t, o.SetProcess("Adobe Campaign Email Click", false, sales))
	require.Equal(t, []string{"0", "1", sales}, []string{read().Get("statecode").Raw, read().Get("statuscode").Raw, read().Get("_ownerid_value").Str})
	require.Equal(t, 204, o.log(clicks, first, onClick, alice).status)
	require.Empty(t, o.tasks(alice))
	require.NoError(t, o.SetProcess("Adobe Campaign Email Click", true, ""))
	require.Empty(t, o.tasks(alice), "what came meanwhile is not made up for")
	require.Equal(t, 204, o.log(clicks, second, onClick, alice).status)
	require.Equal(t, sales, o.tasks(alice)[0]["_ownerid_value"], "a process runs as its owner")
	require.Error(t, o.SetProcess("Another", true, ""))
	require.Error(t, o.SetProcess("Adobe Campaign Email Click", true, alice), "no user")
	o.refused(o.send("PATCH", "workflows("+o.Processes()[0].ID+")", `{"statecode":0,"statuscode":1}`), 403, "0x80040220")
}

// R3.7: without the solution there are no tables and processes of it, but there are
// tasks.
func TestWithoutTheSolution(t *testing.T) {
	o := withContacts(t, func(op *dataverse.Options) { op.NoSolution = true })
	for _, table := range dataverse.Solution() {
		o.refused(o.send("PATCH", table.EntitySet+"("+first+")", `{}`), 404, "0x8006088a")
		o.refused(o.send("GET", "EntityDefinitions(LogicalName='"+table.LogicalName+"')", ""), 404, "0x80060888")
	}
	require.Empty(t, o.send("GET", "workflows", "").get("value").Array())
	require.Empty(t, o.Processes())
	require.Equal(t, 204, o.log("tasks", first, "regardingobjectid_contact", alice).status)
	require.Len(t, o.Regarding(alice), 1)
}

// Activities, their links, merged contacts and switched processes survive a restart.
func TestActivitiesAreSaved(t *testing.T) {
	dir := t.TempDir()
	o := withContacts(t)
	o.log(clicks, first, onClick, alice)
	require.NoError(t, o.SetProcess("Adobe Campaign Email Click", false, ""))
	require.NoError(t, o.Merge(bob, alice))
	require.NoError(t, o.Save(dir))
	again := newOrganisation(t)
	loaded, err := again.Load(dir)
	require.NoError(t, err)
	require.True(t, loaded)
	require.Equal(t, o.Regarding(bob), again.Regarding(bob))
	require.Len(t, again.Regarding(bob), 2)
	require.Equal(t, o.Processes(), again.Processes())
	require.EqualValues(t, 2, again.Count("systemusers"))
	require.Equal(t, 204, again.send("DELETE", "contacts("+bob+")", "").status)
	require.Zero(t, again.Count("activitypointers"))

	without := newOrganisation(t, func(op *dataverse.Options) { op.NoSolution = true })
	_, err = without.Load(dir)
	require.ErrorContains(t, err, "1 rows of adobe_emailurlclicks")
}

// §7.1, §7.2: a batch is one request, and each of its operations is an operation.
func TestUsage(t *testing.T) {
	o := newOrganisation(t, func(op *dataverse.Options) {
		op.OperationTime = time.Millisecond
		op.Protection = dataverse.Protection{ExecutionTime: 8 * time.Millisecond}
	})
	create := operation("", "POST", api+"/contacts", `{}`)
	require.Equal(t, 200, o.batch(multi("b1", []string{create, create, changeSet(operation("1", "POST", api+"/contacts", `{}`))})).status)
	require.Equal(t, 200, o.send("POST", "contacts/Microsoft.Dynamics.CRM.CreateMultiple", `{"Targets":[{"@odata.type":"Microsoft.Dynamics.CRM.contact"},{"@odata.type":"Microsoft.Dynamics.CRM.contact"}]}`).status)
	require.Equal(t, dataverse.Usage{Requests: 2, Operations: 5, Execution: 5 * time.Millisecond, Widest: 1}, o.Usage())
	o.clock.Advance(100 * time.Second)
	for range 3 {
		require.Equal(t, 200, o.send("GET", "WhoAmI", "").status)
	}
	denied := o.send("GET", "WhoAmI", "")
	o.refused(denied, 429, "0x80072321")
	require.Contains(t, []string{"199", "200"}, denied.header.Get("Retry-After"), "when enough of it is out of the window")
	require.EqualValues(t, 1, o.Usage().Throttled)
	o.ResetUsage()
	require.Zero(t, o.Usage().Requests+o.Usage().Operations+o.Usage().Throttled)
}

// §7.1: requests during the wait make it longer.
func TestPushingLengthensTheWait(t *testing.T) {
	o := newOrganisation(t, func(op *dataverse.Options) { op.Protection = dataverse.Protection{Requests: 1} })
	require.Equal(t, 200, o.send("GET", "WhoAmI", "").status)
	for range 3 { // the second and third come a minute after the one before
		o.refused(o.send("GET", "WhoAmI", ""), 429, "0x80072322")
		o.clock.Advance(time.Minute)
	}
	o.clock.Advance(2*time.Minute + 500*time.Millisecond)
	o.refused(o.send("GET", "WhoAmI", ""), 429, "0x80072322")
	o.clock.Advance(4 * time.Second)
	require.Equal(t, 200, o.send("GET", "WhoAmI", "").status)
}

// §7.1: the concurrency limit takes effect at once.
func TestTheConcurrencyLimit(t *testing.T) {
	o := newOrganisation(t, func(op *dataverse.Options) {
		op.OperationTime, op.Protection = time.Hour, dataverse.Protection{Concurrency: 1}
	})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		r := httptest.NewRequestWithContext(ctx, "GET", "https://org.example"+api+"/WhoAmI", nil)
		r.Header.Set("Authorization", "Bearer good")
		o.Server.ServeHTTP(httptest.NewRecorder(), r)
	}()
	require.Eventually(t, func() bool { return o.Usage().Operations == 1 }, time.Minute, time.Millisecond)
	o.refused(o.send("GET", "WhoAmI", ""), 429, "0x80072326")
	cancel()
	<-gone
}

// The admin port for people: timelines, processes, merging, usage.
func TestTheAdminDesk(t *testing.T) {
	o := withContacts(t)
	o.log(clicks, first, onClick, alice)
	ask := func(method, path, body string) (int, gjson.Result) {
		w := httptest.NewRecorder()
		o.AdminHandler().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return w.Code, gjson.Parse(w.Body.String())
	}
	_, list := ask("GET", "/activities?regarding="+alice, "")
	require.Equal(t, `["adobe_emailurlclick","task"]`, list.Get("activities.#.activitytypecode").Raw)
	code, _ := ask("POST", "/processes", `{"name":"Adobe Campaign Email Bounce","active":false}`)
	require.Equal(t, http.StatusNoContent, code)
	_, list = ask("GET", "/processes", "")
	require.Equal(t, "[true,false]", list.Get("processes.#.active").Raw)
	code, _ = ask("POST", "/merge", `{"winner":"`+strings.ToUpper(bob)+`","loser":"`+alice+`"}`)
	require.Equal(t, http.StatusNoContent, code)
	require.Len(t, o.Regarding(bob), 2)
	_, stats := ask("GET", "/stats", "")
	require.EqualValues(t, 3, stats.Get("operations").Int())
	for _, bad := range [][3]string{{"GET", "/activities", ""}, {"POST", "/processes", `{"name":"x"}`}, {"POST", "/processes", `{"nam":"x"}`}, {"POST", "/merge", `{}`}, {"POST", "/tables/activitypointers", `{}`}} {
		code, answer := ask(bad[0], bad[1], bad[2])
		require.Equal(t, 400, code, bad)
		require.NotEmpty(t, answer.Get("error").Str)
	}
	code, _ = ask("DELETE", "/stats", "")
	require.Equal(t, http.StatusNoContent, code)
	require.Zero(t, o.Usage().Requests)
}

// A write stays cheap in a large table, although ids come in no order.
func BenchmarkLogActivity(b *testing.B) {
	s := dataverse.New(dataverse.Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}, Tokens: everybody{}})
	if err := s.SeedContacts(1000, 1); err != nil {
		b.Fatal(err)
	}
	contacts := s.Keys("contacts")
	for i := 0; b.Loop(); i++ {
		r := httptest.NewRequest("PATCH", "https://org.example"+api+"/"+opened+"("+uuid.NewString()+")",
			strings.NewReader(`{"subject":"s","adobe_campaignname":"C","`+onOpen+`":"/contacts(`+contacts[i%1000]+`)"}`))
		r.Header.Set("Authorization", "Bearer good")
		r.Header.Set("If-None-Match", "*")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 204 {
			b.Fatal(w.Body)
		}
	}
}
