package campaign

import "strings"

// Methods that a built-in resource imitates; every other answers 501.
const (
	canPost   = "POST"
	canPatch  = "PATCH"
	canDelete = "DELETE"
)

// builtIn are the resources that every instance has besides profile. An instance may
// declare one of them in its own way.
func builtIn() []Resource {
	return []Resource{service(), subscription(), unit("orgUnitBase", "Organizational unit", "xtk:orgUnit"), unit("geoUnitBase", "Geographical unit", "xtk:geoUnit"), privacyTool()}
}

// service is the built-in service resource: what a profile subscribes to.
func service() Resource {
	return Resource{
		Name: "service", Label: "Service", Schema: "nms:service", Key: "name", Auto: "SVC", API: "profileAndServices", Brief: []string{"label", "name"},
		Fields: []Field{
			str("name", 64), str("label", 128), str("desc", 255), {Name: "title", Type: String, ResType: "string", ReadOnly: true, Computed: "labelled"},
			enum("messageType", "email", "sms"),
			{Name: "mode", Type: Enumeration, ResType: "string", Values: []string{"newsletter"}, Stored: []string{"newsletter"}},
			{Name: "targetResource", Type: String, ResType: "string", Length: 64, Default: "profile"},
			{Name: "subScenarioEventType", Type: String, ResType: "string", Default: "subscriptionEvent", ReadOnly: true},
			{Name: "start", Type: Date, ResType: "date"}, {Name: "end", Type: Date, ResType: "date"},
			boolean("limitedDuration"), {Name: "builtIn", Type: Boolean, ResType: "boolean", ReadOnly: true},
			stamp("created"), stamp("lastModified"),
			{Name: "subscriptions", Type: Collection, ResType: "link", Target: "subscription", ReadOnly: true},
		},
	}
}

// subscription is reached through a profile or a service only. The hidden field pair
// keeps a profile from being subscribed to a service twice.
func subscription() Resource {
	return Resource{
		Name: "subscription", Label: "Subscription", Schema: "nms:subscription", Key: "pair", API: within, Brief: []string{},
		Fields: []Field{
			{Name: "pair", Type: String, ResType: "string", Hidden: true},
			link("service", "service"), link("subscriber", "profile"),
			{Name: "serviceName", Type: String, ResType: "string", ReadOnly: true}, readOnly("email"), {Name: "expirationDate", Type: Datetime, ResType: "datetime"},
			{Name: "metadata", Type: String, ResType: "string", ReadOnly: true, Default: "subscriptionRcp"}, stamp("created"),
		},
		Joins: []Join{{Link: "service", Target: "service", OnDelete: Cascade}, {Link: "subscriber", Target: "profile", OnDelete: Cascade}},
	}
}

// unit is an organizational or geographical unit. Its name may be changed, although it
// is the key.
func unit(name, label, schema string) Resource {
	return Resource{
		Name: name, Label: label, Schema: schema, Key: "name", Rekey: true, Brief: []string{}, Can: []string{canPatch}, Seed: []map[string]string{{"name": "all", "label": "All"}},
		Fields: []Field{
			str("name", 64), str("label", 128), str("desc", 255), readOnly("parentTitle"),
			{Name: "title", Type: String, ResType: "string", ReadOnly: true, Computed: "labelled"}, stamp("created"), stamp("lastModified"),
		},
	}
}

// privacyTool holds privacy requests. The product never makes one.
func privacyTool() Resource {
	return Resource{
		Name: "privacyTool", Label: "Privacy request", Schema: "nms:privacyTool", Key: "name", API: "privacy", Can: []string{canPost},
		Mandatory: []string{"name", "namespaceName", "reconciliationValue", "type", "regulation"},
		Fields: []Field{
			str("name", 64), str("label", 128), str("desc", 255), str("namespaceName", 64), str("reconciliationValue", 255),
			{Name: "regulation", Type: Enumeration, ResType: "string", Values: []string{"", "gdpr", "ccpa", "pdpa", "lgpd"}, Stored: []string{"", "gdpr", "ccpa", "pdpa", "lgpd"}},
			{Name: "type", Type: Enumeration, ResType: "string", Values: []string{"", "access", "delete"}, Stored: []string{"", "access", "delete"}},
			{Name: "status", Type: String, ResType: "string", ReadOnly: true, Computed: "privacy"}, readOnly("audit"),
			{Name: "retryCount", Type: Number, ResType: "long", ReadOnly: true},
			{Name: "title", Type: String, ResType: "string", ReadOnly: true, Computed: "labelled"}, stamp("created"), stamp("lastModified"),
			{Name: "due", Type: Datetime, ResType: "datetime", Hidden: true}, {Name: "outcome", Type: String, ResType: "string", Hidden: true},
			{Name: "privacyRequestData", Type: Collection, ResType: "link", ReadOnly: true},
		},
	}
}

// history is what the metadata of the marketing history describes. It has no records of
// its own.
func history() Resource {
	return Resource{
		Name: "history", Label: "Marketing history", Schema: "nms:recipient", Key: "externalId", API: "profileAndServices",
		Fields: []Field{
			str("externalId", 100), str("email", 128), str("firstName", 30), str("lastName", 50), {Name: "birthDate", Type: Date, ResType: "date"},
			{Name: "countBroadLogEvents", Type: Number, ResType: "long", ReadOnly: true}, {Name: "countSubHistoEvents", Type: Number, ResType: "long", ReadOnly: true},
			{Name: "events", Type: Collection, ResType: "link", Target: "subHisto", ReadOnly: true},
		},
	}
}

// labelled is the title of a record: its label, with its name in brackets.
func labelled(label, name string) string {
	if name == "" {
		return label
	}
	return strings.TrimSpace(label + " (" + name + ")")
}
