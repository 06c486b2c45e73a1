package conformance

// api is where Dataverse serves its Web API.
const api = "/api/data/v9.2/"

// nobody is a contact that is not there, me the suite's own one.
const (
	nobody = "contacts({none})"
	me     = "contacts({id})"
)

// ask is a question by GET; write one that would change something.
func ask(row, name, path, want string) Check {
	return Check{Row: row, Name: name, Service: "dataverse", Path: path, Want: want}
}

func write(row, name, method, path, body, want string, headers ...string) Check {
	return Check{Row: row, Name: name, Service: "dataverse", Writes: true, Method: method, Path: path, Body: body, Want: want, Headers: headers}
}

func (c Check) with(headers ...string) Check { c.Headers = headers; return c }
func (c Check) says(text string) Check       { c.Says = text; return c }
func (c Check) as(form string) Check         { c.Form = form; return c }
func (c Check) by(method string) Check       { c.Method = method; return c }
func (c Check) only() Check                  { c.Sandbox = true; return c }

// dataverseChecks are asked in this order. The first that writes makes the suite's own
// contact, and dataverseEnd deletes it.
var dataverseChecks = []Check{
	ask("DV-A1", "no token", "WhoAmI", "401").with("Authorization:").as(page),
	ask("DV-A1", "a wrong token", "WhoAmI", "401").with("Authorization: Bearer bad").as(page),
	ask("DV-A2", "in the name of nobody", "contacts?$top=1", "404 0x80040217").with("MSCRMCallerID: {none}"),
	ask("DV-A2", "in the name of no id", "contacts?$top=1", "400 0x80060888").with("MSCRMCallerID: someone"),
	ask("DV-A2", "in the name of nobody in the directory", "contacts?$top=1", "403 0x80072560").with("CallerObjectId: {none}"),
	ask("DV-A3", "a version that is none", "/api/data/v7/WhoAmI", "400 0x80060888").says("Requested API Version"),

	ask("DV-R1", "who am I", "WhoAmI", "200"),
	ask("DV-R1", "who am I, with brackets", "WhoAmI()", "200"),
	ask("DV-R2", "an entity set that is none", "nobodies", "404 0x8006088a").says("Resource not found for the segment 'nobodies'."),
	ask("DV-R2", "an entity set in capitals", "Contacts", "404 0x8006088a"),
	ask("DV-R2", "a table in place of its entity set", "contact", "404 0x8006088a"),
	ask("DV-R2", "a function that is none", "NoSuchFunction()", "404 0x8006088a"),
	ask("DV-R2", "an action on a table that is none", "contacts/Microsoft.Dynamics.CRM.NoSuchAction", "404 0x8006088a").by("POST"),
	ask("DV-R3", "a function by POST", "WhoAmI", "404").by("POST").says("No HTTP resource was found that matches the request URI"),
	write("DV-R4", "PUT of an entity set", "PUT", "contacts", `{}`, "405 0x8006088a"),
	write("DV-R4", "a row by PUT", "PUT", nobody, `{}`, "405 0x8006088a"),
	ask("DV-R4", "a batch by GET", "$batch", "405 0x8006088a"),
	write("DV-R5", "a body that is text", "POST", "contacts", `{}`, "415 0x80060888", "Content-Type: text/plain"),
	write("DV-R5", "a body that is XML", "POST", "contacts", `<a/>`, "415 0x80060888", "Content-Type: application/xml"),
	ask("DV-R6", "a row that is not there", nobody, "404 0x80040217").says("Does Not Exist"),
	ask("DV-R6", "a column of a row that is not there", nobody+"/lastname", "404 0x80040217"),
	write("DV-R6", "a deletion of nobody", "DELETE", nobody, "", "404 0x80040217"),
	write("DV-R6", "a change of nobody", "PATCH", nobody, `{"lastname":"x"}`, "404 0x80040217", "If-Match: *"),
	ask("DV-R7", "a key that is no id", "contacts(5)", "400 0x80060888"),
	ask("DV-R7", "a key that the table lacks", "contacts(shoesize='5')", "400 0x80060890").says("The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.contact'."),

	ask("DV-Q1", "$select of a column that is none", "contacts?$select=Lastname", "400 0x80060888").says("Could not find a property named 'Lastname' on type 'Microsoft.Dynamics.CRM.contact'."),
	ask("DV-Q1", "$filter by a column that is none", "contacts?$filter=shoesize%20eq%205", "400 0x80060888").says("Could not find a property named 'shoesize'"),
	ask("DV-Q1", "$orderby a column that is none", "contacts?$orderby=shoesize", "400 0x80060888"),
	ask("DV-Q1", "$expand of a lookup by its column", "contacts?$expand=parentcustomerid", "400 0x80060888"),
	ask("DV-Q2", "$skip", "contacts?$skip=5", "400 0x80060888").says("The query parameter $skip is not supported"),
	ask("DV-Q2", "$search", "contacts?$search=a", "400 0x80060888"),
	ask("DV-Q2", "$format", "contacts?$format=json", "400 0x80060888"),
	ask("DV-Q3", "an option in capitals", "contacts?$Select=lastname", "400 0x80060888"),
	ask("DV-Q4", "a number for a text", "contacts?$filter=lastname%20eq%205", "400 0x80060888").says("A binary operator with incompatible types was detected."),
	ask("DV-Q4", "a number for a boolean", "contacts?$filter=donotemail%20eq%201", "400 0x80060888").says("A binary operator with incompatible types was detected."),
	ask("DV-Q4", "a text for a number", "contacts?$filter=numberofchildren%20eq%20'5'", "400 0x80060888"),
	ask("DV-Q4", "a text for a time", "contacts?$filter=createdon%20gt%20'2024-01-01'", "400 0x80060888"),
	ask("DV-Q4", "a day that does not exist", "contacts?$filter=birthdate%20eq%202024-02-30", "400 0x80060888"),
	ask("DV-Q5", "a filter that ends early", "contacts?$filter=lastname%20eq", "400 0x80060888"),
	ask("DV-Q5", "a text that does not end", "contacts?$filter=lastname%20eq%20'a", "400 0x80060888"),
	ask("DV-Q5", "a bracket that does not end", "contacts?$filter=(lastname%20eq%20'a'", "400 0x80060888"),
	ask("DV-Q5", "an operator that is none", "contacts?$filter=lastname%20like%20'a'", "400 0x80060888"),
	ask("DV-Q5", "two filters without and", "contacts?$filter=lastname%20eq%20'a'%20firstname%20eq%20'b'", "400 0x80060888"),
	ask("DV-Q5", "a function of SQL", "contacts?$filter=left(lastname,1)%20eq%20'a'", "400 0x80060888"),
	ask("DV-Q6", "$top that is no number", "contacts?$top=ten", "400 0x80060888"),
	ask("DV-Q6", "$top below nothing", "contacts?$top=-1", "400 0x80060888"),
	ask("DV-Q6", "$count in words", "contacts?$count=yes", "400 0x80060888"),
	ask("DV-Q6", "the same option twice", "contacts?$select=lastname&$select=firstname", "400 0x80060888"),
	ask("DV-Q6", "an empty $select", "contacts?$select=", "400 0x80060888"),
	ask("DV-Q7", "a page of no rows", "contacts", "400 0x80060888").with("Prefer: odata.maxpagesize=0"),
	ask("DV-Q8", "a position that nobody gave", "contacts?$skiptoken=nonsense", "400 0x8004112a"),
	ask("DV-Q9", "$top of one row in $expand", "contacts?$expand=parentcustomerid_account($top=1)", "400 0x80060888"),
	ask("DV-Q9", "$expand that does not end", "contacts?$expand=parentcustomerid_account($select=name", "400 0x80060888"),
	ask("DV-Q10", "a filter along a lookup", "contacts?$top=1&$filter=parentcustomerid_account/name%20eq%20'x'", "501 0x80040216").only(),
	ask("DV-Q10", "a filter over a collection", "contacts?$top=1&$filter=Contact_Tasks/any(t:t/subject%20eq%20'x')", "501 0x80040216").only(),
	ask("DV-Q10", "$apply", "contacts?$apply=aggregate(contactid%20with%20countdistinct%20as%20n)", "501 0x80040216").only(),
	ask("DV-Q10", "$expand of two levels", "contacts?$expand=Contact_Tasks($expand=ownerid)", "501 0x80040216").only(),
	ask("DV-Q10", "a function that is not imitated", "RetrieveTimestamp()", "501 0x80040216").only(),
	ask("DV-Q11", "an alias without a value", "RetrieveTotalRecordCount(EntityNames=@p1)", "400 0x80060888"),
	ask("DV-Q11", "a function that does not end", "RetrieveTotalRecordCount(EntityNames", "400 0x80060888"),

	ask("DV-T1", "changes with $filter", "contacts?$filter=lastname%20eq%20'a'", "400 0x80060888").with("Prefer: odata.track-changes").says("query parameter isn't supported when Change Tracking is enabled."),
	ask("DV-T1", "changes with $orderby", "contacts?$orderby=lastname", "400 0x80060888").with("Prefer: odata.track-changes"),
	ask("DV-T1", "changes with $expand", "contacts?$expand=parentcustomerid_account", "400 0x80060888").with("Prefer: odata.track-changes"),
	ask("DV-T1", "changes with $top", "contacts?$top=1", "400 0x80060888").with("Prefer: odata.track-changes"),
	ask("DV-T2", "changes of a table that is not tracked", "businessunits", "400 0x80072491").with("Prefer: odata.track-changes").says("isn't enabled for change tracking."),
	ask("DV-T3", "a position in changes that nobody gave", "contacts?$deltatoken=nonsense", "400 0x80060888"),
	ask("DV-T4", "a position that is too old", "contacts?$deltatoken=1%2101%2F01%2F2001%2000%3A00%3A00", "400 0x80044352").says("Version stamp associated with the client has expired."),

	ask("DV-F1", "FetchXML that is no XML", "contacts?fetchXml=nonsense", "400 0x80040201"),
	ask("DV-F1", "FetchXML with an unknown element", "contacts?fetchXml=%3Cfetch%3E%3Centity%20name='contact'%3E%3Cnothing/%3E%3C/entity%3E%3C/fetch%3E", "400 0x80040201"),
	ask("DV-F1", "FetchXML with top and page", "contacts?fetchXml=%3Cfetch%20top='1'%20page='2'%3E%3Centity%20name='contact'/%3E%3C/fetch%3E", "400 0x80040201"),
	ask("DV-F2", "FetchXML with an unknown column", "contacts?fetchXml=%3Cfetch%3E%3Centity%20name='contact'%3E%3Cattribute%20name='shoesize'/%3E%3C/entity%3E%3C/fetch%3E", "400 0x80041103"),
	ask("DV-F3", "a view that is not there", "contacts?savedQuery={none}", "404 0x80040217"),
	ask("DV-F4", "FetchXML that counts", "contacts?fetchXml=%3Cfetch%20aggregate='true'%3E%3Centity%20name='contact'/%3E%3C/fetch%3E", "501 0x80040216").only(),

	ask("DV-M1", "the definition of contact", "EntityDefinitions(LogicalName='contact')?$select=LogicalName", "200"),
	ask("DV-M1", "the definition of nothing", "EntityDefinitions(LogicalName='causeway_nothing')", "404 0x80060888"),
	ask("DV-M2", "definitions by a property that is none", "EntityDefinitions?$filter=ShoeSize%20eq%205", "400 0x80060888"),
	ask("DV-M3", "a global option set that is none", "GlobalOptionSetDefinitions(Name='causeway_nothing')", "404 0x80060888"),

	write("DV-W1", "a new contact", "POST", "contacts", `{"contactid":"{id}","lastname":"Conformance"}`, "204"),
	write("DV-W2", "a lookup bound by its column", "PATCH", me, `{"parentcustomerid@odata.bind":"/accounts({none})"}`, "400 0x80048d19").says("An undeclared property 'parentcustomerid' which only has property annotations in the payload"),
	write("DV-W3", "a column that is none", "PATCH", me, `{"shoesize":43}`, "400 0x80048d19"),
	write("DV-W3", "a column in capitals", "PATCH", me, `{"Lastname":"x"}`, "400 0x80048d19"),
	write("DV-W4", "a body that ends early", "PATCH", me, `{"lastname":"x`, "400 0x80048d19"),
	write("DV-W4", "a list for a body", "POST", "contacts", `[]`, "400 0x80048d19"),
	write("DV-W5", "a number for a text", "PATCH", me, `{"lastname":5}`, "400 0x80048d19"),
	write("DV-W5", "a text for a number", "PATCH", me, `{"numberofchildren":"5"}`, "400 0x80048d19"),
	write("DV-W5", "a text for a boolean", "PATCH", me, `{"donotemail":"true"}`, "400 0x80048d19"),
	write("DV-W5", "a number that is no Int32", "PATCH", me, `{"numberofchildren":2147483648}`, "400 0x80048d19"),
	write("DV-W6", "a text that is too long", "PATCH", me, `{"lastname":"`+long+`"}`, "400 0x80044331").says("The length of the 'lastname' attribute of the 'contact' entity exceeded the maximum allowed length of '50'."),
	write("DV-W7", "an option that is none", "PATCH", me, `{"gendercode":3}`, "400 0x8004431a"),
	write("DV-W8", "a number out of range", "PATCH", me, `{"numberofchildren":-2147483648}`, "400 0x8004432f"),
	write("DV-W8", "money out of range", "PATCH", me, `{"annualincome":922337203685478}`, "400 0x80044330"),
	write("DV-W9", "a day that does not exist", "PATCH", me, `{"birthdate":"2023-02-29"}`, "400 0x80048d19"),
	write("DV-W9", "a day in another form", "PATCH", me, `{"birthdate":"29.2.2024"}`, "400 0x80048d19"),
	write("DV-W9", "a day before 1753", "PATCH", me, `{"birthdate":"1752-12-31"}`, "400 0x80040203"),
	write("DV-W10", "a column that is read only", "PATCH", me, `{"fullname":"x"}`, "400 0x80040203"),
	write("DV-W10", "the state of a new row", "POST", "contacts", `{"statecode":1}`, "400 0x80040203"),
	write("DV-W10", "another key", "PATCH", me, `{"contactid":"{none}"}`, "400 0x80040203"),
	write("DV-W11", "a status of another state", "PATCH", me, `{"statecode":0,"statuscode":2}`, "400 0x80048408"),
	write("DV-W12", "the same row again", "POST", "contacts", `{"contactid":"{id}"}`, "412 0x80040237"),
	write("DV-W12", "a creation of what is there", "PATCH", me, `{"lastname":"x"}`, "412 0x80040237", "If-None-Match: *"),
	write("DV-W13", "a change of an older version", "PATCH", me, `{"lastname":"x"}`, "412 0x80060882", `If-Match: W/"1"`).says("The version of the existing record doesn't match the RowVersion property provided."),
	write("DV-W13", "a deletion of an older version", "DELETE", me, "", "412 0x80060882", `If-Match: W/"1"`),
	write("DV-W14", "a lookup of nobody", "PATCH", me, `{"parentcustomerid_contact@odata.bind":"/contacts({none})"}`, "404 0x80040217"),
	write("DV-W14", "a lookup of another table", "PATCH", me, `{"parentcustomerid_account@odata.bind":"/contacts({id})"}`, "400 0x80048d19"),
	write("DV-W14", "a lookup of no address", "PATCH", me, `{"parentcustomerid_account@odata.bind":"Acme"}`, "400 0x80060888"),
	write("DV-W15", "a write to the view of activities", "POST", "activitypointers", `{"subject":"x"}`, "405 0x80040800"),
	write("DV-W16", "a row of a table that the role forbids", "POST", "businessunits", `{"name":"x"}`, "403 0x80040220").only(),
	write("DV-W17", "a column without a value", "PUT", me+"/lastname", `{}`, "400 0x80048d19"),
	write("DV-W17", "no owner", "DELETE", me+"/ownerid/$ref", "", "400 0x80040203"),
	write("DV-W17", "a reference to nothing", "PUT", me+"/parentcustomerid_contact/$ref", `{}`, "400 0x80048d19"),
	write("DV-W18", "a merge without its rows", "POST", "Merge", `{}`, "400 0x80048d19"),
	write("DV-W19", "many rows without Targets", "POST", "contacts/Microsoft.Dynamics.CRM.CreateMultiple", `{}`, "400 0x80048d19"),
	write("DV-W19", "a target without its type", "POST", "contacts/Microsoft.Dynamics.CRM.UpdateMultiple", `{"Targets":[{"contactid":"{id}","lastname":"x"}]}`, "400 0x80048d19"),
	write("DV-W20", "one bad row of many", "POST", "contacts/Microsoft.Dynamics.CRM.CreateMultiple",
		`{"Targets":[{"@odata.type":"Microsoft.Dynamics.CRM.contact","lastname":"x"},{"@odata.type":"Microsoft.Dynamics.CRM.contact","gendercode":3}]}`, "400 0x8004431a"),
	write("DV-W21", "a deletion of many", "POST", "contacts/Microsoft.Dynamics.CRM.DeleteMultiple", `{"Targets":[]}`, "501 0x80040216").says("DeleteMultiple has not yet been implemented."),
}

// dataverseEnd deletes the suite's own contact.
var dataverseEnd = []Check{write("DV-W1", "the contact is deleted", "DELETE", me, "", "204")}
