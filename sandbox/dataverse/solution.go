package dataverse

import (
	"fmt"
	"net/http"
	"time"
)

// Solution is "Adobe Campaign for Microsoft Dynamics 365": an activity type for each
// kind of marketing event. Adobe does not publish the names of the tables; these are
// the sandbox's.
func Solution() []Table {
	event := func(name, date string, more ...Column) Table {
		columns := []Column{text("adobe_campaignname", 100), text("adobe_deliveryname", 100), text("adobe_mirrorpageurl", 1000), moment(date)}
		return Activity(Table{LogicalName: name, EntitySet: name + "s", Tracked: true, Columns: append(columns, more...)})
	}
	return []Table{
		event("adobe_emailsend", "adobe_datesent"),
		event("adobe_emailopen", "adobe_dateopened"),
		event("adobe_emailurlclick", "adobe_dateclicked", text("adobe_trackingurl", 2000)),
		event("adobe_emailbounce", "adobe_datebounced"),
	}
}

// A process of the solution creates a task when a row of its table is created.
type process struct{ id, name, table, subject string }

var processes = []process{
	{"0a11ce00-0000-4000-8000-00000000c11c", "Adobe Campaign Email Click", "adobe_emailurlclick", "Follow up on URL click"},
	{"0a11ce00-0000-4000-8000-00000000b01c", "Adobe Campaign Email Bounce", "adobe_emailbounce", "Fix e-mail address"},
}

// due is the time in which a task is to be done.
const due = 48 * time.Hour

// workflows is the table of the processes. The application user may only read it.
func workflows() Table {
	name := text("name", 100)
	name.Required = true
	return Table{LogicalName: "workflow", EntitySet: "workflows", Key: "workflowid", Name: "name", TypeCode: 4703, Columns: []Column{
		{Name: "workflowid", Type: "Uniqueidentifier"}, name,
		{Name: "category", Type: "Picklist", Default: "0", Options: []Option{{Value: 0, Label: "Workflow"}}},
		{Name: "type", Type: "Picklist", Default: "1", Options: []Option{{Value: 1, Label: "Definition"}}},
		{Name: "primaryentity", Type: "EntityName", ReadOnly: true},
		owner(),
		{Name: "createdon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "modifiedon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "modifiedby", Type: "Lookup", ReadOnly: true, Targets: []Target{{Table: "systemuser", Nav: "modifiedby"}}},
		{Name: "versionnumber", Type: "BigInt", ReadOnly: true},
		{Name: "statecode", Type: "State", NoCreate: true, Options: []Option{{Value: 0, Label: "Draft"}, {Value: 1, Label: "Activated"}}},
		{Name: "statuscode", Type: "Status", Options: []Option{{Value: 1, Label: "Draft"}, {Value: 2, Label: "Activated", State: 1}}},
	}}
}

// people is the table of the users. The application user may only read it.
func people() Table {
	return Table{LogicalName: "systemuser", EntitySet: "systemusers", Key: "systemuserid", Name: "fullname", TypeCode: 8, Columns: []Column{
		{Name: "systemuserid", Type: "Uniqueidentifier"}, text("fullname", 200), text("domainname", 1024),
		{Name: "applicationid", Type: "Uniqueidentifier"}, {Name: "azureactivedirectoryobjectid", Type: "Uniqueidentifier"}, boolean("isdisabled"), inUnit(),
		{Name: "createdon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "modifiedon", Type: "DateTime", Behavior: "UserLocal", ReadOnly: true},
		{Name: "versionnumber", Type: "BigInt", ReadOnly: true},
	}}
}

// install adds what an organisation has from the start: its users and the processes.
// The processes are as R3.8 leaves them, active and owned by the application user.
func (s *Server) install() {
	x := s.begin(applicationUser)
	defer x.end(true)
	unit := `"` + businessUnit + `"`
	add := func(t *table, key string, values map[string]string) {
		set := make([]assignment, 0, len(values))
		for property, literal := range values {
			set = append(set, assignment{t.byProp[property], []byte(literal)})
		}
		t.put(key, set, s.version.Add(1), x.now, x.by, "")
	}
	add(s.names["businessunit"], businessUnit, map[string]string{"name": `"Sandbox"`})
	add(s.names["team"], defaultTeam, map[string]string{"name": `"Sandbox"`, "isdefault": "true", "_businessunitid_value": unit})
	add(s.names["systemuser"], applicationUser, map[string]string{"fullname": `"# Causeway"`, "applicationid": `"0a11ce00-0000-4000-8000-0000000000cc"`,
		"_businessunitid_value": unit, "azureactivedirectoryobjectid": `"0a11ce00-0000-4000-8000-0000000000c1"`})
	add(s.names["systemuser"], salesUser, map[string]string{"fullname": `"Sales"`, "_businessunitid_value": unit, "azureactivedirectoryobjectid": `"0a11ce00-0000-4000-8000-0000000000c2"`})
	if s.o.NoSolution {
		return
	}
	for _, p := range processes {
		add(s.names["workflow"], p.id, map[string]string{"name": string(quote(p.name)), "primaryentity": string(quote(p.table)), "statecode": "1", "statuscode": "2"})
	}
}

// runProcess runs the process that waits for rows of t, if it is active. It runs as
// the owner of the process, to whom the task belongs. Here it is part of the
// transaction that created the row; the service would run it a moment later.
func (x *tx) runProcess(t *table, r *row) *refusal {
	for _, p := range processes {
		if p.table != t.LogicalName {
			continue
		}
		w := x.s.names["workflow"]
		rule, ok := w.rows[p.id]
		if !ok || string(rule.value(w.byProp["statecode"])) != "1" {
			return nil
		}
		task := x.s.names["task"]
		by := x.by
		x.by = linked(rule.value(w.byProp["_ownerid_value"]))
		_, bad := x.put(task, newKey(), []assignment{
			{task.byProp["subject"], quote(p.subject)},
			{task.byProp["scheduledend"], []byte(x.now.Add(due).Format(`"2006-01-02T15:04:05Z"`))},
			{task.byProp["_"+regarding+"_value"], r.value(t.byProp["_"+regarding+"_value"])},
		})
		x.by = by
		return bad
	}
	return nil
}

// forbidden is the answer to a write for which the role of the application user gives
// no right.
func forbidden(t Table) *refusal {
	return &refusal{http.StatusForbidden, "0x80040220", fmt.Sprintf("Principal user (Id=%s) is missing a privilege on OTC=%d for entity '%s'.", applicationUser, t.TypeCode, t.LogicalName)}
}

// viewOnly is the answer to a write to a view.
func viewOnly(t Table) *refusal {
	return &refusal{http.StatusMethodNotAllowed, "0x80040800", "The method does not support entities of type '" + t.LogicalName + "'."}
}
