package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const plain = `instance: acme
dynamics: {url: "https://acme.crm4.dynamics.com", tenant: t, client_id: c, client_secret: "file:secrets/d"}
campaign: {url: "https://mc.adobe.io/acme", client_id: 2f2e, client_secret: "env:CAMPAIGN_SECRET"}
ledger: {path: ledger.db}
ingress:
  lanes: 4
  tables:
    contacts:
      dynamics: {table: contact}
      campaign: {resource: profile, key: externalId}
      fields: [{from: emailaddress1, to: email}]
`

// Every setting is described, and says back what was parsed of it.
func TestEverySettingIsDescribed(t *testing.T) {
	c, err := Parse("causeway.yaml", []byte(plain))
	require.NoError(t, err)
	byPath := map[string]Setting{}
	for _, s := range c.Settings() {
		require.NotEmpty(t, s.About, s.Path)
		require.NotContains(t, s.About, "_ is ", s.Path)
		byPath[s.Path] = s
	}
	lanes := byPath["ingress.lanes"]
	require.Equal(t, Setting{Path: "ingress.lanes", Name: "lanes", About: "How many parts of a page are written in parallel. 1 to 32; default 8.", Kind: KindNumber, Default: "8", Min: "1", Max: "32", Value: "4"}, lanes)
	require.Equal(t, 6, lanes.Parse(" 6 "))
	require.Equal(t, "many", lanes.Parse("many"), "the check says what is wrong with it")
	require.Equal(t, KindSecret, byPath["campaign.client_secret"].Kind)
	require.Empty(t, byPath["campaign.client_secret"].Value)
	require.Equal(t, "2m", byPath["dynamics.timeout"].Value)
	require.Equal(t, 90*time.Second, byPath["dynamics.timeout"].Parse("90s"))
	require.Equal(t, []string{"a", "b"}, byPath["access.groups.admin"].Parse("a\r\n\n b\n"))
	require.Equal(t, []string{"keep", "rollback"}, byPath["quarantine.on_stop"].Choices)
	require.NotContains(t, byPath, "ingress.tables")
}

// Two programs that run with the same settings say so, in whatever folder they are; a secret
// is no part of it.
func TestDigestsTellWhichSectionsDiffer(t *testing.T) {
	load := func(text, secret string) *Config {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "secrets"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "secrets", "d"), []byte(secret), 0o600))
		path := filepath.Join(dir, "causeway.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		c, err := Load(path)
		require.NoError(t, err)
		return c
	}
	one := load(plain, "one")
	require.Empty(t, Differing(one.Digests(), load("# a comment\n"+plain, "another").Digests()))
	before := one.String()
	require.Equal(t, []string{"ingress"}, Differing(one.Digests(), load(strings.Replace(plain, "lanes: 4", "lanes: 5", 1), "one").Digests()))
	require.Equal(t, []string{"campaign"}, Differing(one.Digests(), load(strings.Replace(plain, "CAMPAIGN_SECRET", "OTHER", 1), "one").Digests()))
	require.Equal(t, before, one.String(), "what is asked is left as it is")
	require.Empty(t, Differing(one.Digests(), nil), "a worker that does not say")
	for _, digest := range one.Digests() {
		require.Len(t, digest, 12)
	}
}
