package config

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// dynamicsHost matches the hosts of Dynamics 365 online, regional and national
// clouds included (R5.2).
var dynamicsHost = regexp.MustCompile(`^[a-z0-9-]+(\.api)?\.crm[0-9]*\.(dynamics\.(com|cn)|microsoftdynamics\.us|appsplatform\.us)$`)

// Warnings are settings that work but deserve a look, one sentence each. A
// sandbox has several.
func (c *Config) Warnings() []string {
	var out []string
	warn := func(path, got, want string) { out = append(out, fmt.Sprintf("%s: got %s, want %s", path, got, want)) }
	if u, err := url.Parse(c.Dynamics.URL); err == nil && !dynamicsHost.MatchString(strings.ToLower(u.Hostname())) {
		warn("dynamics.url", "host "+u.Host, "<organisation>.crm<N>.dynamics.com; other hosts are for sandboxes, Dynamics on premises is not supported")
	}
	if u, err := url.Parse(c.Campaign.URL); err == nil {
		if u.Host != "mc.adobe.io" {
			warn("campaign.url", "host "+u.Host, "mc.adobe.io; other hosts are for sandboxes")
		}
		if name := strings.Trim(u.Path, "/"); name != c.Instance && name != c.Instance+"-mkt-stage" {
			warn("campaign.url", fmt.Sprintf("Campaign instance %q in an installation called %q", name, c.Instance), "the same name, unless that is intended")
		}
	}
	if u, err := url.Parse(c.Dynamics.Authority); err == nil && c.Dynamics.InstanceDiscovery &&
		!slices.Contains([]string{"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"}, u.Host) {
		warn("dynamics.instance_discovery", "true with an authority on host "+u.Host, "false for an authority that is not Microsoft's")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Ingress.Tables)) {
		if unlinked(c.Ingress.Tables, name) {
			warn("ingress.tables."+name, "a resource without a link to the profile", "a pair with parent: where it holds personal data, so that a privacy delete in Campaign reaches it")
		}
	}
	for _, name := range c.ClearTexts() {
		warn("temporal.encryption_key", "nothing, and text in the filter or the replacements of "+name, "a key, so that this text, which can be a person's, is sealed in Temporal")
	}
	if !c.Ledger.EncryptionKey.IsSet() {
		warn("ledger.encryption_key", "nothing", "a key, so that the values of persons in the ledger are sealed; make one with: openssl rand -base64 32")
	}
	c.egressWarnings(warn)
	if len(c.Ingress.Tables) == 0 && !c.Egress.Settings().Enabled() && !c.OptOut.Mode.WritesDynamics() {
		warn("ingress.tables", "no mapping", "at least one, or nothing flows")
	}
	return out
}
