package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"causeway.dev/activities"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
)

const (
	activityTables = activities.AreaDynamics + ": activity tables"
	contactTable   = "contact"
)

func definitionOf(table string) string { return activities.AreaDynamics + ": table " + table }

// leastWindow is how many days a delta link should live: a flow that was stopped over a
// long weekend then goes on.
const leastWindow = 7

func (v *visit) dynamics() []step {
	o := v.a.o
	reached := []string{dynamicsReached}
	out := []step{
		{activities.AreaDynamics, "token", nil, func(ctx context.Context) finding {
			if err := o.DynamicsToken(ctx); err != nil {
				return failing(err)
			}
			return ok("Entra ID gave one")
		}},
		{activities.AreaDynamics, "reachable", []string{dynamicsToken}, func(ctx context.Context) finding {
			me, err := o.Dynamics.WhoAmI(ctx)
			if err != nil {
				return failing(err)
			}
			v.me.keep("user", me.UserID)
			return ok("organization %s, user %s", me.OrganizationID, me.UserID)
		}},
		{activities.AreaDynamics, "version", reached, func(ctx context.Context) finding {
			version, err := o.Dynamics.Version(ctx)
			switch {
			case err != nil:
				return failing(err)
			case !online(version):
				return fail("version "+version, "9.2 or later, which is Dynamics 365 Online", "name an organisation of Dynamics 365 Online in dynamics.url; servers of one's own are not supported")
			}
			return ok("%s, Online", version)
		}},
		{activities.AreaDynamics, "application user", reached, func(ctx context.Context) finding {
			row, err := o.Dynamics.Get(ctx, dataverse.Query{EntitySet: "systemusers", KeyColumn: "systemuserid", Select: []string{"applicationid", "isdisabled"}}, v.me.of("user"))
			if err != nil {
				return failing(err)
			}
			doc := gjson.ParseBytes(row.Raw)
			remedy := "in the Power Platform admin center, add an application user for dynamics.client_id to this environment and enable it"
			switch {
			case doc.Get("isdisabled").Bool():
				return fail("the user is disabled", "an enabled application user", remedy)
			case doc.Get("applicationid").String() == "":
				return warn("the user belongs to a person", "an application user", remedy)
			}
			return ok("enabled")
		}},
		{activities.AreaDynamics, "change tracking window", reached, func(ctx context.Context) finding {
			days, err := o.Dynamics.TrackingWindow(ctx)
			switch {
			case err != nil:
				return failing(err)
			case days < leastWindow:
				return warn(fmt.Sprintf("%d day(s)", days), fmt.Sprintf("at least %d days", leastWindow), "raise expirechangetrackingindays of the organisation; a flow that stands still for longer reads its table anew")
			}
			return ok("%d days", days)
		}},
		{activities.AreaDynamics, "roles", reached, func(ctx context.Context) finding {
			held, err := o.Dynamics.UserPrivileges(ctx, v.me.of("user"))
			if err != nil {
				return failing(err)
			}
			v.held.keep("privileges", held)
			if len(held) == 0 {
				return fail("the application user has no role", "a role with the privileges of docs/doctor.md", "assign one to the application user in the Power Platform admin center")
			}
			return ok("give %d privileges", len(held))
		}},
	}
	for _, table := range v.sourceTables() {
		out = append(out, v.sourceTable(table)...)
	}
	if o.Events.Enabled() {
		out = append(out, v.events()...)
	}
	return out
}

// online says that a version is one of Dynamics 365 Online.
func online(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err == nil && err2 == nil && (major > 9 || major == 9 && minor >= 2)
}

// sourceTables are the tables whose changes are read.
func (v *visit) sourceTables() []string {
	names := map[string]bool{}
	for _, t := range v.a.o.Tables {
		names[t.Dynamics.Table] = true
	}
	if v.a.o.OptOuts.WhyIdle() == "" {
		names[contactTable] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// needed are the privileges that a table needs.
func (v *visit) needed(table string) map[string]dataverse.Depth {
	want := map[string]dataverse.Depth{"Read": dataverse.DepthOrganization} // as change tracking asks for
	if table == contactTable && v.a.o.OptOuts.Mode.WritesDynamics() {
		want["Write"] = dataverse.DepthOrganization
	}
	if table == contactTable && v.a.o.Events.Enabled() {
		want["AppendTo"] = dataverse.DepthOrganization
	}
	return want
}

func (v *visit) sourceTable(table string) []step {
	o := v.a.o
	read := []string{definitionOf(table)}
	return []step{
		{activities.AreaDynamics, "table " + table, []string{dynamicsReached}, func(ctx context.Context) finding {
			e, err := o.Dynamics.Entity(ctx, table)
			if err != nil {
				return failing(err)
			}
			v.tables.keep(table, e)
			return ok("a table of %d columns", len(e.Attributes))
		}},
		{activities.AreaDynamics, "table " + table + ": change tracking", read, func(context.Context) finding {
			if !v.tables.of(table).ChangeTrackingEnabled {
				return fail("off", "on", "in the properties of the table "+table+" in Power Apps, switch Track changes on, save and publish")
			}
			return ok("on")
		}},
		{activities.AreaDynamics, "table " + table + ": keys", read, func(context.Context) finding {
			for _, key := range v.tables.of(table).Keys {
				if !key.Active {
					return warn("the alternate key "+key.LogicalName+" is not active: its columns have duplicates, or its index is being built", "active keys", "remove the duplicates in Dynamics, then reactivate the key")
				}
			}
			return ok("unique: rows are addressed by %s", v.tables.of(table).PrimaryIdAttribute)
		}},
		{activities.AreaDynamics, "table " + table + ": privileges", []string{definitionOf(table), ownPrivileges}, func(ctx context.Context) finding {
			return v.privileges(ctx, table, v.needed(table))
		}},
	}
}

// privileges compares what our roles give with what a table needs. A depth of "" will do
// with any.
func (v *visit) privileges(ctx context.Context, table string, want map[string]dataverse.Depth) finding {
	known, err := v.a.o.Dynamics.TablePrivileges(ctx, table)
	if err != nil {
		return failing(err)
	}
	held := v.held.of("privileges")
	var missing, wanted []string
	for _, p := range known {
		depth, needs := want[p.Kind]
		if !needs {
			continue
		}
		wanted = append(wanted, p.Name)
		switch has, have := held[p.ID]; {
		case !have:
			missing = append(missing, p.Name)
		case depth != "" && has != depth:
			missing = append(missing, fmt.Sprintf("%s for the whole organisation (it is %s)", p.Name, has))
		}
	}
	slices.Sort(wanted)
	slices.Sort(missing)
	if len(missing) > 0 {
		return fail("missing: "+strings.Join(missing, ", "), strings.Join(wanted, ", "), "give them to the security role of the application user, at the level Organization")
	}
	return ok("%s", strings.Join(wanted, ", "))
}

// events are the checks of what the solution of the activity tables brings.
func (v *visit) events() []step {
	o := v.a.o
	out := []step{
		{activities.AreaDynamics, "activity tables", []string{dynamicsReached}, func(ctx context.Context) finding {
			var missing []string
			needed := o.Events.Needed()
			for _, name := range needed {
				e, err := o.Dynamics.Entity(ctx, name)
				if reason := apierr.ReasonOf(err); reason == apierr.ReasonNotFound || reason == apierr.ReasonSchema {
					missing = append(missing, name)
					continue
				}
				if err != nil {
					return failing(err)
				}
				v.tables.keep(name, e)
			}
			if len(missing) > 0 {
				return fail("missing: "+strings.Join(missing, ", "), strings.Join(needed, ", "), "install the solution \"Adobe Campaign for Microsoft Dynamics 365\" from Microsoft's marketplace, or name tables of your own in egress.tables")
			}
			return ok("%s", strings.Join(needed, ", "))
		}},
		{activities.AreaDynamics, "activity tables: privileges", []string{activityTables, ownPrivileges}, func(ctx context.Context) finding {
			return v.privileges(ctx, o.Events.Needed()[0], map[string]dataverse.Depth{"Create": "", "Read": dataverse.DepthOrganization, "Append": ""})
		}},
		{activities.AreaDynamics, "follow-up processes", []string{dynamicsReached}, func(ctx context.Context) finding {
			if found := o.Egress.Processes(ctx, o.Events, v.me.of("user")); len(found) > 0 {
				return warn(strings.Join(found, "; "), "active processes of the application user", "as said, unless no follow-up tasks are wanted")
			}
			return ok("active, and ours")
		}},
	}
	return out
}

// hooks is the check of where the calls of Dynamics are taken; none where they are not.
func (v *visit) hooks() []step {
	o := v.a.o
	if o.Hooks == nil {
		return nil
	}
	return []step{{activities.AreaDynamics, "calls taken", nil, func(ctx context.Context) finding {
		address, err := o.Hooks(ctx)
		if err != nil {
			return warn(err.Error(), "an answer at "+address, "see hooks in docs/push.md; until then Dynamics is asked as usual")
		}
		return ok("at %s; whether Dynamics reaches it is told by causeway status", address)
	}}}
}
