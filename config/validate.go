package config

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxCustomTables is how many mappings there may be besides contact (R9.10).
const maxCustomTables = 20

// tableForm is what the name of a mapping looks like.
var tableForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// Validate checks everything that can be checked without a network and returns
// *Problems, or nil. Load and Parse have done so already.
func (c *Config) Validate() error {
	return c.source.err(c.validate(nil))
}

// validate returns the problems that are not known yet by their path.
func (c *Config) validate(known Problems) Problems {
	v := &validator{source: c.source, known: map[string]bool{}}
	for _, p := range known {
		v.known[p.Path] = true
		if p.Path == "include" || strings.HasPrefix(p.Path, "include[") || p.Path == "" && p.File != c.source.files[0] {
			v.mappingsMissing = true
		}
	}
	v.section(reflect.ValueOf(c).Elem(), "")
	v.dynamics(c.Dynamics)
	v.campaign(c.Campaign)
	v.temporal(c.Temporal)
	v.ledger(c.Ledger)
	v.doctor(c)
	v.ingress(c.Ingress)
	v.egress(c)
	v.optOut(c)
	v.access(c.Access)
	v.notify(c.Notify)
	v.hooks(c.Hooks)
	v.logExport(c)
	v.files(c)
	return v.problems
}

type validator struct {
	source   source
	known    map[string]bool
	problems Problems
	// mappingsMissing says that an included file was not read: what other settings
	// need of its mappings cannot be checked.
	mappingsMissing bool
}

// add reports a problem unless the path, or a section around it, has one already.
func (v *validator) add(path, got, want, remedy string) {
	for near := path; near != ""; near = near[:max(strings.LastIndexAny(near, ".["), 0)] {
		if v.known[near] {
			return
		}
	}
	v.problems = append(v.problems, v.source.problem(path, got, want, remedy))
}

func (v *validator) required(path, value, want string) {
	if value == "" {
		v.add(path, "nothing", want, "")
	}
}

func (v *validator) match(path, value string, form *regexp.Regexp, want string) {
	switch {
	case value == "":
		v.add(path, "nothing", want, "")
	case !form.MatchString(value):
		v.add(path, short(value), want, "")
	}
}

// usable is the address of a service, unless it has a problem already.
func (v *validator) usable(path, address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil || slices.ContainsFunc(v.problems, func(p Problem) bool { return p.Path == path }) {
		return nil
	}
	return u
}

func (v *validator) dynamics(d Dynamics) {
	if u := v.usable("dynamics.url", d.URL); u != nil && u.Path != "" && u.Path != "/" {
		v.add("dynamics.url", short(d.URL), "the organisation's address without a path", "write https://"+u.Host)
	}
	if reserved := strings.ToLower(d.Tenant); slices.Contains([]string{"common", "organizations", "consumers"}, reserved) {
		v.add("dynamics.tenant", short(d.Tenant), "a tenant id or verified domain", "an application signs in to one named directory")
	}
	switch {
	case !d.ClientSecret.IsSet() && !d.ClientCertificate.IsSet():
		v.add("dynamics.client_secret", "nothing", "env:NAME or file:path, or a client_certificate", "")
	case d.ClientSecret.IsSet() && d.ClientCertificate.IsSet():
		v.add("dynamics.client_certificate", "client_secret as well", "one of the two", "remove one")
	}
}

func (v *validator) campaign(c Campaign) {
	if u := v.usable("campaign.url", c.URL); u != nil {
		switch path := strings.Trim(u.Path, "/"); {
		case path == "":
			v.add("campaign.url", short(c.URL), "the instance's name after the host", "write https://"+u.Host+"/<instance>")
		case path == "campaign" || strings.HasSuffix(path, "/campaign"):
			v.add("campaign.url", short(c.URL), "an address that ends with the instance's name", "remove /campaign, which is added to every call")
		}
	}
	if len(c.Scopes) == 0 {
		v.add("campaign.scopes", "an empty list", "the scopes shown in the Developer Console project", "remove the key to use the usual ones")
	}
	for i, scope := range c.Scopes {
		if scope == "" || strings.ContainsAny(scope, ", ") {
			v.add(fmt.Sprintf("campaign.scopes[%d]", i), short(scope), "one scope without commas and blanks", "make each scope an entry of the list")
		}
	}
	v.sftp(c.SFTP)
}

func (v *validator) hostPort(path, value, example string) {
	_, port, err := net.SplitHostPort(value)
	if n, portErr := strconv.Atoi(port); err != nil || portErr != nil || n < 0 || n > 65535 {
		v.add(path, short(value), "host:port, such as "+example, "")
	}
}

// temporal lets nobody but this machine ask for what is sealed.
func (v *validator) temporal(t Temporal) {
	host, _, err := net.SplitHostPort(t.CodecListen)
	if ip := net.ParseIP(host); err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		v.add("temporal.codec_listen", short(t.CodecListen), "an address of this machine alone, such as 127.0.0.1:8234",
			"nobody is asked yet who wants to read what is sealed, so keep it from other machines")
	}
}

func (v *validator) ledger(l Ledger) {
	switch l.Driver {
	case "sqlite":
		v.required("ledger.path", l.Path, "the path of the SQLite file")
		if l.DSN.IsSet() {
			v.add("ledger.dsn", "a database address with driver sqlite", "none", "remove dsn, or set driver: postgres")
		}
		if l.Password.IsSet() {
			v.add("ledger.password", "a setting of driver postgres with driver sqlite", "none", "remove it, or set driver: postgres")
		}
		if v.source.at["ledger.statement_timeout"].line != 0 {
			v.add("ledger.statement_timeout", "a setting of driver postgres with driver sqlite", "none", "remove it, or set driver: postgres")
		}
	case "postgres":
		if !l.DSN.IsSet() {
			v.add("ledger.dsn", "nothing", "env:NAME or file:path of the PostgreSQL address", "")
		}
		for _, only := range []string{"ledger.path", "ledger.synchronous"} {
			if v.source.at[only].line != 0 {
				v.add(only, "a setting of driver sqlite with driver postgres", "none", "remove it, or set driver: sqlite")
			}
		}
		if l.Backup.Nightly != "" {
			v.add("ledger.backup.nightly", "a setting of driver sqlite with driver postgres", "none", "remove it, and have the database server backed up (docs/backup.md)")
		}
	}
}

// doctor looks whether what is audited every night is there, and whether there is a night.
func (v *validator) doctor(c *Config) {
	for n, name := range c.Doctor.Audit {
		if _, there := c.Ingress.Tables[name]; !there {
			v.add(fmt.Sprintf("doctor.audit[%d]", n), short(name), "the name of a mapping under ingress.tables", "")
		}
	}
	if len(c.Doctor.Audit) > 0 && c.Doctor.Nightly == "" {
		v.add("doctor.audit", "tables, and no doctor.nightly", "a time of day in doctor.nightly", "set it, or remove doctor.audit")
	}
}

func (v *validator) ingress(in Ingress) {
	custom := 0
	sources, targets := map[string]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(in.Tables)) {
		path, table := "ingress.tables."+name, in.Tables[name]
		if !tableForm.MatchString(name) {
			v.add(path, short(name), "a name of lower-case letters, digits, hyphens and underscores", "")
		}
		if flow, reserved := reservedTables[name]; reserved {
			v.add(path, short(name)+", which names "+flow, "another name", "")
		}
		if table.Dynamics.Table != "contact" {
			custom++
		}
		table.Name = name
		for _, p := range table.Check() {
			v.add(p.Path, p.Got, p.Want, p.Remedy)
		}
		v.once(sources, path+".dynamics.table", table.Dynamics.Table)
		v.once(targets, path+".campaign.resource", table.Campaign.Resource)
	}
	if !v.mappingsMissing {
		v.parents(in.Tables)
	}
	if custom > maxCustomTables {
		v.add("ingress.tables", fmt.Sprintf("%d mappings besides contact", custom), fmt.Sprintf("at most %d", maxCustomTables), "move some to another instance")
	}
}

// once refuses a table that another mapping has (R9.4).
func (v *validator) once(seen map[string]string, path, table string) {
	if first, taken := seen[table]; taken && table != "" {
		v.add(path, short(table)+", which "+first+" maps already", "each table in one mapping only", "remove one of the two mappings")
		return
	}
	seen[table] = path
}
