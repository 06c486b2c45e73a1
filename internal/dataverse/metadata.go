package dataverse

import (
	"context"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Entity describes a table.
type Entity struct {
	LogicalName, EntitySetName, PrimaryIdAttribute string
	DisplayName                                    string // what people call it; "" when nobody named it
	PrimaryNameAttribute                           string
	ChangeTrackingEnabled, IsActivity              bool
	OptimisticConcurrency                          bool                 // If-Match with a version is checked
	Attributes                                     map[string]Attribute // by logical name; shadow columns left out
	Keys                                           []AlternateKey
	ManyToOne                                      []Relationship
}

// AlternateKey can address a row once its index is built.
type AlternateKey struct {
	LogicalName string
	Columns     []string
	Active      bool // false while the service builds the index, or failed to
}

// Relationship is a lookup of this table to one other table.
type Relationship struct {
	SchemaName string
	Column     string // the lookup column
	Target     string // logical name of the other table
	Navigation string // goes before @odata.bind and $expand; its case matters
}

// Navigation is the property that binds a lookup column to a table: a lookup to
// several tables has one for each, and their names follow no rule (§2.3, §6.1).
// A custom activity's own relationship is taken before an inherited one.
func (e *Entity) Navigation(column, target string) (string, bool) {
	found, ok := "", false
	for _, r := range e.ManyToOne {
		if r.Column == column && r.Target == target && r.Navigation != "" && (!ok || r.Navigation == column+"_"+target+"_"+e.LogicalName) {
			found, ok = r.Navigation, true
		}
	}
	return found, ok
}

// Attribute describes a column.
type Attribute struct {
	LogicalName           string
	DisplayName           string         // what people call it; "" when nobody named it
	Type                  string         // AttributeTypeName without "Type": String, DateTime, MultiSelectPicklist
	MaxLength             int            // of text; 0 when not given
	DateTimeBehavior      string         // UserLocal, DateOnly, TimeZoneIndependent
	Options               map[int]string // of Picklist, MultiSelectPicklist, State and Status
	StateOf               map[int]int    // of Status: the state each option belongs to
	TrueLabel, FalseLabel string         // of Boolean
	Targets               []string       // of Lookup, Customer and Owner: logical names of tables
	Readable              bool
	Creatable, Updatable  bool
	Required              string // None, Recommended, ApplicationRequired, SystemRequired
}

const entitySelect = "$select=LogicalName,DisplayName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,ChangeTrackingEnabled,IsActivity,IsOptimisticConcurrencyEnabled" +
	"&$expand=Attributes($select=LogicalName,DisplayName,AttributeType,AttributeTypeName,IsValidForCreate,IsValidForUpdate,IsValidForRead,RequiredLevel,AttributeOf)," +
	"Keys($select=LogicalName,KeyAttributes,EntityKeyIndexStatus)," +
	"ManyToOneRelationships($select=SchemaName,ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName)"

// casts are the type-specific properties, which need a request each (§8).
var casts = []struct{ kind, query string }{
	{"StringAttributeMetadata", "$select=LogicalName,MaxLength"},
	{"MemoAttributeMetadata", "$select=LogicalName,MaxLength"},
	{"DateTimeAttributeMetadata", "$select=LogicalName,Format,DateTimeBehavior"},
	{"PicklistAttributeMetadata", "$select=LogicalName&$expand=OptionSet,GlobalOptionSet"},
	{"MultiSelectPicklistAttributeMetadata", "$select=LogicalName&$expand=OptionSet,GlobalOptionSet"},
	{"StateAttributeMetadata", "$select=LogicalName&$expand=OptionSet"},
	{"StatusAttributeMetadata", "$select=LogicalName&$expand=OptionSet"},
	{"BooleanAttributeMetadata", "$select=LogicalName&$expand=OptionSet"},
	{"LookupAttributeMetadata", "$select=LogicalName,Targets"}, // Customer and Owner too
}

// Entity reads the definition of a table; ReasonSchema or ReasonNotFound when
// there is none.
func (c *Client) Entity(ctx context.Context, logicalName string) (*Entity, error) {
	op := "describe " + logicalName
	root := c.api + "/EntityDefinitions(LogicalName='" + escape(strings.ReplaceAll(logicalName, "'", "''")) + "')"
	res, err := c.get(ctx, op, root+"?"+entitySelect, "")
	if err != nil {
		return nil, err
	}
	if !gjson.ValidBytes(res.Body) {
		return nil, badResponse(op, "the answer is not JSON, or broke off")
	}
	doc := gjson.ParseBytes(res.Body)
	if inner := doc.Get("value.0"); inner.IsObject() {
		doc = inner
	}
	e := parseEntity(doc)
	if e.EntitySetName == "" || e.PrimaryIdAttribute == "" {
		return nil, badResponse(op, "want EntitySetName and PrimaryIdAttribute")
	}
	for _, cast := range casts {
		if err := c.refine(ctx, op, e, root+"/Attributes/Microsoft.Dynamics.CRM."+cast.kind+"?"+cast.query); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func parseEntity(doc gjson.Result) *Entity {
	e := &Entity{
		LogicalName: doc.Get("LogicalName").String(), EntitySetName: doc.Get("EntitySetName").String(),
		DisplayName: displayName(doc), PrimaryIdAttribute: doc.Get("PrimaryIdAttribute").String(), PrimaryNameAttribute: doc.Get("PrimaryNameAttribute").String(),
		ChangeTrackingEnabled: doc.Get("ChangeTrackingEnabled").Bool(), IsActivity: doc.Get("IsActivity").Bool(),
		OptimisticConcurrency: doc.Get("IsOptimisticConcurrencyEnabled").Bool(), Attributes: map[string]Attribute{},
	}
	doc.Get("Attributes").ForEach(func(_, a gjson.Result) bool {
		name := a.Get("LogicalName").String()
		if a.Get("AttributeOf").String() != "" || name == "" {
			return true
		}
		kind := strings.TrimSuffix(a.Get("AttributeTypeName.Value").String(), "Type")
		if kind == "" {
			kind = a.Get("AttributeType").String()
		}
		e.Attributes[name] = Attribute{
			LogicalName: name, DisplayName: displayName(a), Type: kind, Readable: a.Get("IsValidForRead").Bool(), Creatable: a.Get("IsValidForCreate").Bool(),
			Updatable: a.Get("IsValidForUpdate").Bool(), Required: a.Get("RequiredLevel.Value").String(),
		}
		return true
	})
	doc.Get("Keys").ForEach(func(_, k gjson.Result) bool {
		e.Keys = append(e.Keys, AlternateKey{
			LogicalName: k.Get("LogicalName").String(), Columns: texts(k.Get("KeyAttributes")),
			Active: k.Get("EntityKeyIndexStatus").String() == "Active",
		})
		return true
	})
	doc.Get("ManyToOneRelationships").ForEach(func(_, r gjson.Result) bool {
		e.ManyToOne = append(e.ManyToOne, Relationship{
			SchemaName: r.Get("SchemaName").String(), Column: r.Get("ReferencingAttribute").String(),
			Target: r.Get("ReferencedEntity").String(), Navigation: r.Get("ReferencingEntityNavigationPropertyName").String(),
		})
		return true
	})
	return e
}

func texts(list gjson.Result) []string {
	var out []string
	for _, v := range list.Array() {
		out = append(out, v.String())
	}
	return out
}

// refine adds the type-specific properties of one kind of column.
func (c *Client) refine(ctx context.Context, op string, e *Entity, link string) error {
	res, err := c.get(ctx, op, link, "")
	if err != nil {
		return err
	}
	list := gjson.GetBytes(res.Body, "value")
	if !gjson.ValidBytes(res.Body) || !list.IsArray() {
		return badResponse(op, "want a list of columns")
	}
	list.ForEach(func(_, v gjson.Result) bool {
		a, ok := e.Attributes[v.Get("LogicalName").String()]
		if !ok {
			return true
		}
		if n := v.Get("MaxLength"); n.Exists() {
			a.MaxLength = int(n.Int())
		}
		if b := v.Get("DateTimeBehavior.Value"); b.Exists() {
			a.DateTimeBehavior = b.String()
		}
		if t := v.Get("Targets"); t.IsArray() {
			a.Targets = texts(t)
		}
		set := v.Get("OptionSet")
		if !set.IsObject() {
			set = v.Get("GlobalOptionSet")
		}
		set.Get("Options").ForEach(func(_, o gjson.Result) bool {
			if a.Options == nil {
				a.Options = map[int]string{}
			}
			value := int(o.Get("Value").Int())
			a.Options[value] = label(o, strconv.Itoa(value))
			if state := o.Get("State"); state.Exists() && a.Type == "Status" {
				if a.StateOf == nil {
					a.StateOf = map[int]int{}
				}
				a.StateOf[value] = int(state.Int())
			}
			return true
		})
		if t := set.Get("TrueOption"); t.IsObject() {
			a.TrueLabel, a.FalseLabel = label(t, "true"), label(set.Get("FalseOption"), "false")
		}
		e.Attributes[a.LogicalName] = a
		return true
	})
	return nil
}

// label is an option's text for the calling user, else in any language.
func label(option gjson.Result, fallback string) string {
	for _, path := range []string{"Label.UserLocalizedLabel.Label", "Label.LocalizedLabels.0.Label"} {
		if s := option.Get(path).String(); s != "" {
			return s
		}
	}
	return fallback
}
