package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/optout"
)

const fileServer = "  sftp: { host: acme.campaign.adobe.com, user: acme, key: file:key, known_hosts: hosts }\n"

// R19.9: nothing is paired and nothing flows unless somebody says so.
func TestOptOutDefaults(t *testing.T) {
	t.Parallel()
	c, err := Parse("c.yaml", []byte(good(t)))
	require.NoError(t, err)
	s := c.OptOutSettings()
	require.Equal(t, optout.Disabled, s.Mode)
	require.Empty(t, s.Pairs)
	require.NotEmpty(t, s.WhyIdle(), "R8.16")
	require.Equal(t, 5*time.Second, s.Skew)
	require.Equal(t, 26*time.Hour, s.Export.StaleAfter)
	require.Equal(t, "byModifiedSince", s.ModifiedSince.Filter)

	c, err = Parse("c.yaml", []byte(good(t)+fileServer+"opt_out:\n  mode: bidirectional\n  clock_skew: 0s\n  pairs:\n    - { campaign: denyListEmail, dynamics: donotbulkemail }\n    - { campaign: ccpaOptOut, dynamics: followemail, inverted: true }\n"+
		"ingress:\n  tables:\n    people:\n      dynamics: { table: contact }\n      campaign: { resource: profile, key: externalId }\n      fields: [{ from: lastname, to: lastName }]\n"))
	require.NoError(t, err)
	s = c.OptOutSettings()
	require.Zero(t, s.Skew)
	require.Equal(t, "people", s.Profiles)
	require.True(t, s.SFTP)
	require.Empty(t, s.WhyIdle())
	require.Equal(t, []string{"denyListEmail=donotbulkemail", "ccpaOptOut=!followemail"}, s.Names())
	require.Equal(t, s.Pairs[1], optout.ParsePair(s.Names()[1]))
	other := s
	other.AttributeLevel = true
	require.NotEqual(t, s.Revision(), other.Revision())
}

func TestOptOutProblems(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want []string // path: got
	}{
		"R5.10: a Campaign-origin mode needs the file server": {"opt_out:\n  mode: bidirectional\n  pairs: [{ campaign: denyList, dynamics: donotemail }]\n", []string{"campaign.sftp.host"}},
		"the REST API needs none":                             {"opt_out:\n  mode: bidirectional\n  source: rest\n  pairs: [{ campaign: denyList, dynamics: donotemail }]\n", nil},
		"R19.9: a mode without pairs":                         {fileServer + "opt_out:\n  mode: campaign_to_dynamics\n", []string{"opt_out.pairs"}},
		"R19.21: an attribute twice": {fileServer + "opt_out:\n  mode: bidirectional\n  pairs:\n    - { campaign: denyList, dynamics: donotemail }\n    - { campaign: denyList, dynamics: donotfax }\n",
			[]string{"opt_out.pairs[1].campaign"}},
		"R19.21: a column twice": {fileServer + "opt_out:\n  mode: bidirectional\n  pairs:\n    - { campaign: denyList, dynamics: donotemail }\n    - { campaign: denyListFax, dynamics: donotemail }\n",
			[]string{"opt_out.pairs[1].dynamics"}},
		"R19.7: another attribute": {fileServer + "opt_out:\n  mode: bidirectional\n  pairs: [{ campaign: gender, dynamics: donotemail }]\n", []string{"opt_out.pairs[0].campaign"}},
		"a column that allows, not inverted": {fileServer + "opt_out:\n  mode: bidirectional\n  pairs: [{ campaign: denyListEmail, dynamics: followemail }]\n",
			[]string{"opt_out.pairs[0].inverted"}},
		"a column that forbids, inverted": {fileServer + "opt_out:\n  mode: bidirectional\n  pairs: [{ campaign: denyListEmail, dynamics: donotbulkemail, inverted: true }]\n",
			[]string{"opt_out.pairs[0].inverted"}},
		"R19.22: the attribute is mapped with the contacts": {fileServer + "opt_out:\n  mode: bidirectional\n  pairs: [{ campaign: denyListEmail, dynamics: donotbulkemail }]\n" + with(", { from: donotbulkemail, to: blackListEmail }"),
			[]string{"ingress.tables.contacts.fields[1].to"}},
		"R19.22: in any mode of the flow, any opt-out": {fileServer + "opt_out:\n  mode: campaign_to_dynamics\n  pairs: [{ campaign: denyListEmail, dynamics: donotbulkemail }]\n" + with(", { from: donotfax, to: denyListFax }, { from: donotphone, to: ccpaOptOut }"),
			[]string{"ingress.tables.contacts.fields[1].to", "ingress.tables.contacts.fields[2].to"}},
		"R19.4: dynamics_to_campaign without a mapping": {"opt_out:\n  mode: dynamics_to_campaign\n" + with(""), []string{"opt_out.mode"}},
		"R19.4: dynamics_to_campaign with pairs": {"opt_out:\n  mode: dynamics_to_campaign\n  pairs: [{ campaign: denyListEmail, dynamics: donotbulkemail }]\n" + with(", { from: donotbulkemail, to: blackListEmail }"),
			[]string{"opt_out.pairs"}},
		"R19.4: dynamics_to_campaign, mapped with the contacts": {"opt_out:\n  mode: dynamics_to_campaign\n" + with(", { from: donotbulkemail, to: blackListEmail }"), nil},
		"R19.3: disabled, mapped with the contacts":             {with(", { from: donotbulkemail, to: blackListEmail }"), nil},
		"a restart needs to know what":                          {"opt_out:\n  export: { auto_restart: true }\n", []string{"opt_out.export.workflow"}},
		"bounds": {"opt_out:\n  clock_skew: 1h\n  campaign_every: 1s\n  lanes: 99\n  export: { check_every: 1s, stale_after: 1s }\n",
			[]string{"opt_out.clock_skew", "opt_out.campaign_every", "opt_out.lanes", "opt_out.export.check_every", "opt_out.export.stale_after"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("c.yaml", []byte(good(t)+tt.text))
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			var paths []string
			for _, p := range problemsOf(t, "c.yaml", good(t)+tt.text) {
				paths = append(paths, p.Path)
			}
			require.ElementsMatch(t, tt.want, paths)
		})
	}
}

// with is a mapping of the contacts with more fields.
func with(fields string) string {
	return "ingress:\n  tables:\n    contacts:\n      dynamics: { table: contact }\n      campaign: { resource: profile, key: externalId }\n      fields: [{ from: lastname, to: lastName }" + fields + "]\n"
}
