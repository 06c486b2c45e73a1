package stack

import (
	"net/http"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/exports"
	"causeway.dev/sandbox/imports"
)

// bothEngines is the workflow engine of the instance: the workflows that export, and the
// import workflows that were built.
type bothEngines struct {
	exports *exports.Engine
	imports *imports.Engine
}

func (b bothEngines) Workflow(id string) (campaign.Workflow, bool) {
	if w, ok := b.imports.Workflow(id); ok {
		return w, true
	}
	return b.exports.Workflow(id)
}

func (b bothEngines) Command(id, method string) {
	b.imports.Command(id, method)
	b.exports.Command(id, method)
}

func (b bothEngines) Signal(id, activity string, parameters map[string]string) {
	b.exports.Signal(id, activity, parameters)
}

// adminImports adds the import workflows' part of the admin port:
//
//	POST /campaign/imports             build one: {"id":"WKF_import","resource":"profile","columns":["causeway_file","causeway_row","externalId"],"file":"import/profile.csv","results":"import/results"}; "private_key" decrypts the file
//	GET  /campaign/imports/{id}        state, runs, and what its log says of a failure
//	POST /campaign/imports/{id}/break  {"after":1000}: the next run fails after so many rows
func (s *Stack) adminImports(mux *http.ServeMux) {
	if s.Imports == nil {
		return
	}
	mux.HandleFunc("POST /campaign/imports", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			ID       string   `json:"id"`
			Label    string   `json:"label"`
			Resource string   `json:"resource"`
			Columns  []string `json:"columns"`
			File     string   `json:"file"`
			Results  string   `json:"results"`

			PrivateKey string `json:"private_key"`
		}
		if decode(w, r, &body) {
			reply(w, http.StatusCreated, map[string]any{}, s.Imports.Build(imports.Workflow(body)))
		}
	})
	mux.HandleFunc("GET /campaign/imports/{id}", func(w http.ResponseWriter, r *http.Request) {
		status, err := s.Imports.Status(r.PathValue("id"))
		reply(w, http.StatusOK, status, err)
	})
	mux.HandleFunc("POST /campaign/imports/{id}/break", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			After int `json:"after"`
		}
		if decode(w, r, &body) {
			reply(w, http.StatusOK, map[string]any{}, s.Imports.BreakAfter(r.PathValue("id"), body.After))
		}
	})
}
