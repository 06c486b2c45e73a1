package config

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway.dev/internal/mapping"
)

// maxCustomTables is how many mappings there may be besides contact (R9.10).
const maxCustomTables = 20

var (
	instanceForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	tableForm    = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
)

// Validate checks everything that can be checked without a network and returns
// *Problems, or nil. Load and Parse have done so already.
func (c *Config) Validate() error {
	problems := c.validate(nil)
	return problems.err()
}

// validate returns the problems that are not known yet by their path.
func (c *Config) validate(known Problems) Problems {
	v := &validator{source: c.source, known: map[string]bool{}}
	for _, p := range known {
		v.known[p.Path] = true
	}
	v.match("instance", c.Instance, instanceForm, "1 to 63 lower-case letters, digits and hyphens, such as acme-prod")
	v.dynamics(c.Dynamics)
	v.campaign(c.Campaign)
	v.temporal(c.Temporal)
	v.ledger(c.Ledger)
	v.ingress(c.Ingress)
	v.egress(c)
	v.optOut(c)
	between(v, "quarantine.stop_ratio", c.Quarantine.StopRatio, 0, 1)
	v.oneOf("quarantine.on_stop", c.Quarantine.OnStop, "keep", "rollback")
	v.lasting("ledger.keep_before_images", c.Ledger.KeepBeforeImages, time.Hour, 365*24*time.Hour)
	between(v, "quarantine.stop_min", c.Quarantine.StopMin, 1, 1_000_000)
	between(v, "deletes.stop_ratio", c.Deletes.StopRatio, 0, 1)
	between(v, "deletes.stop_min", c.Deletes.StopMin, 1, 1_000_000)
	v.telemetry(c.Telemetry)
	return v.problems
}

type validator struct {
	source   source
	known    map[string]bool
	problems Problems
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

func (v *validator) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		remedy := ""
		if near := mapping.Nearest(value, allowed); near != "" && value != "" {
			remedy = "did you mean " + near + "?"
		}
		last := len(allowed) - 1
		v.add(path, short(value), strings.Join(allowed[:last], ", ")+" or "+allowed[last], remedy)
	}
}

func between[T cmp.Ordered](v *validator, path string, value, low, high T) {
	if value < low || value > high {
		v.add(path, fmt.Sprint(value), fmt.Sprintf("%v to %v", low, high), "")
	}
}

// lasting is between for durations, written as an operator writes them.
func (v *validator) lasting(path string, value, low, high time.Duration) {
	if value < low || value > high {
		v.add(path, tidy(value), tidy(low)+" to "+tidy(high), "")
	}
}

// tidy writes 10m for ten minutes, not 10m0s.
func tidy(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// https checks the address of a service and returns it when it can be used.
func (v *validator) https(path, value, example string) *url.URL {
	if value == "" {
		v.add(path, "nothing", "an address such as "+example, "")
		return nil
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "":
		v.add(path, "an address that cannot be read", "an address such as "+example, "")
	case u.Scheme != "https":
		v.add(path, short(u.Scheme+"://"+u.Host), "https, such as "+example, "")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		v.add(path, "an address with more than host and path", "an address such as "+example, "remove user, query and fragment")
	default:
		return u
	}
	return nil
}

func (v *validator) dynamics(d Dynamics) {
	if u := v.https("dynamics.url", d.URL, "https://acme.crm4.dynamics.com"); u != nil && u.Path != "" && u.Path != "/" {
		v.add("dynamics.url", short(d.URL), "the organisation's address without a path (R5.2)", "write https://"+u.Host)
	}
	v.required("dynamics.tenant", d.Tenant, "the directory (tenant) id of the app registration (R3.5)")
	if reserved := strings.ToLower(d.Tenant); slices.Contains([]string{"common", "organizations", "consumers"}, reserved) {
		v.add("dynamics.tenant", short(d.Tenant), "a tenant id or verified domain", "an application signs in to one named directory")
	}
	v.required("dynamics.client_id", d.ClientID, "the application (client) id of the app registration")
	switch {
	case !d.ClientSecret.IsSet() && !d.ClientCertificate.IsSet():
		v.add("dynamics.client_secret", "nothing", "env:NAME or file:path, or a client_certificate", "")
	case d.ClientSecret.IsSet() && d.ClientCertificate.IsSet():
		v.add("dynamics.client_certificate", "client_secret as well", "one of the two", "remove one")
	}
	v.https("dynamics.authority", d.Authority, "https://login.microsoftonline.com")
	between(v, "dynamics.page_size", d.PageSize, 1, 5000)
	between(v, "dynamics.concurrency", d.Concurrency, 1, 52)
	v.lasting("dynamics.timeout", d.Timeout, time.Second, 10*time.Minute)
}

func (v *validator) campaign(c Campaign) {
	if u := v.https("campaign.url", c.URL, "https://mc.adobe.io/acme"); u != nil {
		switch path := strings.Trim(u.Path, "/"); {
		case path == "":
			v.add("campaign.url", short(c.URL), "the instance's name after the host (R5.5)", "write https://"+u.Host+"/<instance>")
		case path == "campaign" || strings.HasSuffix(path, "/campaign"):
			v.add("campaign.url", short(c.URL), "an address that ends with the instance's name (R5.5)", "remove /campaign, which is added to every call")
		}
	}
	v.https("campaign.ims_url", c.IMSURL, "https://ims-na1.adobelogin.com")
	v.required("campaign.client_id", c.ClientID, "the client id of the OAuth server-to-server credential")
	if !c.ClientSecret.IsSet() {
		v.add("campaign.client_secret", "nothing", "env:NAME or file:path", "")
	}
	if len(c.Scopes) == 0 {
		v.add("campaign.scopes", "an empty list", "the scopes shown in the Developer Console project", "remove the key to use the usual ones")
	}
	for i, scope := range c.Scopes {
		if scope == "" || strings.ContainsAny(scope, ", ") {
			v.add(fmt.Sprintf("campaign.scopes[%d]", i), short(scope), "one scope without commas and blanks", "make each scope an entry of the list")
		}
	}
	between(v, "campaign.concurrency", c.Concurrency, 1, 256)
	between(v, "campaign.rate", c.Rate, 0, 10_000)
	between(v, "campaign.engine_calls_per_hour", c.EngineCallsPerHour, 0, 100_000_000)
	between(v, "campaign.engine_calls_reserved", c.EngineCallsReserved, 0, 0.9)
	v.lasting("campaign.timeout", c.Timeout, time.Second, 10*time.Minute)
	v.journal(c.Journal)
	v.sftp(c.SFTP)
}

func (v *validator) temporal(t Temporal) {
	if t.Address != "" {
		v.hostPort("temporal.address", t.Address, "localhost:7233")
	}
	if t.UIURL == "" {
		return
	}
	const example = "an address such as http://localhost:8233"
	switch u, err := url.Parse(t.UIURL); {
	case err != nil || u.Host == "":
		v.add("temporal.ui_url", "an address that cannot be read", example, "")
	case u.Scheme != "http" && u.Scheme != "https":
		v.add("temporal.ui_url", short(u.Scheme+"://"+u.Host), example, "")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		v.add("temporal.ui_url", "an address with more than host and path", example, "remove user, query and fragment")
	}
}

func (v *validator) hostPort(path, value, example string) {
	_, port, err := net.SplitHostPort(value)
	if n, portErr := strconv.Atoi(port); err != nil || portErr != nil || n < 0 || n > 65535 {
		v.add(path, short(value), "host:port, such as "+example, "")
	}
}

func (v *validator) ledger(l Ledger) {
	v.oneOf("ledger.driver", l.Driver, "sqlite", "postgres")
	v.oneOf("ledger.synchronous", l.Synchronous, "full", "normal")
	switch l.Driver {
	case "sqlite":
		v.required("ledger.path", l.Path, "the path of the SQLite file")
		if l.DSN.IsSet() {
			v.add("ledger.dsn", "a database address with driver sqlite", "none", "remove dsn, or set driver: postgres")
		}
	case "postgres":
		if !l.DSN.IsSet() {
			v.add("ledger.dsn", "nothing", "env:NAME or file:path of the PostgreSQL address", "")
		}
		for _, only := range []string{"ledger.path", "ledger.synchronous"} {
			if v.source.lines[only] != 0 {
				v.add(only, "a setting of driver sqlite with driver postgres", "none", "remove it, or set driver: sqlite")
			}
		}
	}
}

func (v *validator) telemetry(t Telemetry) {
	if t.Listen != "" {
		v.hostPort("telemetry.listen", t.Listen, "127.0.0.1:9464")
	}
	v.oneOf("telemetry.log_level", t.LogLevel, "debug", "info", "warn", "error")
	v.oneOf("telemetry.log_format", t.LogFormat, "text", "json")
}

func (v *validator) ingress(in Ingress) {
	between(v, "ingress.lanes", in.Lanes, 1, 32)
	between(v, "ingress.read_ahead", in.ReadAhead, 1, 8)
	between(v, "ingress.max_records", in.MaxRecords, 0, 1_000_000_000)
	v.lasting("ingress.poll_every", in.PollEvery, time.Second, time.Hour)
	v.lasting("ingress.catch_up_slack", in.CatchUpSlack, 0, 24*time.Hour)
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
	v.parents(in.Tables)
	if custom > maxCustomTables {
		v.add("ingress.tables", fmt.Sprintf("%d mappings besides contact", custom), fmt.Sprintf("at most %d (R9.10)", maxCustomTables), "move some to another instance")
	}
}

// once refuses a table that another mapping has (R9.4).
func (v *validator) once(seen map[string]string, path, table string) {
	if first, taken := seen[table]; taken && table != "" {
		v.add(path, short(table)+", which "+first+" maps already", "each table in one mapping only (R9.4)", "remove one of the two mappings")
		return
	}
	seen[table] = path
}
