package dataverse

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Functions of the service that are known here but not imitated, and the same of
// actions. They answer 501, so that nobody looks for a mistake of their own.
var (
	otherFunctions = []string{
		"CanBeReferenced", "CanBeReferencing", "DownloadReportDefinition", "ExpandCalendar", "FetchXmlToQueryExpression", "FormatAddress", "GetAllTimeZonesWithDisplayName",
		"GetDefaultPriceLevel", "GetPreferredSolution", "GetTimeZoneCodeByLocalizedName", "GetValidManyToMany", "InitializeFrom", "IsDataEncryptionActive", "QueryMultipleSchedules",
		"QuerySchedule", "RetrieveAadUserPrivileges", "RetrieveAllEntities", "RetrieveAttributeChangeHistory", "RetrieveAuditDetails", "RetrieveAvailableLanguages",
		"RetrieveCurrentOrganization", "RetrieveDependentComponents", "RetrieveDuplicates", "RetrieveEntityChanges", "RetrieveMetadataChanges", "RetrieveOrganizationInfo",
		"RetrievePrincipalAccess", "RetrieveRecordChangeHistory", "RetrieveRecordWall", "RetrieveTimestamp", "RetrieveUserPrivileges", "RetrieveUserQueues",
		"RetrieveUserSettings", "RetrieveUserLicenseInfo", "Rollup", "Search", "WhoCanAccess",
	}
	otherActions = []string{
		"AddMembersTeam", "AddPrivilegesRole", "AddToQueue", "Associate", "BulkDelete", "BulkDetectDuplicates", "CloseIncident", "CloseOpportunityAsWon", "CreateEntities",
		"CreatePolymorphicLookupAttribute", "DeleteAuditData", "Disassociate", "ExecuteWorkflow", "ExportSolution", "GrantAccess", "ImportSolution", "ModifyAccess", "PublishAllXml",
		"PublishXml", "QualifyLead", "RemoveMembersTeam", "RevokeAccess", "SendEmail", "SendEmailFromTemplate", "SetState", "searchquery",
	}
)

// call is a function in a URL: Name(Input=value,Other=@p1)?@p1=value, or only its name.
type call struct {
	name   string
	inputs map[string]string // as JSON or as an OData literal
}

// callOf reads a function in a URL. Values of aliases come from the query.
func callOf(path string, q url.Values) (call, *refusal) {
	name, rest, open := strings.Cut(path, "(")
	c := call{name: name, inputs: map[string]string{}}
	if !open {
		for alias, values := range q { // an input without brackets is named by its alias (§8)
			if strings.HasPrefix(alias, "@") {
				c.inputs[alias] = values[0]
			}
		}
		return c, nil
	}
	inner, closed := strings.CutSuffix(rest, ")")
	if !closed {
		return c, &refusal{400, "0x80060888", "The URL is not valid: a ')' is missing after '" + name + "'."}
	}
	for _, part := range arguments(inner) {
		input, value, ok := strings.Cut(part, "=")
		if input = strings.TrimSpace(input); !ok || input == "" {
			return c, &refusal{400, "0x80060888", "Expected 'name=value' in the inputs of the function '" + name + "'."}
		}
		value = strings.TrimSpace(value)
		if strings.HasPrefix(value, "@") {
			if !q.Has(value) {
				return c, &refusal{400, "0x80060888", "The parameter alias '" + value + "' has no value."}
			}
			value = q.Get(value)
		}
		c.inputs[input] = value
	}
	return c, nil
}

// arguments splits at commas that are in no brackets and no text.
func arguments(list string) []string {
	var out []string
	depth, start, text := 0, 0, byte(0)
	for i := range len(list) {
		switch c := list[i]; {
		case text != 0:
			if c == text {
				text = 0
			}
		case c == '\'' || c == '"':
			text = c
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case c == ',' && depth == 0:
			out, start = append(out, list[start:i]), i+1
		}
	}
	if strings.TrimSpace(list[start:]) != "" || len(out) > 0 {
		out = append(out, list[start:])
	}
	return out
}

func isFunction(path string) bool {
	name, _, _ := strings.Cut(path, "(")
	return name == "WhoAmI" || name == "RetrieveVersion" || name == "RetrieveTotalRecordCount" || slices.Contains(otherFunctions, name)
}

// function serves a function that belongs to no row. It is false when the path names none.
func (s *Server) function(w http.ResponseWriter, r *http.Request, path string) bool {
	if !isFunction(path) {
		return false
	}
	name, _, _ := strings.Cut(path, "(")
	c, bad := callOf(path, r.URL.Query())
	switch {
	case bad != nil:
		s.fail(w, bad)
	case name == "WhoAmI":
		by, bad := s.caller(r)
		if bad != nil {
			s.fail(w, bad)
			return true
		}
		s.answerCall(w, r, name, map[string]any{"BusinessUnitId": businessUnit, "UserId": by, "OrganizationId": organization})
	case name == "RetrieveVersion":
		s.answerCall(w, r, name, map[string]any{"Version": s.version9()})
	case name == "RetrieveTotalRecordCount":
		s.totals(w, r, c)
	default:
		s.fail(w, notImitated("The function "+name))
	}
	return true
}

func notImitated(what string) *refusal {
	return &refusal{http.StatusNotImplemented, "0x80040216", what + " is not imitated by this sandbox. The real service may serve it."}
}

func (s *Server) answerCall(w http.ResponseWriter, r *http.Request, name string, doc map[string]any) {
	doc["@odata.context"] = base(r) + "/$metadata#Microsoft.Dynamics.CRM." + name + "Response"
	s.write(w, doc)
}

// totals serves RetrieveTotalRecordCount.
func (s *Server) totals(w http.ResponseWriter, r *http.Request, c call) {
	text := c.inputs["EntityNames"]
	if text == "" {
		text = c.inputs["@p1"]
	}
	var names []string
	if json.Unmarshal([]byte(strings.ReplaceAll(text, "'", `"`)), &names) != nil || len(names) == 0 {
		s.fail(w, &refusal{400, "0x80060888", "EntityNames is missing."})
		return
	}
	values := make([]int64, 0, len(names))
	for _, n := range names {
		t, ok := s.names[n]
		if !ok {
			s.fail(w, &refusal{404, "0x80040217", "The entity " + n + " was not found."})
			return
		}
		t.rlock()
		values = append(values, int64(t.size()))
		t.runlock()
	}
	s.answerCall(w, r, "RetrieveTotalRecordCount", map[string]any{
		"EntityRecordCountCollection": map[string]any{"Count": len(names), "IsReadOnly": false, "Keys": names, "Values": values}})
}

// action serves an action that belongs to no row. It is false when the path names none.
func (s *Server) action(w http.ResponseWriter, r *http.Request, path string) bool {
	switch {
	case r.Method != http.MethodPost:
		return false
	case path == "Merge":
		s.mergeAction(w, r)
	case isFunction(path):
		s.fail(w, &refusal{http.StatusNotFound, "", "No HTTP resource was found that matches the request URI '" + base(r) + "/" + path + "'."})
	case slices.Contains(otherActions, path):
		s.fail(w, notImitated("The action "+path))
	default:
		return false
	}
	return true
}

// mergeAction serves Merge for contacts. UpdateContent is what the winner takes over.
func (s *Server) mergeAction(w http.ResponseWriter, r *http.Request) {
	data, bad := s.body(r)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	doc := gjson.ParseBytes(data)
	winner, loser := doc.Get("Target"), doc.Get("Subordinate")
	contacts := s.names["contact"]
	switch {
	case !gjson.ValidBytes(data) || !winner.IsObject() || !loser.IsObject():
		bad = &refusal{400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'', the action Merge wants Target and Subordinate."}
	case winner.Get(`@odata\.type`).Str != actions+"contact" || loser.Get(`@odata\.type`).Str != actions+"contact":
		bad = notImitated("The action Merge of other tables than contact")
	case !doc.Get("PerformParentingChecks").IsBool():
		bad = &refusal{400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'', the parameter PerformParentingChecks is missing."}
	}
	if bad == nil {
		bad = s.inTx(r, func(x *tx) *refusal {
			if content := doc.Get("UpdateContent"); content.IsObject() {
				set, bad := x.parse(r, contacts, []byte(content.Raw), false)
				if bad != nil {
					return bad
				}
				if key := strings.ToLower(winner.Get("contactid").Str); contacts.rows[key] != nil {
					if _, bad := x.put(contacts, key, set); bad != nil {
						return bad
					}
				}
			}
			return x.merge(strings.ToLower(winner.Get("contactid").Str), strings.ToLower(loser.Get("contactid").Str))
		})
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
