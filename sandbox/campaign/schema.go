package campaign

import "strconv"

// Field is one field of a resource, as its metadata describes it.
type Field struct {
	Name     string // dotted when it is inside an item: location.city
	Type     string // string, boolean, number, date, datetime, enumeration
	ResType  string
	Length   int
	ReadOnly bool
	Policy   string   // email, smartCase
	Values   []string // names of an enumeration, by stored value
	Label    string
}

// Resource is one table of Campaign. Custom resources are declared the same way.
type Resource struct {
	Name, Label, Schema string
	Key                 string // field of the custom identification key
	API                 string // where it lives besides profileAndServicesExt; "" = there only
	Fields              []Field
}

func str(name string, length int) Field {
	return Field{Name: name, Type: "string", ResType: "string", Length: length}
}

func boolean(name string) Field { return Field{Name: name, Type: "boolean", ResType: "boolean"} }

func stamp(name string) Field {
	return Field{Name: name, Type: "datetime", ResType: "datetime", ReadOnly: true}
}

func enum(name string, values ...string) Field {
	return Field{Name: name, Type: "enumeration", ResType: "byte", Values: values}
}

// optOuts are the canonical endings of the opt-out attributes (§3.1).
var optOuts = []string{"", "Email", "Fax", "Mobile", "Phone", "PostalMail", "Pushnotification"}

// Profile is the built-in profile resource (§3); prefix is blackList or denyList.
func Profile(prefix string) Resource {
	smart := func(f Field) Field { f.Policy = "smartCase"; return f }
	fields := []Field{
		str("externalId", 100), {Name: "email", Type: "string", ResType: "string", Length: 128, Policy: "email"},
		smart(str("firstName", 30)), str("middleName", 30), smart(str("lastName", 50)), str("salutation", 20),
		{Name: "birthDate", Type: "date", ResType: "date"}, {Name: "age", Type: "number", ResType: "long", ReadOnly: true},
		{Name: "domain", Type: "string", ResType: "string", ReadOnly: true},
		enum("gender", "unknown", "male", "female"), enum("emailFormat", "unknown", "text", "html"),
		str("mobilePhone", 32), str("phone", 32), str("fax", 32), str("preferredLanguage", 16), str("timeZone", 64),
		str("location.address1", 80), str("location.address2", 80), str("location.address3", 80), str("location.address4", 80),
		str("location.city", 80), str("location.countryCode", 2), str("location.stateCode", 16), str("location.zipCode", 20),
		boolean("ccpaOptOut"), boolean("isExternal"),
	}
	for _, o := range optOuts {
		fields = append(fields, boolean(prefix+o), stamp(prefix+o+"LastModified"))
	}
	fields = append(fields, stamp("created"), stamp("lastModified"))
	return Resource{Name: "profile", Label: "Profile", Schema: "nms:recipient", Key: "externalId", API: "profileAndServices", Fields: fields}
}

// descriptor is the metadata of a field: 19 members, lengths as strings (§2.1).
func (f Field) descriptor() map[string]any {
	length := ""
	if f.Length > 0 {
		length = strconv.Itoa(f.Length)
	}
	kind := f.Type
	if kind == "datetime" {
		kind = "date"
	}
	d := map[string]any{
		"PKey": "@" + f.Name, "apiName": last(f.Name), "category": "99_none", "dataPolicy": f.Policy, "desc": "", "displayFormat": "",
		"help": "", "label": last(f.Name), "lazyLoaded": false, "length": length, "mandatory": false, "metadata": "attribute",
		"privacy": "firstParty", "queryable": true, "readOnly": f.ReadOnly, "resName": "", "resType": f.ResType, "sortable": true, "type": kind,
	}
	if len(f.Values) > 0 {
		values := map[string]any{}
		for i, name := range f.Values {
			values[name] = map[string]any{"name": name, "label": title(name), "value": strconv.Itoa(i)}
		}
		d["values"] = values
	}
	return d
}

func last(dotted string) string {
	for i := len(dotted) - 1; i >= 0; i-- {
		if dotted[i] == '.' {
			return dotted[i+1:]
		}
	}
	return dotted
}

func title(s string) string {
	if s == "" {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
