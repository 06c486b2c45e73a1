package dataverse

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

var definition = regexp.MustCompile(`^EntityDefinitions(?:\(LogicalName='([a-z0-9_]+)'\)(?:/(Keys|ManyToOneRelationships)|/Attributes(?:\(LogicalName='([a-z0-9_]+)'\))?(?:/Microsoft\.Dynamics\.CRM\.([A-Za-z]+)AttributeMetadata)?)?)?$`)

// metadata serves table definitions, their keys and relationships, and their
// columns, plain or cast to a type (§8).
func (s *Server) metadata(w http.ResponseWriter, r *http.Request, path string) {
	m := definition.FindStringSubmatch(path)
	if m == nil {
		s.fail(w, &refusal{404, "0x8006088a", "Resource not found for the segment '" + path + "'."})
		return
	}
	q := r.URL.Query()
	for name := range q {
		if name != "$select" && name != "$expand" && name != "$filter" {
			s.fail(w, &refusal{400, "0x80060888", "The query parameter " + name + " is not supported"})
			return
		}
	}
	if m[1] == "" {
		s.definitions(w, q)
		return
	}
	t, ok := s.names[m[1]]
	if !ok {
		s.fail(w, &refusal{404, "0x80060888", "The entity with a name = '" + m[1] + "' was not found in the MetadataCache."})
		return
	}
	attributes := strings.Contains(path, "/Attributes")
	switch {
	case m[2] == "Keys":
		s.list(w, t.keyDefinitions(), q)
	case m[2] != "":
		s.list(w, t.relationships(), q)
	case attributes && m[3] != "":
		s.attribute(w, t, m[3], m[4])
	case attributes && m[4] == "":
		s.write(w, map[string]any{"value": t.attributes()})
	case attributes:
		out := []any{}
		for _, c := range t.Columns {
			if c.Type == m[4] {
				out = append(out, c.cast())
			}
		}
		s.write(w, map[string]any{"value": out})
	default:
		s.definition(w, t, q)
	}
}

func (s *Server) definitions(w http.ResponseWriter, q url.Values) {
	var out []map[string]any
	for _, name := range s.order {
		out = append(out, s.names[name].definition())
	}
	s.list(w, out, q)
}

// list answers with the definitions that match $filter, reduced to the names in
// $select.
func (s *Server) list(w http.ResponseWriter, all []map[string]any, q url.Values) {
	out := []any{}
	for _, doc := range all {
		keep, bad := definitionMatches(doc, q.Get("$filter"))
		if bad != nil {
			s.fail(w, bad)
			return
		}
		if keep {
			out = append(out, selected(doc, q.Get("$select")))
		}
	}
	s.write(w, map[string]any{"value": out})
}

var definitionTest = regexp.MustCompile(`^([A-Za-z]+) eq (?:'([^']*)'|(true|false))$`)

// definitionMatches evaluates a filter of metadata: tests for equality, joined by
// "and". Clients need no more, so any other filter is refused.
func definitionMatches(doc map[string]any, filter string) (bool, *refusal) {
	if filter == "" {
		return true, nil
	}
	all := true
	for test := range strings.SplitSeq(filter, " and ") {
		m := definitionTest.FindStringSubmatch(test)
		if m == nil {
			return false, &refusal{400, "0x80060888", "The $filter expression '" + test + "' is not supported."}
		}
		have, known := doc[m[1]]
		if !known {
			return false, &refusal{400, "0x80060888", "Could not find a property named '" + m[1] + "'."}
		}
		var want any = m[2]
		if m[3] != "" {
			want = m[3] == "true"
		}
		all = all && have == want
	}
	return all, nil
}

// definition answers with one table. Lists are included only if $expand names them.
func (s *Server) definition(w http.ResponseWriter, t *table, q url.Values) {
	doc := selected(t.definition(), q.Get("$select"))
	for _, part := range topLevel(q.Get("$expand")) {
		name, _, _ := strings.Cut(part, "(")
		switch name {
		case "":
		case "Attributes":
			doc[name] = t.attributes()
		case "Keys":
			doc[name] = t.keyDefinitions()
		case "ManyToOneRelationships":
			doc[name] = t.relationships()
		default:
			s.fail(w, &refusal{400, "0x80060888", "Could not find a property named '" + name + "' on type 'Microsoft.Dynamics.CRM.EntityMetadata'."})
			return
		}
	}
	s.write(w, doc)
}

func (s *Server) attribute(w http.ResponseWriter, t *table, name, cast string) {
	for i, c := range t.Columns {
		switch {
		case c.Name != name:
		case cast == "":
			s.write(w, t.attributes()[i])
			return
		case cast == c.Type:
			s.write(w, c.cast())
			return
		}
	}
	s.fail(w, &refusal{404, "0x80060888", "The attribute " + name + " of " + t.LogicalName + " was not found in the MetadataCache."})
}

// topLevel splits at commas outside brackets.
func topLevel(list string) []string {
	var out []string
	depth, start := 0, 0
	for i, c := range list {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			out = append(out, list[start:i])
			start = i + 1
		}
	}
	return append(out, list[start:])
}

// selected reduces a definition to the names in $select. MetadataId is always
// included.
func selected(doc map[string]any, choice string) map[string]any {
	if choice == "" {
		return doc
	}
	out := map[string]any{"MetadataId": doc["MetadataId"]}
	for name := range strings.SplitSeq(choice, ",") {
		if v, ok := doc[strings.TrimSpace(name)]; ok {
			out[strings.TrimSpace(name)] = v
		}
	}
	return out
}

func (t *table) keyDefinitions() []map[string]any {
	out := []map[string]any{}
	for _, k := range t.AlternateKeys {
		out = append(out, map[string]any{"LogicalName": k.Name, "SchemaName": k.Name, "KeyAttributes": k.Columns,
			"EntityKeyIndexStatus": cmp.Or(k.Status, "Active"), "MetadataId": newKey()})
	}
	return out
}

func (t *table) relationships() []map[string]any {
	out := []map[string]any{}
	for _, c := range t.Columns {
		for _, l := range c.Targets {
			if l.Inherited {
				continue
			}
			out = append(out, map[string]any{"SchemaName": t.LogicalName + "_" + l.Nav, "ReferencingAttribute": c.Name,
				"ReferencedEntity": l.Table, "ReferencingEntityNavigationPropertyName": l.Nav, "MetadataId": newKey()})
		}
	}
	return out
}

var level = map[bool]string{false: "None", true: "ApplicationRequired"}

func (t *table) attributes() []any {
	columns := []any{}
	for _, c := range t.Columns {
		kind := c.Type
		if kind == "MultiSelectPicklist" {
			kind = "Virtual" // its type name says what it really is (§8)
		}
		columns = append(columns, map[string]any{
			"LogicalName": c.Name, "DisplayName": label(spoken(c.Name)), "AttributeType": kind, "AttributeTypeName": map[string]string{"Value": c.Type + "Type"},
			"IsValidForRead": true, "IsValidForCreate": !c.ReadOnly && !c.NoCreate, "IsValidForUpdate": !c.ReadOnly && c.Name != t.Key,
			"IsPrimaryId": c.Name == t.Key, "AttributeOf": nil, "MetadataId": newKey(),
			"RequiredLevel": map[string]any{"Value": level[c.Required], "CanBeChanged": true, "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings"},
		})
	}
	return columns
}

func (t *table) definition() map[string]any {
	t.mu.RLock()
	tracked := t.tracked
	t.mu.RUnlock()
	return map[string]any{
		"LogicalName": t.LogicalName, "DisplayName": label(spoken(t.LogicalName)), "EntitySetName": t.EntitySet, "PrimaryIdAttribute": t.Key, "PrimaryNameAttribute": t.Name,
		"ChangeTrackingEnabled": tracked, "IsActivity": t.Activity || t.union != nil, "IsOptimisticConcurrencyEnabled": true, "MetadataId": newKey(),
		"SchemaName": t.LogicalName, "OwnershipType": "UserOwned", "ObjectTypeCode": cmp.Or(t.TypeCode, 10_000),
	}
}

// spoken is what people call a table or a column: its name without the publisher's prefix.
func spoken(name string) string {
	if prefix, rest, found := strings.Cut(name, "_"); found && len(prefix) < 6 {
		name = rest
	}
	name = strings.ReplaceAll(name, "_", " ")
	return strings.ToUpper(name[:1]) + name[1:]
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
		out["DefaultValue"] = c.Default == "true"
		out["OptionSet"] = map[string]any{
			"TrueOption": map[string]any{"Value": 1, "Label": label(c.TrueLabel())}, "FalseOption": map[string]any{"Value": 0, "Label": label(c.FalseLabel())},
		}
	case "Picklist", "MultiSelectPicklist", "State", "Status":
		options := []any{}
		for _, o := range c.Options {
			options = append(options, map[string]any{"Value": o.Value, "State": o.State, "Label": label(o.Label)})
		}
		out["OptionSet"], out["GlobalOptionSet"] = map[string]any{"Name": c.Name, "IsGlobal": false, "Options": options}, nil
	}
	return out
}
