package entra

import (
	"net/http"
	"slices"
	"strings"
)

// graph is the application id of Microsoft Graph, whose tokens others cannot check.
const graph = "00000003-0000-0000-c000-000000000000"

// asked is what a client wants tokens for.
type asked struct {
	openid, profile, email, offline bool

	resource string   // client id of an API, or graph
	scopes   []string // of it
	granted  string   // as the answer lists them
}

// problem is a refusal as Entra words it.
type problem struct {
	status int
	code   string
	number int
	text   string
}

func bad(code string, number int, text string) *problem {
	return &problem{http.StatusBadRequest, code, number, text}
}

func missing(name string) *problem {
	return bad("invalid_request", 900144, "The request body must contain the following parameter: '"+name+"'.")
}

// scopes reads what a client asks for. All scopes of APIs in one request are of one API.
func (s *Server) scopes(client App, list string) (asked, *problem) {
	out := asked{}
	var granted []string
	for _, word := range strings.Fields(list) {
		switch word {
		case "openid":
			out.openid = true
		case "profile":
			out.profile = true
		case "email":
			out.email = true
		case "offline_access":
			out.offline = true
			continue
		default:
			full, fail := s.apiScope(client, &out, word)
			if fail != nil {
				return out, fail
			}
			granted = append(granted, full...)
			continue
		}
		granted = append(granted, word)
	}
	if len(strings.Fields(list)) == 0 {
		return out, missing("scope")
	}
	if out.resource == "" {
		out.resource = graph
	}
	out.granted = strings.Join(granted, " ")
	return out, nil
}

// apiScope adds one scope of an API to what is asked, and returns how the answer names it.
func (s *Server) apiScope(client App, out *asked, word string) ([]string, *problem) {
	resource, scope, found := "https://graph.microsoft.com", word, false
	if at := strings.LastIndex(word, "/"); at > 0 {
		resource, scope, found = word[:at], word[at+1:], true
	}
	id, known := graph, []string{"User.Read"}
	if found && resource != "https://graph.microsoft.com" {
		api, ok := s.app(strings.TrimPrefix(resource, "api://"))
		if !ok || api.ClientID == s.o.ClientID {
			return nil, bad("invalid_resource", 500011, "The resource principal named "+resource+" was not found in the tenant.")
		}
		id, known = api.ClientID, api.Scopes
	}
	if out.resource != "" && out.resource != id {
		return nil, bad("invalid_request", 28000, "Provided value for the input parameter scope is not valid because it contains more than one resource.")
	}
	out.resource = id
	if scope == ".default" {
		if len(out.scopes) > 0 {
			return nil, bad("invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid. .default scope can't be combined with resource-specific scopes.")
		}
		out.scopes = known
		full := []string{}
		for _, name := range known {
			full = append(full, resource+"/"+name)
		}
		return append(full, word), nil
	}
	if !slices.Contains(known, scope) {
		return nil, bad("invalid_client", 650053, "The application '"+client.Name+"' asked for scope '"+scope+"' that doesn't exist on the resource '"+id+"'. Contact the app vendor.")
	}
	out.scopes = append(out.scopes, scope)
	return []string{word}, nil
}
