package config

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Files says how tables are loaded by file: Campaign imports it by a workflow that you have
// built.
type Files struct {
	// Tables that can be loaded by file, by the name of their mapping.
	Tables map[string]FileTable `yaml:"tables,omitempty"`
	// PublicKey is a file with the OpenPGP public key of the instance, from its Control Panel. The files are encrypted for it; without it they are in clear for as long as they are imported.
	PublicKey string `yaml:"public_key,omitempty"`
	// PollEvery is the pause between two looks at a workflow that imports a file.
	PollEvery time.Duration `yaml:"poll_every,omitempty" jsonschema:"minimum=1s,maximum=10m,default=10s"`
	// SettlesAfter is how long a command may take until the workflow shows it, and a result until it is on the file server.
	SettlesAfter time.Duration `yaml:"settles_after,omitempty" jsonschema:"minimum=1s,maximum=1h,default=5m"`
	// Tries is how often a file is imported whose rows do not all have an outcome. Then REST looks at their records.
	Tries int `yaml:"tries,omitempty" jsonschema:"minimum=1,maximum=10,default=3"`
	// Sample is how many records of each file are read by REST and compared, before the ledger holds them as written.
	Sample int `yaml:"sample" jsonschema:"minimum=0,maximum=1000,default=5"`
}

// FileTable is the import workflow of one table.
type FileTable struct {
	// Workflow is the internal ID of the workflow in Campaign.
	Workflow string `yaml:"workflow" jsonschema:"required,example=WKF17"`
	// File is where the workflow takes the file, on the SFTP server.
	File string `yaml:"file" jsonschema:"required,example=import/contacts.csv"`
	// Results is the folder into which it puts what became of the rows. No other table may have it.
	Results string `yaml:"results" jsonschema:"required,example=import/contacts"`
}

func (v *validator) files(c *Config) {
	taken := map[string]string{}
	f := c.Ingress.Files
	for _, name := range slices.Sorted(maps.Keys(f.Tables)) {
		path, t := "ingress.files.tables."+name, f.Tables[name]
		if _, mapped := c.Ingress.Tables[name]; !mapped {
			v.add(path, "a table that is not mapped", "the name of a mapping in ingress.tables", "")
		}
		v.required(path+".workflow", t.Workflow, "its internal ID, such as WKF17")
		v.required(path+".file", t.File, "a path such as import/contacts.csv")
		v.required(path+".results", t.Results, "a folder such as import/contacts")
		for field, place := range map[string]string{".file": t.File, ".results": t.Results} {
			if strings.Contains(place, "..") {
				v.add(path+field, short(place), "a place below the folder of the SFTP user", "")
			}
		}
		for _, place := range []string{t.File, t.Results, t.Workflow} {
			if other := taken[place]; other != "" && place != "" {
				v.add(path, short(place)+", which "+other+" has", "a workflow, a file and a folder of its own", "")
			}
			taken[place] = name
		}
	}
	if len(f.Tables) > 0 && !c.Campaign.SFTP.Configured() {
		v.add("campaign.sftp.host", "nothing with ingress.files", "the file server, such as acme.campaign.adobe.com", "add campaign.sftp, or remove ingress.files")
	}
}
