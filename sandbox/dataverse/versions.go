package dataverse

import (
	"net/http"
	"slices"
	"strings"
)

// versions of the Web API that are served. Answers name the one that was asked.
var versions = []string{"8.2", "9.0", "9.1", "9.2"}

const (
	apiRoot    = "/api/data/v"
	rootLength = len(apiRoot + "9.2")
)

// apiPath is what a path has after the version.
func apiPath(path string) (string, *refusal) {
	rest, ok := strings.CutPrefix(path, "/api/data/")
	if !ok {
		return "", &refusal{404, "0x8006088a", "Resource not found."}
	}
	version, rest, whole := strings.Cut(rest, "/")
	number, named := strings.CutPrefix(version, "v")
	switch {
	case !named || !slices.Contains(versions, number):
		return "", &refusal{400, "0x80060888", "Requested API Version '" + version + "' was not understood. Please provide in the format /api/data/v<Major>.<Minor>/ (example: /api/data/v7.2/)"}
	case !whole:
		return "", &refusal{404, "0x8006088a", "Resource not found."}
	}
	return rest, nil
}

// rootOf is the part of a request's path up to the version.
func rootOf(r *http.Request) string {
	if len(r.URL.Path) < rootLength {
		return apiRoot + "9.2"
	}
	return r.URL.Path[:rootLength]
}

// base is the address of the API that a request used.
func base(r *http.Request) string { return "https://" + r.Host + rootOf(r) }

// withoutRoot removes the path of the API, of any version, from the front.
func withoutRoot(path string) string {
	rest, ok := strings.CutPrefix(path, apiRoot)
	if !ok || len(rest) < 3 || !slices.Contains(versions, rest[:3]) {
		return path
	}
	return rest[3:]
}

// bearerOf reads the token of a request. The name of the scheme may be in any case.
func bearerOf(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(scheme, "Bearer")
}
