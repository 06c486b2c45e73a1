package pages

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
)

// mostOffered is how many tables and resources a list offers; a name that is not among them
// may be typed.
const mostOffered = 500

// addView is the choice of two tables, and then a proposal.
type addView struct {
	Now             time.Time
	Crumbs          []link
	Self            string
	Problem         *notice
	Table, Resource string
	Tables          []offered
	Resources       []offered
	More            int
	At              time.Time
	Proposal        *proposalView
	MaySave         bool
}

// offered is a table or resource that is not mapped yet.
type offered struct{ Name, Label string }

// proposalView is a mapping that was guessed, for a person to check.
type proposalView struct {
	Name, Key, KeyDoubt string
	Pairs               []proposedPair
	Doubtful            int
	Unused              []string
	YAML                string
	Lines               int
	Download            string
}

type proposedPair struct {
	From, FromType, To, ToType string
	Doubts                     []string
}

// addMapping offers what is not mapped yet and, once two were chosen, proposes a mapping.
func (p *Pages) addMapping(w http.ResponseWriter, r *http.Request) {
	instance, q := r.PathValue("instance"), r.URL.Query()
	view := addView{Now: p.here(r), Self: addURL(instance), Crumbs: []link{{URL: mappingsURL(instance), Label: "Mappings"}, {Label: "Add a mapping"}}, MaySave: p.may(r, access.Admin), Table: strings.TrimSpace(q.Get("table")), Resource: strings.TrimSpace(q.Get("resource"))}
	i, err := p.operator(r)
	var all activities.ListModelsResult
	if err == nil {
		all, err = i.ListModels(r.Context(), activities.ListModelsInput{Limit: mostOffered, Fresh: q.Get("fresh") != ""})
	}
	if err == nil {
		view.offer(i.Config, all)
		if view.Table != "" || view.Resource != "" {
			var got activities.ProposeResult
			if got, err = propose(r, i, view.Table, view.Resource); err == nil {
				view.Proposal = proposalOf(got)
				view.Proposal.Download = addURL(instance) + "/mapping.yaml?" + url.Values{"table": {view.Table}, "resource": {view.Resource}}.Encode()
			}
		}
	}
	status := http.StatusOK
	if err != nil {
		n := explain(err)
		view.Problem, status = &n, statusOf(err)
	}
	p.render(w, r, status, "mappingadd", "Add a mapping", view)
}

// addMappingYAML is the proposal as a file, to stand under ingress.tables.
func (p *Pages) addMappingYAML(w http.ResponseWriter, r *http.Request) {
	i, err := p.operator(r)
	var got activities.ProposeResult
	if err == nil {
		got, err = propose(r, i, strings.TrimSpace(r.URL.Query().Get("table")), strings.TrimSpace(r.URL.Query().Get("resource")))
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="mapping.yaml"`)
	_, _ = w.Write([]byte(included(got.YAML)))
}

// included is a mapping as a file of its own, which the configuration includes.
func included(yaml string) string {
	return "ingress:\n  tables:\n    " + strings.ReplaceAll(strings.TrimSpace(yaml), "\n", "\n    ") + "\n"
}

// propose pairs two tables that no mapping has.
func propose(r *http.Request, i *operator.Instance, table, resource string) (activities.ProposeResult, error) {
	if table == "" || resource == "" {
		return activities.ProposeResult{}, &operator.Error{Kind: operator.BadInput, Text: "choose a table of Dynamics and a resource of Campaign"}
	}
	tables, resources := mapped(i.Config)
	if name := tables[table]; name != "" {
		return activities.ProposeResult{}, &operator.Error{Kind: operator.BadInput, Text: table + " is mapped already, by " + name + "; each table goes to one resource"}
	}
	if name := resources[resource]; name != "" {
		return activities.ProposeResult{}, &operator.Error{Kind: operator.BadInput, Text: resource + " is mapped already, by " + name + "; each resource takes one table"}
	}
	return i.ProposeMapping(r.Context(), activities.ProposeInput{Table: table, Resource: resource})
}

// mapped are the tables and resources that a mapping has, and its name.
func mapped(cfg *config.Config) (tables, resources map[string]string) {
	tables, resources = map[string]string{}, map[string]string{}
	for name, t := range cfg.Ingress.Tables {
		tables[t.Dynamics.Table], resources[t.Campaign.Resource] = name, name
	}
	return tables, resources
}

// offer lists what no mapping has yet.
func (v *addView) offer(cfg *config.Config, all activities.ListModelsResult) {
	tables, resources := mapped(cfg)
	v.At, v.More = all.At, all.MoreTables+all.MoreResources
	for _, t := range all.Tables {
		if tables[t.Name] == "" {
			one := offered{t.Name, t.Label}
			if !t.Tracked {
				one.Label = strings.TrimPrefix(one.Label+", change tracking is off", ", ")
			}
			v.Tables = append(v.Tables, one)
		}
	}
	for _, r := range all.Resources {
		if resources[r.Name] == "" {
			v.Resources = append(v.Resources, offered{r.Name, r.Label})
		}
	}
}

func proposalOf(got activities.ProposeResult) *proposalView {
	p := got.Proposal
	out := &proposalView{Name: p.Table.Name, Key: p.Table.Campaign.Key, KeyDoubt: p.Key, Unused: p.Unused, YAML: included(got.YAML)}
	if out.KeyDoubt != "" {
		out.Doubtful++
	}
	out.Lines = min(24, strings.Count(out.YAML, "\n")+1)
	for n, f := range p.Table.Fields {
		pair := proposedPair{From: f.From, To: f.To}
		if n < len(p.Pairs) {
			pair.FromType, pair.ToType, pair.Doubts = p.Pairs[n].Source, p.Pairs[n].Target, p.Pairs[n].Doubts
		}
		if len(pair.Doubts) > 0 {
			out.Doubtful++
		}
		out.Pairs = append(out.Pairs, pair)
	}
	return out
}
