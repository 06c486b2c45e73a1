package stack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/dataverse"
)

// seedFile declares tables, resources and rows besides contacts and profiles. See
// sandbox/testdata/vehicles.yaml.
type seedFile struct {
	Dynamics struct {
		Tables []seedTable `yaml:"tables"`
	} `yaml:"dynamics"`
	Campaign struct {
		Resources []seedResource `yaml:"resources"`
	} `yaml:"campaign"`
}

type seedTable struct {
	Table         string              `yaml:"table"`      // logical name
	EntitySet     string              `yaml:"entity_set"` // default: the logical name with an s
	Key           string              `yaml:"key"`        // default: the logical name with id
	Name          string              `yaml:"name"`       // primary name column
	Untracked     bool                `yaml:"untracked"`  // without change tracking
	Activity      bool                `yaml:"activity"`   // an activity type; key and name are activityid and subject
	Columns       []seedColumn        `yaml:"columns"`
	AlternateKeys map[string][]string `yaml:"alternate_keys"`
	Rows          []map[string]any    `yaml:"rows"`
}

type seedColumn struct {
	Name     string         `yaml:"name"`
	Type     string         `yaml:"type"`
	Length   int            `yaml:"length"`
	Behavior string         `yaml:"behavior"` // of DateTime
	Options  map[int]string `yaml:"options"`
	Global   string         `yaml:"global"`    // the global option set that the options are
	Targets  []string       `yaml:"targets"`   // of a lookup; the column's name binds it
	OnDelete string         `yaml:"on_delete"` // of the row it names: remove_link, cascade or restrict
}

type seedResource struct {
	Name   string           `yaml:"name"`
	Label  string           `yaml:"label"`
	Key    string           `yaml:"key"`
	API    string           `yaml:"api"` // profileAndServicesExt (default) or customResources
	Fields []seedField      `yaml:"fields"`
	Joins  []seedJoin       `yaml:"joins"`
	Rows   []map[string]any `yaml:"rows"`
}

type seedField struct {
	Name     string   `yaml:"name"`
	Type     string   `yaml:"type"`     // string, boolean, number, date, datetime, enumeration, link
	ResType  string   `yaml:"res_type"` // default by type
	Length   int      `yaml:"length"`
	Label    string   `yaml:"label"`
	ReadOnly bool     `yaml:"read_only"`
	Policy   string   `yaml:"policy"`
	Values   []string `yaml:"values"`
	Target   string   `yaml:"target"` // of a link
}

type seedJoin struct {
	Link        string `yaml:"link"`
	Column      string `yaml:"column"`
	Target      string `yaml:"target"`
	Cardinality string `yaml:"cardinality"` // 0..1 (default) or 1
	OnDelete    string `yaml:"on_delete"`   // keep (default), cascade or restrict
}

// readSeedFile adds the tables and resources of a file to the options.
func readSeedFile(path string, o *Options) (*seedFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--seed-file: %w", err)
	}
	var f seedFile
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&f); err != nil {
		return nil, fmt.Errorf("--seed-file: %s: %w", path, err)
	}
	for i, t := range f.Dynamics.Tables {
		table, err := t.table()
		if err != nil {
			return nil, fmt.Errorf("--seed-file: %s: dynamics.tables[%d] (%s): %w", path, i, t.Table, err)
		}
		o.Tables = append(o.Tables, table)
	}
	for i, r := range f.Campaign.Resources {
		resource, err := r.resource()
		if err != nil {
			return nil, fmt.Errorf("--seed-file: %s: campaign.resources[%d] (%s): %w", path, i, r.Name, err)
		}
		o.Resources = append(o.Resources, resource)
	}
	return &f, nil
}

func (t seedTable) table() (dataverse.Table, error) {
	if t.Activity && (t.Key != "" || t.Name != "") {
		return dataverse.Table{}, fmt.Errorf("got key %q and name %q, want neither: an activity's are activityid and subject", t.Key, t.Name)
	}
	if t.Activity {
		t.Name = "subject"
	}
	if t.Table == "" || t.Name == "" {
		return dataverse.Table{}, fmt.Errorf("got table %q with name column %q, want both", t.Table, t.Name)
	}
	out := dataverse.Table{LogicalName: t.Table, EntitySet: t.EntitySet, Key: t.Key, Name: t.Name, Tracked: !t.Untracked}
	if out.EntitySet == "" {
		out.EntitySet = t.Table + "s"
	}
	if out.Key == "" {
		out.Key = t.Table + "id"
	}
	for i, c := range t.Columns {
		column := dataverse.Column{Name: c.Name, Type: c.Type, MaxLength: c.Length, Behavior: c.Behavior, Global: c.Global}
		switch c.OnDelete {
		case "", "remove_link":
		case string(dataverse.Cascade), string(dataverse.Restrict):
			column.OnDelete = dataverse.OnDelete(c.OnDelete)
		default:
			return out, fmt.Errorf("columns[%d].on_delete: got %q, want remove_link, cascade or restrict", i, c.OnDelete)
		}
		if c.Name == "" || c.Type == "" {
			return out, fmt.Errorf("columns[%d]: got name %q and type %q, want both", i, c.Name, c.Type)
		}
		for _, value := range slices.Sorted(maps.Keys(c.Options)) {
			column.Options = append(column.Options, dataverse.Option{Value: value, Label: c.Options[value]})
		}
		for _, target := range c.Targets {
			nav := c.Name
			if len(c.Targets) > 1 {
				nav += "_" + target
			}
			column.Targets = append(column.Targets, dataverse.Target{Table: target, Nav: nav})
		}
		out.Columns = append(out.Columns, column)
	}
	for name, columns := range t.AlternateKeys {
		out.AlternateKeys = append(out.AlternateKeys, dataverse.AlternateKey{Name: name, Columns: columns})
	}
	if t.Activity {
		return dataverse.Activity(out), nil
	}
	return dataverse.WithSystemColumns(out), nil
}

func (r seedResource) resource() (campaign.Resource, error) {
	out := campaign.Resource{Name: r.Name, Label: r.Label, Schema: "cus:" + strings.TrimPrefix(r.Name, "cus"), Key: r.Key}
	if r.Name == "" || r.Key == "" {
		return out, fmt.Errorf("got name %q and key %q, want both", r.Name, r.Key)
	}
	switch r.API {
	case "", "profileAndServicesExt":
	case "customResources":
		out.API = r.API
	default:
		return out, fmt.Errorf("api: got %q, want profileAndServicesExt or customResources", r.API)
	}
	if out.Label == "" {
		out.Label = r.Name
	}
	keyed := false
	for i, f := range r.Fields {
		resType := f.ResType
		if resType == "" {
			resType = map[string]string{"number": "double", "enumeration": "string"}[f.Type]
		}
		if resType == "" {
			resType = f.Type
		}
		if f.Name == "" || f.Type == "" {
			return out, fmt.Errorf("fields[%d]: got name %q and type %q, want both", i, f.Name, f.Type)
		}
		if f.Type == campaign.Enumeration && len(f.Values) == 0 {
			return out, fmt.Errorf("fields[%d].values: got none, want the names of the enumeration, the empty value first", i)
		}
		keyed = keyed || f.Name == r.Key
		out.Fields = append(out.Fields, campaign.Field{Name: f.Name, Type: f.Type, ResType: resType, Length: f.Length, Label: f.Label,
			ReadOnly: f.ReadOnly, Policy: f.Policy, Values: f.Values, Target: f.Target})
	}
	if !keyed {
		return out, fmt.Errorf("key: got %q, which is none of the fields", r.Key)
	}
	for i, j := range r.Joins {
		join := campaign.Join{Link: j.Link, Column: j.Column, Target: j.Target, Cardinality: j.Cardinality}
		switch j.Cardinality {
		case "", campaign.ZeroOrOne, campaign.One:
		default:
			return out, fmt.Errorf("joins[%d].cardinality: got %q, want 0..1 or 1", i, j.Cardinality)
		}
		switch j.OnDelete {
		case "", "keep":
		case campaign.Cascade, campaign.Restrict:
			join.OnDelete = j.OnDelete
		default:
			return out, fmt.Errorf("joins[%d].on_delete: got %q, want keep, cascade or restrict", i, j.OnDelete)
		}
		out.Joins = append(out.Joins, join)
	}
	return out, nil
}

// rows adds the rows of the file, in its order.
func (f *seedFile) rows(s *Stack) error {
	for _, t := range f.Dynamics.Tables {
		table, err := t.table()
		if err != nil {
			return err
		}
		for i, row := range t.Rows {
			if _, err := s.Dynamics.Insert(table.EntitySet, row); err != nil {
				return fmt.Errorf("--seed-file: row %d of %s: %w", i, t.Table, err)
			}
		}
	}
	for _, r := range f.Campaign.Resources {
		for i, row := range r.Rows {
			body, err := json.Marshal(row)
			if err == nil {
				err = s.Campaign.Insert(r.Name, body)
			}
			if err != nil {
				return fmt.Errorf("--seed-file: row %d of %s: %w", i, r.Name, err)
			}
		}
	}
	return nil
}
