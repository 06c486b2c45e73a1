package dataverse

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
)

const metadataKey = `(?:\(([^()]+)\))?`

// metadataPath is the URL of definitions: a kind with a key, what is below it with a key,
// and a cast to a type.
var metadataPath = regexp.MustCompile(`^(EntityDefinitions|RelationshipDefinitions|GlobalOptionSetDefinitions)` + metadataKey +
	`(?:/(Attributes|Keys|ManyToOneRelationships|OneToManyRelationships|ManyToManyRelationships)` + metadataKey + `)?(?:/Microsoft\.Dynamics\.CRM\.([A-Za-z]+Metadata))?$`)

func isMetadata(path string) bool {
	return strings.HasPrefix(path, "EntityDefinitions") || strings.HasPrefix(path, "RelationshipDefinitions") || strings.HasPrefix(path, "GlobalOptionSetDefinitions")
}

// metadataID is the id of a definition. It is the same in every run.
func metadataID(parts ...string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(strings.Join(parts, "/"))).String()
}

// metadata serves table definitions, their keys and relationships, and their columns,
// plain or cast to a type (§8).
func (s *Server) metadata(w http.ResponseWriter, r *http.Request, path string) {
	m := metadataPath.FindStringSubmatch(path)
	q, err := queryOf(r)
	switch {
	case m == nil || err != nil:
		s.fail(w, &refusal{404, "0x8006088a", "Resource not found for the segment '" + path + "'."})
		return
	case r.Method != http.MethodGet:
		s.fail(w, notImitated("Changing definitions through the Web API"))
		return
	}
	for name := range q {
		if name != "$select" && name != "$expand" && name != "$filter" && name != "LabelLanguages" {
			s.fail(w, &refusal{400, "0x80060888", "The query parameter " + name + " is not supported"})
			return
		}
	}
	kind, key, below, inner, cast := m[1], m[2], m[3], m[4], m[5]
	switch {
	case kind == "RelationshipDefinitions" && below == "":
		s.definitions(w, r, q, s.allRelationships(), kind, key, "SchemaName", cast)
	case kind == "GlobalOptionSetDefinitions" && below == "":
		s.definitions(w, r, q, s.globalOptionSets(), kind, key, "Name", cast)
	case kind != "EntityDefinitions" || cast != "" && below == "" || below != "" && key == "":
		s.fail(w, &refusal{404, "0x8006088a", "Resource not found for the segment '" + path + "'."})
	case below == "":
		s.definitions(w, r, q, s.allTables(), kind, key, "LogicalName", "")
	default:
		t, bad := s.definedBy(key)
		if bad != nil {
			s.fail(w, bad)
			return
		}
		s.definitions(w, r, q, s.under(t, below, cast), kind+"('"+t.LogicalName+"')/"+below, inner, "LogicalName", cast)
	}
}

// definedBy finds a table by its name or the id of its definition.
func (s *Server) definedBy(key string) (*table, *refusal) {
	id := strings.ToLower(strings.TrimPrefix(key, "MetadataId="))
	name, named := strings.CutPrefix(key, "LogicalName=")
	for _, t := range s.names {
		if named && strings.Trim(name, "'") == t.LogicalName || id == metadataID("table", t.LogicalName) {
			return t, nil
		}
	}
	if !named && !guidForm.MatchString(id) {
		return nil, &refusal{400, "0x80060888", "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.EntityMetadata'."}
	}
	return nil, &refusal{404, "0x80060888", "The entity with a name = '" + strings.Trim(name, "'") + "' was not found in the MetadataCache."}
}

func (s *Server) allTables() []map[string]any {
	var out []map[string]any
	for _, name := range s.order {
		out = append(out, s.names[name].definition())
	}
	return out
}

func (s *Server) allRelationships() []map[string]any {
	out := []map[string]any{}
	for _, name := range s.order {
		out = append(out, s.names[name].relationships()...)
	}
	return out
}

// under are the definitions below a table.
func (s *Server) under(t *table, kind, cast string) []map[string]any {
	switch kind {
	case "Keys":
		return t.keyDefinitions()
	case "ManyToOneRelationships":
		return t.relationships()
	case "OneToManyRelationships":
		return slices.DeleteFunc(s.allRelationships(), func(doc map[string]any) bool { return doc["ReferencedEntity"] != t.LogicalName })
	case "ManyToManyRelationships":
		return []map[string]any{}
	}
	if cast == "" || cast == "AttributeMetadata" {
		return t.attributes()
	}
	out := []map[string]any{}
	for i, plain := range t.attributes() {
		if c := &t.Columns[i]; c.kind()+"AttributeMetadata" == cast {
			for name, value := range c.cast() {
				plain[name] = value
			}
			out = append(out, plain)
		}
	}
	return out
}

// kind is the type by which a column is cast.
func (c *Column) kind() string {
	switch c.Type {
	case "Owner", "Customer":
		return "Lookup"
	}
	return c.Type
}

// definitions answers with a list, or with the one that a key names.
func (s *Server) definitions(w http.ResponseWriter, r *http.Request, q url.Values, all []map[string]any, kind, key, named, cast string) {
	context := base(r) + "/$metadata#" + kind
	if cast != "" {
		context += "/Microsoft.Dynamics.CRM." + cast
	}
	shape := inBrackets(q.Get("$select"))
	if key != "" {
		id := strings.ToLower(strings.TrimPrefix(key, "MetadataId="))
		want := strings.Trim(strings.TrimPrefix(key, named+"="), "'")
		i := slices.IndexFunc(all, func(doc map[string]any) bool { return doc["MetadataId"] == id || doc[named] == want })
		if i < 0 {
			s.fail(w, &refusal{404, "0x80060888", "The definition " + want + " was not found in the MetadataCache."})
			return
		}
		doc, bad := s.shaped(all[i], q)
		if bad != nil {
			s.fail(w, bad)
			return
		}
		doc["@odata.context"] = context + shape + "/$entity"
		s.write(w, doc)
		return
	}
	keep, bad := parseMetadataFilter(q.Get("$filter"), all)
	out := []any{}
	for _, doc := range all {
		if bad == nil && keep(doc) {
			var one map[string]any
			if one, bad = s.shaped(doc, q); bad == nil {
				out = append(out, one)
			}
		}
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	s.write(w, map[string]any{"@odata.context": context + shape, "value": out})
}

// shaped reduces a definition to $select, and adds what $expand names. Both may be options
// of an expanded list.
func (s *Server) shaped(doc map[string]any, q url.Values) (map[string]any, *refusal) {
	out := selected(doc, q.Get("$select"))
	for _, part := range topLevel(q.Get("$expand")) {
		name, inner, _ := strings.Cut(strings.TrimSpace(part), "(")
		if name == "" {
			continue
		}
		options := url.Values{}
		for _, option := range splitOutside(strings.TrimSuffix(inner, ")"), ';') {
			key, value, _ := strings.Cut(option, "=")
			options.Set(strings.TrimSpace(key), value)
		}
		if value, ok := doc[name]; ok && (name == "OptionSet" || name == "GlobalOptionSet") {
			if set, ok := value.(map[string]any); ok {
				value = selected(set, options.Get("$select"))
			}
			out[name] = value
			continue
		}
		t := s.names[str(doc["LogicalName"])]
		known := t != nil && doc["EntitySetName"] != nil && slices.Contains([]string{"Attributes", "Keys", "ManyToOneRelationships", "OneToManyRelationships", "ManyToManyRelationships"}, name)
		if !known {
			return nil, &refusal{400, "0x80060888", "Could not find a property named '" + name + "' on type 'Microsoft.Dynamics.CRM.EntityMetadata'."}
		}
		below := s.under(t, name, "")
		keep, bad := parseMetadataFilter(options.Get("$filter"), below)
		if bad != nil {
			return nil, bad
		}
		list := []any{}
		for _, one := range below {
			if keep(one) {
				list = append(list, selected(one, options.Get("$select")))
			}
		}
		out[name] = list
	}
	return out, nil
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

// topLevel splits at commas outside brackets.
func topLevel(list string) []string { return splitOutside(list, ',') }

// selected reduces a definition to the names in $select. MetadataId is always
// included.
func selected(doc map[string]any, choice string) map[string]any {
	out := map[string]any{}
	if choice == "" {
		for name, v := range doc {
			if name != "GlobalOptionSet" && name != "OptionSet" || doc["AttributeType"] == nil {
				out[name] = v
			}
		}
		return out
	}
	if id, ok := doc["MetadataId"]; ok {
		out["MetadataId"] = id
	}
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
		out = append(out, map[string]any{"LogicalName": k.Name, "SchemaName": k.Name, "KeyAttributes": k.Columns, "EntityLogicalName": t.LogicalName,
			"EntityKeyIndexStatus": cmp.Or(k.Status, "Active"), "MetadataId": metadataID("key", t.LogicalName, k.Name)})
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
			name := t.relationship(l)
			out = append(out, map[string]any{"SchemaName": name, "ReferencingAttribute": c.Name, "ReferencingEntity": t.LogicalName, "RelationshipType": "OneToManyRelationship",
				"ReferencedEntity": l.Table, "ReferencedAttribute": l.Table + "id", "ReferencingEntityNavigationPropertyName": l.Nav,
				"ReferencedEntityNavigationPropertyName": name, "IsCustomRelationship": strings.Contains(t.LogicalName, "_"), "MetadataId": metadataID("relationship", t.LogicalName, name, l.Table)})
		}
	}
	return out
}

var level = map[bool]string{false: "None", true: "ApplicationRequired"}

func (t *table) attributes() []map[string]any {
	columns := []map[string]any{}
	for _, c := range t.Columns {
		kind := c.Type
		if kind == "MultiSelectPicklist" {
			kind = "Virtual" // its type name says what it really is (§8)
		}
		columns = append(columns, map[string]any{
			"@odata.type": "#Microsoft.Dynamics.CRM." + c.kind() + "AttributeMetadata",
			"LogicalName": c.Name, "SchemaName": c.Name, "EntityLogicalName": t.LogicalName, "AttributeType": kind, "AttributeTypeName": map[string]any{"Value": c.Type + "Type"},
			"IsValidForRead": true, "IsValidForCreate": !c.ReadOnly && !c.NoCreate, "IsValidForUpdate": !c.ReadOnly && c.Name != t.Key, "IsValidODataAttribute": true,
			"IsPrimaryId": c.Name == t.Key, "IsPrimaryName": c.Name == t.Name, "AttributeOf": nil, "MetadataId": metadataID("column", t.LogicalName, c.Name), "DisplayName": label(spoken(c.Name)),
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
		"LogicalName": t.LogicalName, "EntitySetName": t.EntitySet, "LogicalCollectionName": t.EntitySet, "PrimaryIdAttribute": t.Key, "PrimaryNameAttribute": t.Name,
		"ChangeTrackingEnabled": tracked, "IsActivity": t.Activity || t.union != nil, "IsOptimisticConcurrencyEnabled": true, "MetadataId": metadataID("table", t.LogicalName),
		"SchemaName": t.LogicalName, "OwnershipType": "UserOwned", "ObjectTypeCode": cmp.Or(t.TypeCode, 10_000), "IsCustomEntity": strings.Contains(t.LogicalName, "_"),
		"DisplayName": label(spoken(t.LogicalName)), "CanChangeTrackingBeEnabled": map[string]any{"Value": true, "CanBeChanged": true, "ManagedPropertyLogicalName": "canchangetrackingbeenabled"},
		"Privileges": t.privileges(),
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

func (c *Column) cast() map[string]any {
	out := map[string]any{}
	switch c.Type {
	case "String", "Memo":
		out["MaxLength"] = c.MaxLength
	case "DateTime":
		out["DateTimeBehavior"] = map[string]any{"Value": c.Behavior}
		out["Format"] = strings.TrimPrefix(c.Behavior, "User")
	case "Boolean":
		out["DefaultValue"] = c.Default == "true"
		out["OptionSet"] = map[string]any{
			"TrueOption": map[string]any{"Value": 1, "Label": label(c.TrueLabel())}, "FalseOption": map[string]any{"Value": 0, "Label": label(c.FalseLabel())},
		}
	case "Lookup", "Owner", "Customer":
		targets := []string{}
		for _, l := range c.Targets {
			targets = append(targets, l.Table)
		}
		out["Targets"] = targets
	case "Picklist", "MultiSelectPicklist", "State", "Status":
		options := []any{}
		for _, o := range c.Options {
			options = append(options, map[string]any{"Value": o.Value, "State": o.State, "Label": label(o.Label)})
		}
		out["OptionSet"], out["GlobalOptionSet"] = map[string]any{"Name": c.Name, "IsGlobal": false, "OptionSetType": c.Type, "Options": options}, nil
		if c.Global != "" {
			out["OptionSet"], out["GlobalOptionSet"] = nil, c.optionSet(options)
		}
	}
	return out
}
