package mapping

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDrift(t *testing.T) {
	t.Parallel()
	one := table(Field{From: "gendercode", To: "gender"}, Field{From: "firstname", To: "firstName"})
	plan := func(edit func(*SourceSchema, *TargetSchema)) *Plan {
		src, dst := contacts(), profile()
		edit(&src, &dst)
		p, err := Resolve(one, src, dst)
		require.NoError(t, err)
		return p
	}
	same := func(*SourceSchema, *TargetSchema) {}
	require.Empty(t, Drift(plan(same), plan(same)))
	changed := plan(func(src *SourceSchema, dst *TargetSchema) {
		src.Columns["gendercode"] = Column{Type: "Picklist", Options: map[int]string{1: "Man", 3: "Female"}}
		f := dst.Fields["firstName"]
		f.Length = 20
		dst.Fields["firstName"] = f
		g := dst.Fields["gender"]
		g.Values = map[string]EnumValue{"unknown": {Value: "0"}, "female": {Label: "Female", Value: "2"}, "other": {Value: "3"}}
		dst.Fields["gender"] = g
	})
	require.Equal(t, []string{
		"firstname -> firstName: the Campaign field took 30 characters and takes 20 now",
		`gendercode -> gender: option 1 was "Male" and is "Man" now; records get the new label when they change or are replayed`,
		`gendercode -> gender: the choice has a new option 3, "Female"`,
		`gendercode -> gender: option 2, "Female", is gone`,
		"gendercode -> gender: the enumeration has a new member other",
		"gendercode -> gender: the enumeration has no member __Invalid_value__ any more",
		"gendercode -> gender: the enumeration has no member male any more",
	}, Drift(plan(same), changed))
	other := one
	other.Fields = []Field{{From: "lastname", To: "lastName"}}
	p, err := Resolve(other, contacts(), profile())
	require.NoError(t, err)
	require.Empty(t, Drift(p, plan(same)), "a pair that is new has not changed")
}
