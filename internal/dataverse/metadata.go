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
	ChangeTrackingEnabled, IsActivity              bool
	Attributes                                     map[string]Attribute // by logical name; shadow columns left out
}

// Attribute describes a column.
type Attribute struct {
	LogicalName           string
	Type                  string // AttributeTypeName without "Type": String, DateTime, MultiSelectPicklist
	MaxLength             int    // of text; 0 when not given
	DateTimeBehavior      string // UserLocal, DateOnly, TimeZoneIndependent
	Options               map[int]string
	TrueLabel, FalseLabel string
	Readable              bool
}

const entitySelect = "$select=LogicalName,EntitySetName,PrimaryIdAttribute,ChangeTrackingEnabled,IsActivity" +
	"&$expand=Attributes($select=LogicalName,AttributeType,AttributeTypeName,IsValidForRead,AttributeOf)"

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
}

// Entity reads the definition of a table; ReasonSchema or ReasonNotFound when
// there is none.
func (c *Client) Entity(ctx context.Context, logicalName string) (*Entity, error) {
	op := "describe " + logicalName
	root := c.api + "/EntityDefinitions(LogicalName='" + strings.ReplaceAll(escape(logicalName), "'", "''") + "')"
	res, err := c.get(ctx, op, root+"?"+entitySelect, "")
	if err != nil {
		return nil, err
	}
	doc := gjson.ParseBytes(res.Body)
	if inner := doc.Get("value.0"); inner.IsObject() {
		doc = inner
	}
	e := &Entity{
		LogicalName: doc.Get("LogicalName").String(), EntitySetName: doc.Get("EntitySetName").String(),
		PrimaryIdAttribute: doc.Get("PrimaryIdAttribute").String(), ChangeTrackingEnabled: doc.Get("ChangeTrackingEnabled").Bool(),
		IsActivity: doc.Get("IsActivity").Bool(), Attributes: map[string]Attribute{},
	}
	if e.EntitySetName == "" || e.PrimaryIdAttribute == "" {
		return nil, badResponse(op, "want EntitySetName and PrimaryIdAttribute")
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
		e.Attributes[name] = Attribute{LogicalName: name, Type: kind, Readable: a.Get("IsValidForRead").Bool()}
		return true
	})
	for _, cast := range casts {
		if err := c.refine(ctx, op, e, root+"/Attributes/Microsoft.Dynamics.CRM."+cast.kind+"?"+cast.query); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// refine adds the type-specific properties of one kind of column.
func (c *Client) refine(ctx context.Context, op string, e *Entity, link string) error {
	res, err := c.get(ctx, op, link, "")
	if err != nil {
		return err
	}
	gjson.GetBytes(res.Body, "value").ForEach(func(_, v gjson.Result) bool {
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
		set := v.Get("OptionSet")
		if !set.IsObject() {
			set = v.Get("GlobalOptionSet")
		}
		set.Get("Options").ForEach(func(_, o gjson.Result) bool {
			if a.Options == nil {
				a.Options = map[int]string{}
			}
			a.Options[int(o.Get("Value").Int())] = label(o, strconv.Itoa(int(o.Get("Value").Int())))
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
