package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/timeline"
)

// R18.1: every type of event is off by default; the tables are the solution's.
func TestEgressDefaults(t *testing.T) {
	t.Parallel()
	c, err := Parse("c.yaml", []byte(good(t)))
	require.NoError(t, err)
	require.False(t, c.Egress.Settings().Enabled())
	require.Equal(t, 5*24*time.Hour, c.Egress.LagAlarm) // R18.17
	require.Equal(t, timeline.DefaultTables(), c.Egress.Tables)
	require.Equal(t, 22, c.Campaign.SFTP.Port)
	require.False(t, c.Campaign.SFTP.Configured())

	const journal = "  organization_id: A@AdobeOrg\n  journal: { url: https://events-va6.adobe.io/events/organizations/1/integrations/2/3 }\n"
	c, err = Parse("c.yaml", []byte(good(t)+journal+"egress:\n  clicks: true\n  tables: { clicks: { table: acme_click, mirror_page_url: \"\" } }\n"))
	require.NoError(t, err)
	click := c.Egress.Settings().Tables.Clicks
	require.Equal(t, "acme_click", click.Table)
	require.Equal(t, "adobe_dateclicked", click.Date, "what is not named keeps its default")
	require.Empty(t, click.MirrorPageURL, "an empty column is left alone")
	require.Empty(t, c.egressWarningsOnly())
}

func (c *Config) egressWarningsOnly() []string {
	var out []string
	c.egressWarnings(func(path, _, _ string) { out = append(out, path) })
	return out
}

func TestEgressNeedsItsSources(t *testing.T) {
	t.Parallel()
	const sftp = "  sftp: { host: acme.campaign.adobe.com, user: acme, key: env:SFTP_KEY, known_hosts: hosts }\n"
	tests := map[string]struct{ text, want string }{
		"the journal's address": {"egress: { sends: true }\n", "campaign.journal.url: got nothing with egress.source journal"},
		"the organisation":      {"  journal: { url: https://h/a }\negress: { sends: true }\n", "campaign.organization_id: got nothing with egress.source journal"},
		"the file server":       {"egress: { sends: true, source: sftp }\n", "campaign.sftp.host: got nothing with egress.source sftp"},
		"a server by itself":    {"  sftp: { host: h }\n", "campaign.sftp.key: got nothing, want file:path or env:NAME of the user's private key"},
		"a pinned server":       {"  sftp: { host: h, user: u, key: env:K }\n", "an unknown server is never trusted"},
		"one way of pinning":    {strings.Replace(sftp, "hosts }", "hosts, fingerprint: \"SHA256:uNiVztksCsDhcc0u9e8BrXmdXDEd1xZZVcJcfLmTsfY\" }", 1), "campaign.sftp.fingerprint: got known_hosts as well"},
		"a fingerprint's form":  {"  sftp: { host: h, user: u, key: env:K, fingerprint: \"MD5:1\" }\n", "want SHA256: and 43 characters"},
		"a key beside no host":  {"  sftp: { key: env:K }\n", "campaign.sftp.host: got nothing beside key"},
		"a folder below":        {"  sftp: { folder: ../x }\n", `campaign.sftp.folder: got "../x"`},
		"a table once":          {"egress: { tables: { sends: { table: adobe_emailopen } } }\n", "which egress.tables.sends.table maps already"},
		"a column once":         {"egress: { tables: { sends: { campaign_name: adobe_datesent } } }\n", "which is date already, want a column of its own"},
		"a tracking URL":        {"egress: { tables: { sends: { tracking_url: acme_url } } }\n", "only a click has a tracking URL"},
		"a logical name":        {"egress: { tables: { opens: { date: Adobe_Date } } }\n", "want a logical name"},
		"a lag below 7 days":    {"egress: { lag_alarm: 200h }\n", "egress.lag_alarm: got 200h, want 1h to 168h"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, problemsOf(t, "c.yaml", good(t)+tt.text).text(), tt.want)
		})
	}
	c, err := Parse("dir/c.yaml", []byte(good(t)+sftp+"egress: { sends: true, source: sftp }\n"))
	require.NoError(t, err)
	require.Equal(t, "dir/hosts", c.Campaign.SFTP.KnownHosts)
}

// Commands tell flows and tables apart by name.
func TestFlowsOfTheirOwnAreNoTableNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"egress", "optout", "opt-out"} {
		text := good(t) + "ingress: { tables: { " + name + ": { dynamics: { table: contact }, campaign: { resource: profile, key: externalId }, fields: [{ from: a, to: b }] } } }\n"
		require.Contains(t, problemsOf(t, "c.yaml", text).text(), "ingress.tables."+name+": got \""+name+"\", which names the flow of")
	}
}

func TestSandboxSourcesAreWarnedOf(t *testing.T) {
	t.Parallel()
	c, err := Parse("c.yaml", []byte(good(t)+"  organization_id: A@AdobeOrg\n  journal: { url: https://localhost:1/events }\n"+
		"  sftp: { host: 127.0.0.1, user: u, key: env:K, known_hosts: h }\negress: { sends: true, lag_alarm: 168h }\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"campaign.sftp.host", "campaign.journal.url", "egress.lag_alarm"}, c.egressWarningsOnly())
}
