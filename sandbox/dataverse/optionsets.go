package dataverse

import (
	"slices"
	"strings"
)

// optionSet is the definition of the global option set of a column.
func (c *Column) optionSet(options []any) map[string]any {
	return map[string]any{"@odata.type": "#Microsoft.Dynamics.CRM.OptionSetMetadata", "Name": c.Global, "IsGlobal": true, "IsCustomOptionSet": strings.Contains(c.Global, "_"),
		"OptionSetType": "Picklist", "DisplayName": label(spoken(c.Global)), "MetadataId": metadataID("option set", c.Global), "Options": options}
}

// globalOptionSets are those that columns use, each once.
func (s *Server) globalOptionSets() []map[string]any {
	out := []map[string]any{}
	for _, name := range s.order {
		for i := range s.names[name].Columns {
			c := &s.names[name].Columns[i]
			set, ok := c.cast()["GlobalOptionSet"].(map[string]any)
			if ok && !slices.ContainsFunc(out, func(have map[string]any) bool { return have["Name"] == c.Global }) {
				out = append(out, set)
			}
		}
	}
	return out
}
