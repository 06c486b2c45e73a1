package campaign

// optOuts are the endings of the opt-out attributes (§3.1).
var optOuts = []string{"", "Email", "Fax", "Mobile", "Phone", "PostalMail", "Pushnotification"}

// Profile is the built-in profile resource (§3). prefix begins the names of the opt-out
// attributes: blackList or denyList.
func Profile(prefix string) Resource {
	fields := []Field{
		str("externalId", 100),
		{Name: "email", Type: String, ResType: "string", Length: 128, Policy: "email"},
		smart("firstName", 30), str("middleName", 30), smart("lastName", 50), str("salutation", 20),
		{Name: "birthDate", Type: Date, ResType: "date"},
		{Name: "age", Type: Number, ResType: "long", ReadOnly: true, Computed: "age"},
		{Name: "domain", Type: String, ResType: "string", ReadOnly: true, Computed: "domain"},
		{Name: "title", Type: String, ResType: "string", ReadOnly: true, Computed: "title"},
		readOnly("cryptedId"), readOnly("thumbnail"),
		enum("gender", "unknown", "male", "female"), enum("emailFormat", "unknown", "text", "html"),
		str("mobilePhone", 32), str("phone", 32), str("fax", 32),
		{Name: "preferredLanguage", Type: Enumeration, ResType: "string", Values: languages(), Stored: languages()},
		{Name: "timeZone", Type: Enumeration, ResType: "string", Length: 64, Values: zoneNames(), Stored: zones},
		str("location.address1", 80), str("location.address2", 80), str("location.address3", 80), str("location.address4", 80),
		str("location.city", 80), str("location.countryCode", 2), str("location.stateCode", 16), str("location.zipCode", 20),
		{Name: "postalAddress.addrDefined", Type: Boolean, ResType: "boolean", ReadOnly: true},
		{Name: "postalAddress.addrErrorCount", Type: Number, ResType: "long", ReadOnly: true},
		readOnly("postalAddress.addrLastCheck"), {Name: "postalAddress.addrQuality", Type: Number, ResType: "byte", ReadOnly: true},
		readOnly("postalAddress.line1"), readOnly("postalAddress.line2"), readOnly("postalAddress.line3"), readOnly("postalAddress.line4"),
		readOnly("postalAddress.line5"), readOnly("postalAddress.line6"), readOnly("postalAddress.serialized"),
		link("country", "countries"), link("stateLink", "state"), link("emailStatus", "addressStatus"),
		link("createdBy", "userBase"), link("modifiedBy", "userBase"),
		{Name: "orgUnit", Type: Link, ResType: "link", Target: "orgUnitBase", Ext: true},
		{Name: "geoUnit", Type: Link, ResType: "link", Target: "geoUnitBase", Ext: true},
		boolean("ccpaOptOut"), boolean("isExternal"),
	}
	for _, o := range optOuts {
		fields = append(fields, boolean(prefix+o), stamp(prefix+o+"LastModified"))
	}
	fields = append(fields, stamp(prefix+"AllLastModified"), stamp("created"), stamp("lastModified"),
		Field{Name: "subscriptions", Type: Collection, ResType: "link", Target: "subscription", ReadOnly: true})
	return Resource{Name: "profile", Label: "Profile", Schema: "nms:recipient", Key: "externalId", API: "profileAndServices",
		Brief: []string{"email", "firstName", "lastName"}, Fields: fields}
}

func str(name string, length int) Field {
	return Field{Name: name, Type: String, ResType: "string", Length: length}
}

func smart(name string, length int) Field {
	f := str(name, length)
	f.Policy = "smartCase"
	return f
}

func readOnly(name string) Field {
	return Field{Name: name, Type: String, ResType: "string", ReadOnly: true}
}

func boolean(name string) Field { return Field{Name: name, Type: Boolean, ResType: "boolean"} }

func stamp(name string) Field {
	return Field{Name: name, Type: Datetime, ResType: "datetime", ReadOnly: true}
}

func enum(name string, values ...string) Field {
	return Field{Name: name, Type: Enumeration, ResType: "byte", Values: values}
}

func link(name, target string) Field {
	return Field{Name: name, Type: Link, ResType: "link", Target: target}
}
