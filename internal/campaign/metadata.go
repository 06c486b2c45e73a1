package campaign

import (
	"context"
	"net/http"
	"strconv"

	"github.com/tidwall/gjson"
)

// Metadata describes a resource (§2.1). Fields inside an item have dotted names.
type Metadata struct {
	Fields  map[string]Field
	Filters string // link to the filters; may be ""
}

// Field is one field of a resource.
type Field struct {
	Type, ResType       string
	Length              int // characters; 0 when not given
	ReadOnly, Mandatory bool
	DataPolicy          string // email, smartCase
	Target              string // of a link or collection
	Values              map[string]EnumValue
}

// EnumValue is one member of an enumeration, by name.
type EnumValue struct{ Label, Value string }

// Metadata reads the description of a resource.
func (c *Client) Metadata(ctx context.Context, r Resource) (*Metadata, error) {
	op := "describe " + r.Name
	res, err := c.do(ctx, op, http.MethodGet, c.root+"/"+r.API+"/resourceType/"+r.Name, nil)
	if err != nil {
		return nil, err
	}
	doc := gjson.ParseBytes(res.Body)
	if !gjson.ValidBytes(res.Body) || !doc.Get("content").IsObject() {
		return nil, badResponse(op, "want a description with content")
	}
	m := &Metadata{Fields: map[string]Field{}, Filters: doc.Get("filters.href").String()}
	m.add("", doc.Get("content"))
	return m, nil
}

// add flattens descriptors; an item holds its own content.
func (m *Metadata) add(prefix string, content gjson.Result) {
	content.ForEach(func(name, d gjson.Result) bool {
		if !d.IsObject() {
			return true
		}
		path := prefix + name.String()
		if inner := d.Get("content"); d.Get("type").String() == "item" && inner.IsObject() {
			m.add(path+".", inner)
			return true
		}
		f := Field{
			Type: d.Get("type").String(), ResType: d.Get("resType").String(), DataPolicy: d.Get("dataPolicy").String(),
			ReadOnly: d.Get("readOnly").Bool(), Mandatory: d.Get("mandatory").Bool(), Target: d.Get("resTarget").String(),
		}
		f.Length, _ = strconv.Atoi(d.Get("length").String()) // a string; "" when not applicable
		d.Get("values").ForEach(func(name, v gjson.Result) bool {
			if f.Values == nil {
				f.Values = map[string]EnumValue{}
			}
			f.Values[name.String()] = EnumValue{Label: v.Get("label").String(), Value: v.Get("value").String()}
			return true
		})
		m.Fields[path] = f
		return true
	})
}
