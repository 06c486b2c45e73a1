package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"causeway.dev/internal/timeline"
)

// Egress is the flow from Campaign to Dynamics: what recipients did with their
// e-mail, on the contact's timeline.
type Egress struct {
	// Sends puts each e-mail sent on the timeline (R18.1).
	Sends bool `yaml:"sends,omitempty" jsonschema:"default=false"`
	// Opens puts each opening on the timeline.
	Opens bool `yaml:"opens,omitempty" jsonschema:"default=false"`
	// Clicks puts each click on a link on the timeline.
	Clicks bool `yaml:"clicks,omitempty" jsonschema:"default=false"`
	// Bounces puts each hard bounce on the timeline.
	Bounces bool `yaml:"bounces,omitempty" jsonschema:"default=false"`
	// Source is journal (needs campaign.journal), sftp (log files; needs campaign.sftp) or both. An event that comes twice is written once.
	Source string `yaml:"source,omitempty" jsonschema:"enum=journal,enum=sftp,enum=both,default=journal"`
	// UnknownContact says what becomes of an event whose contact Dynamics does not have: count only counts it, quarantine keeps it.
	UnknownContact string `yaml:"unknown_contact,omitempty" jsonschema:"enum=count,enum=quarantine,default=count"`
	// PageSize is how many events a page asks for.
	PageSize int `yaml:"page_size,omitempty" jsonschema:"minimum=1,maximum=10000,default=2000"`
	// BatchSize is the most rows one request may carry to Dynamics. It begins with 10 and grows while the service is quick.
	BatchSize int `yaml:"batch_size,omitempty" jsonschema:"minimum=1,maximum=1000,default=50"`
	// Lanes is how many parts of a page are written in parallel.
	Lanes int `yaml:"lanes,omitempty" jsonschema:"minimum=1,maximum=32,default=8"`
	// PollEvery is the pause between looks at log files, and at a journal that does not say how long to wait.
	PollEvery time.Duration `yaml:"poll_every,omitempty" jsonschema:"minimum=1s,maximum=1h,default=10s"`
	// LagAlarm is the age of what was last handled that raises an alarm. The journal keeps events for 7 days (R18.17).
	LagAlarm time.Duration `yaml:"lag_alarm,omitempty" jsonschema:"minimum=1h,maximum=168h,default=120h"`
	// Tables are the activity tables in Dynamics. What is left out is as in the companion solution.
	Tables timeline.ActivityTables `yaml:"tables,omitempty"`
}

// Journal is the Adobe I/O Events journal of the instance's registration.
type Journal struct {
	// URL of the journal, as the Developer Console shows it for the registration. Needed for egress from the journal.
	URL string `yaml:"url,omitempty" jsonschema:"format=uri,pattern=^https://,example=https://events-va6.adobe.io/events/organizations/1/integrations/2/3"`
}

// SFTP is the instance's file server, for exported logs and opt-outs.
type SFTP struct {
	// Host of the server, such as acme.campaign.adobe.com (R5.7).
	Host string `yaml:"host,omitempty"`
	// Port of the server.
	Port int `yaml:"port,omitempty" jsonschema:"minimum=1,maximum=65535,default=22"`
	// User that the Control Panel shows.
	User string `yaml:"user,omitempty"`
	// Key is the user's private key in OpenSSH form without passphrase, as file:path or env:NAME.
	Key Secret `yaml:"key,omitempty"`
	// KnownHosts is an OpenSSH known_hosts file that holds the server's key, relative to the configuration file. This or fingerprint; an unknown server is never trusted.
	KnownHosts string `yaml:"known_hosts,omitempty"`
	// Fingerprint of the server's key, instead of KnownHosts.
	Fingerprint string `yaml:"fingerprint,omitempty" jsonschema:"pattern=^SHA256:[A-Za-z0-9+/]{43}=?$" want:"SHA256: and 43 characters, as ssh-keygen -lf shows it"`
	// Folder that exports are put into.
	Folder string `yaml:"folder,omitempty" jsonschema:"default=d365_loads/exports"`
	// StableFor is how long a file must not have changed before it is read.
	StableFor time.Duration `yaml:"stable_for" jsonschema:"minimum=0s,maximum=1h,default=1m"`
	// Processed says what becomes of a file that was read: move, into the folder processed beside it, or delete.
	Processed string `yaml:"processed,omitempty" jsonschema:"enum=move,enum=delete,default=move"`
	// Keep is how long moved files stay, and those that cannot be read. Adobe allows 15 days (R20.7).
	Keep time.Duration `yaml:"keep,omitempty" jsonschema:"minimum=1h,maximum=8760h,default=360h"`
}

// Configured says whether the file names a server.
func (s SFTP) Configured() bool { return s.Host != "" }

// Settings are what the egress flow is started with.
func (e Egress) Settings() timeline.Settings {
	return timeline.Settings{
		Source: e.Source, Sends: e.Sends, Opens: e.Opens, Clicks: e.Clicks, Bounces: e.Bounces,
		UnknownContact: e.UnknownContact, Tables: e.Tables,
	}
}

// reservedTables are flows of their own, so that commands can tell them from tables.
var reservedTables = map[string]string{"egress": "the flow of events", "optout": "the flow of opt-outs", "opt-out": "the flow of opt-outs", "event": "an event in causeway explain"}

var (
	columnForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	hostForm   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$|^[0-9a-fA-F:]+$`)
)

func (v *validator) egress(c *Config) {
	e := c.Egress
	tables := map[string]string{}
	for _, t := range []struct {
		name  string
		table timeline.ActivityTable
	}{{"sends", e.Tables.Sends}, {"opens", e.Tables.Opens}, {"clicks", e.Tables.Clicks}, {"bounces", e.Tables.Bounces}} {
		v.activityTable("egress.tables."+t.name, t.table, t.name == "clicks")
		v.once(tables, "egress.tables."+t.name+".table", t.table.Table)
	}
	settings := e.Settings()
	if !settings.Enabled() {
		return
	}
	if settings.Journal() {
		if c.Campaign.Journal.URL == "" {
			v.add("campaign.journal.url", "nothing with egress.source "+e.Source, "the address of the journal, as the Developer Console shows it", "add it, or set egress.source: sftp")
		}
		if c.Campaign.OrganizationID == "" {
			v.add("campaign.organization_id", "nothing with egress.source "+e.Source, "the organisation, such as 1234567890ABCDEF@AdobeOrg", "the journal is not read without it")
		}
	}
	if settings.SFTP() && !c.Campaign.SFTP.Configured() {
		v.add("campaign.sftp.host", "nothing with egress.source "+e.Source, "the file server, such as acme.campaign.adobe.com", "add campaign.sftp, or set egress.source: journal")
	}
}

// activityTable checks names; whether they exist, the start of the flow finds out.
func (v *validator) activityTable(path string, t timeline.ActivityTable, click bool) {
	const names = "a logical name: lower-case letters, digits and underscores"
	v.match(path+".table", t.Table, columnForm, names)
	v.match(path+".date", t.Date, columnForm, names)
	used := map[string]string{"subject": "every activity's own column", "actualend": "every activity's own column"}
	for _, c := range []struct{ name, column string }{
		{"date", t.Date}, {"campaign_name", t.CampaignName}, {"delivery_name", t.DeliveryName},
		{"mirror_page_url", t.MirrorPageURL}, {"tracking_url", t.TrackingURL},
	} {
		switch {
		case c.column == "":
			continue
		case !columnForm.MatchString(c.column):
			v.add(path+"."+c.name, short(c.column), names, "")
		case used[c.column] != "":
			v.add(path+"."+c.name, short(c.column)+", which is "+used[c.column], "a column of its own", "")
		case c.name == "tracking_url" && !click:
			v.add(path+"."+c.name, short(c.column), "nothing: only a click has a tracking URL", "remove it")
		}
		used[c.column] = c.name + " already"
	}
}

func (v *validator) sftp(s SFTP) {
	if strings.Contains(s.Folder, "..") || s.Folder == "" {
		v.add("campaign.sftp.folder", short(s.Folder), "a folder below the user's, such as d365_loads/exports", "")
	}
	if !s.Configured() {
		for _, only := range []struct {
			path string
			set  bool
		}{{"user", s.User != ""}, {"key", s.Key.IsSet()}, {"known_hosts", s.KnownHosts != ""}, {"fingerprint", s.Fingerprint != ""}} {
			if only.set {
				v.add("campaign.sftp.host", "nothing beside "+only.path, "the file server, such as acme.campaign.adobe.com", "")
				return
			}
		}
		return
	}
	if !hostForm.MatchString(s.Host) {
		v.add("campaign.sftp.host", short(s.Host), "a host name alone, such as acme.campaign.adobe.com", "a port goes into campaign.sftp.port")
	}
	v.required("campaign.sftp.user", s.User, "the user that the Control Panel shows")
	if !s.Key.IsSet() {
		v.add("campaign.sftp.key", "nothing", "file:path or env:NAME of the user's private key", "")
	}
	switch {
	case s.KnownHosts == "" && s.Fingerprint == "":
		v.add("campaign.sftp.known_hosts", "nothing, and no fingerprint", "a known_hosts file or the fingerprint of the server's key", "ask Adobe for the fingerprint; an unknown server is never trusted")
	case s.KnownHosts != "" && s.Fingerprint != "":
		v.add("campaign.sftp.fingerprint", "known_hosts as well", "one of the two", "remove one")
	}
}

// egressWarnings are those of the events' sources.
func (c *Config) egressWarnings(warn func(path, got, want string)) {
	if s := c.Campaign.SFTP; s.Configured() && !strings.HasSuffix(s.Host, ".campaign.adobe.com") {
		warn("campaign.sftp.host", "host "+s.Host, "<instance>.campaign.adobe.com; other hosts are for sandboxes")
	}
	if u, err := url.Parse(c.Campaign.Journal.URL); err == nil && u.Host != "" && !strings.HasSuffix(u.Host, ".adobe.io") {
		warn("campaign.journal.url", "host "+u.Host, "a host of adobe.io; other hosts are for sandboxes")
	}
	if e := c.Egress; e.Settings().Enabled() && e.LagAlarm > 6*24*time.Hour && e.Settings().Journal() {
		warn("egress.lag_alarm", tidy(e.LagAlarm), fmt.Sprintf("at most %s, because the journal forgets events after 7 days", tidy(6*24*time.Hour)))
	}
}
