package config

import (
	"strings"
)

// LogExport writes what flows did into files on the file server of Campaign, one a flow and
// day, for whoever looks there for what is missing in a system.
type LogExport struct {
	// Enabled is whether logs are exported to the SFTP server of Campaign (campaign.sftp).
	Enabled bool `yaml:"enabled" jsonschema:"default=false"`
	// At is the time of day, in UTC, at which the files of the day before are written.
	At string `yaml:"at,omitempty" jsonschema:"pattern=^([01][0-9]|2[0-3]):[0-5][0-9]$,default=02:00" want:"a time of day such as \"02:00\", in quotes"`
	// Folder that they are put into; it is made where it is missing.
	Folder string `yaml:"folder,omitempty" jsonschema:"default=d365_loads/logs"`
	// KeepDays is after how many days a file is removed. Adobe allows 15 (R20.7).
	KeepDays int `yaml:"keep_days,omitempty" jsonschema:"minimum=1,maximum=15,default=15"`
	// MaxMiB is how large a file may become. What does not fit is counted in its last line.
	MaxMiB int `yaml:"max_mib,omitempty" jsonschema:"minimum=1,maximum=10000,default=50"`
	// Loads lists each record of initial loads and backfills, too. Without it their counts and their refusals are there.
	Loads bool `yaml:"loads" jsonschema:"default=false"`
	// Mask keeps e-mail addresses out of the files, wherever they come from. The values of records are never in them.
	Mask bool `yaml:"mask" jsonschema:"default=true"`
}

func (v *validator) logExport(c *Config) {
	l := c.LogExport
	if strings.Contains(l.Folder, "..") || l.Folder == "" {
		v.add("log_export.folder", short(l.Folder), "a folder below the user's, such as d365_loads/logs", "")
	}
	if l.Folder == c.Campaign.SFTP.Folder {
		v.add("log_export.folder", short(l.Folder)+", where exports are read", "a folder of its own", "")
	}
	if l.Enabled && !c.Campaign.SFTP.Configured() {
		v.add("campaign.sftp.host", "nothing with log_export.enabled", "the file server, such as acme.campaign.adobe.com", "add campaign.sftp, or set log_export.enabled: false")
	}
}
