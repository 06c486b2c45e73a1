package mapping_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/mapping"
	"causeway.dev/internal/optout"
)

func TestDifferencesSayWhatAnEditDid(t *testing.T) {
	t.Parallel()
	on, off := true, false
	before := mapping.Table{
		Name: "contacts", Dynamics: mapping.SourceTable{Table: "contact"}, Campaign: mapping.TargetTable{Resource: "profile", Key: "externalId"},
		Filter: mapping.Filter{Where: []mapping.Condition{{Column: "statecode", Is: "equals", Value: "Active"}, {Column: "fax", Is: "empty"}}},
		Fields: []mapping.Field{
			{From: "emailaddress1", To: "email", ApplyUpdates: &on},
			{From: "gendercode", To: "gender", Replace: map[string]string{"Man": "male", "Woman": "female"}},
			{From: "fax", To: "fax"}, {From: "owner", To: "cusOwner"},
		},
	}
	for name, c := range map[string]struct {
		do   func(*mapping.Table)
		says []string
		path string
	}{
		"nothing": {func(a *mapping.Table) {
			a.Campaign.API = mapping.DefaultAPI
			a.Fields[0].OnTooLong, a.Filter.Match = mapping.Reject, "all"
		}, nil, ""},
		"apply updates": {func(a *mapping.Table) { a.Fields[0].ApplyUpdates = &off }, []string{"Field emailaddress1 -> email: apply updates is now off"}, "ingress.tables.contacts.fields[0].apply_updates"},
		"replacements": {func(a *mapping.Table) {
			a.Fields[1].Replace = map[string]string{"Man": "m", "": "unknown"}
		}, []string{
			`Field gendercode -> gender: "" is now replaced by "unknown"`, `Field gendercode -> gender: "Man" is now replaced by "m"; it was "male"`, `Field gendercode -> gender: "Woman" is not replaced by "female" any more`,
		}, "ingress.tables.contacts.fields[1].replace."},
		"pairs": {func(a *mapping.Table) {
			a.Fields = []mapping.Field{a.Fields[0], {From: "mobile", To: "phone"}, {From: "gendercode", To: "cusGender", Replace: a.Fields[1].Replace}, a.Fields[3]}
		}, []string{"Field fax -> fax is gone", "Field mobile -> phone is new", "Field gendercode -> gender is now gendercode -> cusGender"}, "ingress.tables.contacts.fields[2]"},
		"order": {func(a *mapping.Table) { a.Fields[0], a.Fields[2] = a.Fields[2], a.Fields[0] }, []string{"The fields stand in another order"}, "ingress.tables.contacts.fields"},
		"filter": {func(a *mapping.Table) {
			a.Filter = mapping.Filter{Match: "any", DeleteUnmatched: true, Where: []mapping.Condition{{Column: "fax", Is: "empty"}, {Column: "age", Is: "greater_or_equal", Value: "18"}}}
		}, []string{
			"Filter: a record must now match any of the conditions; it was all", `Filter: the condition statecode equals "Active" is gone`, `Filter: the condition age greater or equal "18" is new`,
			"Deleting what does not match the filter any more is now on",
		}, "ingress.tables.contacts.filter.match"},
		"deletes":      {func(a *mapping.Table) { a.ApplyDeletes = true }, []string{"Apply deletes is now on"}, "ingress.tables.contacts.apply_deletes"},
		"technical":    {func(a *mapping.Table) { a.TechnicalValues = true }, []string{"Technical values is now on"}, "ingress.tables.contacts.technical_values"},
		"link":         {func(a *mapping.Table) { a.Fields[3].Parent = "accounts" }, []string{"Field owner -> cusOwner: the parent is now set: accounts"}, "ingress.tables.contacts.fields[3].parent"},
		"filter order": {func(a *mapping.Table) { w := a.Filter.Where; w[0], w[1] = w[1], w[0] }, []string{"Filter: the conditions stand in another order"}, "ingress.tables.contacts.filter.where"},
		"erased":       {func(a *mapping.Table) { a.Erased = "restore" }, []string{"What happens to a record that somebody deleted in Campaign is now set: restore"}, "ingress.tables.contacts.erased"},
		"opt-outs": {func(a *mapping.Table) {
			a.OptOuts = []optout.PairSetting{{Campaign: "denyListFax", Dynamics: "donotfax"}}
		}, []string{"The opt-outs that are kept in step are now: denyListFax=donotfax; they were: none"}, "opt_out.pairs"},
		"the whole table": {func(a *mapping.Table) { a.Dynamics.Table = "lead" }, []string{"The Dynamics table is now lead; it was contact"}, "ingress.tables.contacts.dynamics.table"},
	} {
		after := before
		after.Fields = append([]mapping.Field{}, before.Fields...)
		after.Filter.Where = append([]mapping.Condition{}, before.Filter.Where...)
		c.do(&after)
		found := mapping.Differences(before, after)
		var says []string
		for _, d := range found {
			says = append(says, d.Sentence)
		}
		require.Equal(t, c.says, says, name)
		require.Equal(t, before.Revision() == after.Revision(), len(found) == 0, name)
		if len(found) > 0 {
			require.Equal(t, c.path, found[0].Path[:min(len(c.path), len(found[0].Path))], name)
		}
	}
}
