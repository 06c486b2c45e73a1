package dataverse

import (
	"net/http"
	"regexp"
	"strings"
)

var definition = regexp.MustCompile(`^EntityDefinitions\(LogicalName='([a-z0-9_]+)'\)(?:/Attributes/Microsoft\.Dynamics\.CRM\.([A-Za-z]+)AttributeMetadata)?$`)

// metadata serves table definitions and the casts of their columns (§8).
func (s *Server) metadata(w http.ResponseWriter, r *http.Request, path string) {
	m := definition.FindStringSubmatch(path)
	if m == nil {
		s.fail(w, &refusal{404, "0x8006088a", "Resource not found for the segment '" + path + "'."})
		return
	}
	t, ok := s.names[m[1]]
	if !ok {
		s.fail(w, &refusal{404, "0x80060888", "The entity with a name = '" + m[1] + "' was not found in the MetadataCache."})
		return
	}
	if m[2] == "" {
		s.write(w, t.definition())
		return
	}
	out := []any{}
	for _, c := range t.Columns {
		if c.Type == m[2] {
			out = append(out, c.cast())
		}
	}
	s.write(w, map[string]any{"value": out})
}

func (t *table) definition() map[string]any {
	columns := []any{}
	for _, c := range t.Columns {
		columns = append(columns, map[string]any{
			"LogicalName": c.Name, "AttributeType": c.Type, "AttributeTypeName": map[string]string{"Value": c.Type + "Type"},
			"IsValidForRead": true, "IsValidForCreate": !c.ReadOnly && !c.NoCreate, "IsValidForUpdate": !c.ReadOnly && c.Name != t.Key,
			"IsPrimaryId": c.Name == t.Key, "AttributeOf": nil, "MetadataId": newKey(),
		})
	}
	t.mu.RLock()
	tracked := t.tracked
	t.mu.RUnlock()
	return map[string]any{
		"LogicalName": t.LogicalName, "EntitySetName": t.EntitySet, "PrimaryIdAttribute": t.Key, "PrimaryNameAttribute": t.Name,
		"ChangeTrackingEnabled": tracked, "IsActivity": false, "IsOptimisticConcurrencyEnabled": true, "MetadataId": newKey(),
		"Attributes": columns, "Keys": []any{}, "ManyToOneRelationships": []any{},
	}
}

func label(s string) map[string]any {
	l := map[string]any{"Label": s, "LanguageCode": 1033}
	return map[string]any{"LocalizedLabels": []any{l}, "UserLocalizedLabel": l}
}

func (c Column) cast() map[string]any {
	out := map[string]any{"LogicalName": c.Name, "MetadataId": newKey()}
	switch c.Type {
	case "String", "Memo":
		out["MaxLength"] = c.MaxLength
	case "DateTime":
		out["DateTimeBehavior"] = map[string]string{"Value": c.Behavior}
		out["Format"] = strings.TrimPrefix(c.Behavior, "User")
	case "Boolean":
		out["DefaultValue"] = c.Name == "followemail"
		out["OptionSet"] = map[string]any{
			"TrueOption": map[string]any{"Value": 1, "Label": label("Do Not Allow")}, "FalseOption": map[string]any{"Value": 0, "Label": label("Allow")},
		}
	case "Picklist", "State", "Status":
		options := []any{}
		for _, o := range c.Options {
			options = append(options, map[string]any{"Value": o.Value, "State": o.State, "Label": label(o.Label)})
		}
		out["OptionSet"], out["GlobalOptionSet"] = map[string]any{"Name": c.Name, "IsGlobal": false, "Options": options}, nil
	}
	return out
}
