package timeline

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"causeway.dev/internal/events"
)

// Plan is what settings mean in one organisation, with the names that its metadata
// gave. It is kept with the runs that apply it.
type Plan struct {
	Settings  Settings                `json:"settings"`
	Namespace uuid.UUID               `json:"namespace"` // of the rows' ids
	Owner     string                  `json:"owner"`     // systemuserid of the application user (R3.4)
	Targets   map[events.Type]*Target `json:"targets"`   // of the types that are switched on
}

// Target is an activity table, ready to be written to.
type Target struct {
	Table     ActivityTable  `json:"table"`
	EntitySet string         `json:"entity_set"`
	Regarding string         `json:"regarding"` // navigation to the contact, from the metadata; it cannot be derived from names (docs/protocol/dynamics.md §6.1)
	Limits    map[string]int `json:"limits"`    // most characters per column
}

// Schema is the metadata of a table.
type Schema struct {
	EntitySet  string
	IsActivity bool
	Regarding  string // navigation to contact; "" = none
	Columns    map[string]Column
}

// Column is a column of a table.
type Column struct {
	Type      string // String, Memo, DateTime
	MaxLength int
	Creatable bool
}

// Namespace is the UUID namespace of the rows of an instance. An instance that is
// renamed gets other ids, so every event would be written once more.
func Namespace(instance string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://causeway.dev/instance/"+instance+"/timeline"))
}

// types are the types of events in the order of the settings, with their names there.
var types = []struct {
	event events.Type
	name  string
	on    func(Settings) bool
	table func(ActivityTables) ActivityTable
}{
	{events.Send, "sends", func(s Settings) bool { return s.Sends }, func(t ActivityTables) ActivityTable { return t.Sends }},
	{events.Open, "opens", func(s Settings) bool { return s.Opens }, func(t ActivityTables) ActivityTable { return t.Opens }},
	{events.Click, "clicks", func(s Settings) bool { return s.Clicks }, func(t ActivityTables) ActivityTable { return t.Clicks }},
	{events.Bounce, "bounces", func(s Settings) bool { return s.Bounces }, func(t ActivityTables) ActivityTable { return t.Bounces }},
}

// On says whether a type is switched on.
func (s Settings) On(t events.Type) bool {
	for _, one := range types {
		if one.event == t {
			return one.on(s)
		}
	}
	return false
}

// Names lists the types that are switched on, by their names in the settings.
func (s Settings) Names() []string {
	var out []string
	for _, one := range types {
		if one.on(s) {
			out = append(out, one.name)
		}
	}
	return out
}

// Needed lists the logical names of the tables for the types that are switched on.
func (s Settings) Needed() []string {
	var out []string
	for _, one := range types {
		if one.on(s) {
			out = append(out, one.table(s.Tables).Table)
		}
	}
	return out
}

// Resolve checks settings against the tables of an organisation and makes a plan.
// schemas holds the tables that exist, by logical name. The error names every
// problem by its path.
func Resolve(s Settings, instance, owner string, schemas map[string]*Schema) (*Plan, error) {
	p := &Plan{Settings: s, Namespace: Namespace(instance), Owner: owner, Targets: map[events.Type]*Target{}}
	var problems []error
	var missing []string
	for _, one := range types {
		if !one.on(s) {
			continue
		}
		table := one.table(s.Tables)
		schema := schemas[table.Table]
		if schema == nil {
			missing = append(missing, table.Table)
			continue
		}
		target, err := resolve("egress.tables."+one.name, table, schema)
		if err != nil {
			problems = append(problems, err)
		}
		p.Targets[one.event] = target
	}
	if len(missing) > 0 { // R3.7
		problems = append(problems, fmt.Errorf("there is no table %s in Dynamics; install the solution %q there, or name other tables in egress.tables",
			strings.Join(missing, ", "), Solution))
	}
	return p, errors.Join(problems...)
}

func resolve(path string, table ActivityTable, schema *Schema) (*Target, error) {
	t := &Target{Table: table, EntitySet: schema.EntitySet, Regarding: schema.Regarding, Limits: map[string]int{}}
	if !schema.IsActivity {
		return t, fmt.Errorf("%s.table: got %s, want an activity table", path, table.Table)
	}
	var problems []error
	if schema.Regarding == "" {
		problems = append(problems, fmt.Errorf("%s.table: got %s, which cannot be regarding a contact; enable activities for contact", path, table.Table))
	}
	for _, c := range []struct {
		name, column string
		date         bool
	}{
		{"date", table.Date, true}, {"campaign_name", table.CampaignName, false}, {"delivery_name", table.DeliveryName, false},
		{"mirror_page_url", table.MirrorPageURL, false}, {"tracking_url", table.TrackingURL, false}, {"table", "subject", false}, {"table", "actualend", true},
	} {
		if c.column == "" {
			continue
		}
		column, known := schema.Columns[c.column]
		want := "text"
		if c.date {
			want = "date and time"
		}
		switch fits := column.Type == "String" || column.Type == "Memo"; {
		case !known:
			problems = append(problems, fmt.Errorf("%s.%s: got %s, want a column of %s", path, c.name, c.column, table.Table))
		case !column.Creatable:
			problems = append(problems, fmt.Errorf("%s.%s: got %s, want a column that can be written", path, c.name, c.column))
		case c.date && column.Type != "DateTime" || !c.date && !fits:
			problems = append(problems, fmt.Errorf("%s.%s: got %s, which is %s, want one of %s", path, c.name, c.column, column.Type, want))
		}
		if column.MaxLength > 0 {
			t.Limits[c.column] = column.MaxLength
		}
	}
	return t, errors.Join(problems...)
}

// TableOf returns the logical name of the table of a type; "" for an unknown type.
func (s Settings) TableOf(t events.Type) string {
	for _, one := range types {
		if one.event == t {
			return one.table(s.Tables).Table
		}
	}
	return ""
}
