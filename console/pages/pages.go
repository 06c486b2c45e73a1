// Package pages is what the console shows: one file a page, with its view model. A handler
// asks internal/operator, builds a view and renders it; no rule of the sync lives here. The
// console's server calls it, and has checked who asks.
//
// A further page is a file here, a template of its name, a line in routes, and one in nav.
package pages

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"causeway.dev/internal/access"

	"causeway.dev/console/session"
	"causeway.dev/console/static"
	"causeway.dev/console/templates"
	"causeway.dev/internal/operator"
)

// Prefix is where the pages of an instance are.
const Prefix = "/i/{instance}"

// Route is a page or an action, and the role that it needs of its instance.
type Route struct {
	Method, Path string // below Prefix
	Role         access.Role
	Handle       http.HandlerFunc
	// Before says that it is there before the privacy text was acknowledged.
	Before bool
	// Acts says that something is done, which may take longer than a look.
	Acts bool
	// Downloads says that the answer is a file, which is asked for in parts.
	Downloads bool
}

// Pages are the pages of some instances.
type Pages struct {
	names     []string
	instances map[string]*Instance
	sessions  *session.Sessions
	templates templates.Set
	now       func() time.Time
}

// New makes the pages of instances, in the order in which they are listed.
func New(instances []*Instance, sessions *session.Sessions, now func() time.Time) (*Pages, error) {
	index, err := byName(instances)
	if err != nil {
		return nil, err
	}
	p := &Pages{instances: index, sessions: sessions, templates: templates.Parse(), now: now}
	for _, i := range instances {
		p.names = append(p.names, i.Name())
	}
	return p, nil
}

// Routes are all pages and actions of an instance.
func (p *Pages) Routes() []Route {
	return []Route{
		{Method: "GET", Path: "/acknowledge", Role: access.Viewer, Handle: p.askAcknowledgement, Before: true},
		{Method: "POST", Path: "/acknowledge", Role: access.Viewer, Handle: p.acknowledge, Before: true, Acts: true},
		{Method: "GET", Path: "/{$}", Role: access.Viewer, Handle: p.overview},
		{Method: "GET", Path: "/overview/live", Role: access.Viewer, Handle: p.overviewLive},
		{Method: "GET", Path: "/overview/charts", Role: access.Viewer, Handle: p.overviewCharts},
		{Method: "GET", Path: "/flows/{flow}", Role: access.Viewer, Handle: p.flow},
		{Method: "GET", Path: "/flows/{flow}/live", Role: access.Viewer, Handle: p.flowLive},
		{Method: "GET", Path: "/flows/{flow}/charts", Role: access.Viewer, Handle: p.flowCharts},
		{Method: "GET", Path: "/flows/{flow}/{action}", Role: access.Operator, Handle: p.confirm},
		{Method: "POST", Path: "/flows/{flow}/{action}", Role: access.Operator, Handle: p.act, Acts: true},
		{Method: "GET", Path: "/all/{action}", Role: access.Operator, Handle: p.confirmAll},
		{Method: "POST", Path: "/all/{action}", Role: access.Operator, Handle: p.actAll, Acts: true},
		{Method: "GET", Path: "/runs", Role: access.Viewer, Handle: p.runs},
		{Method: "GET", Path: "/runs/{run}", Role: access.Viewer, Handle: p.run},
		{Method: "GET", Path: "/runs/{run}/live", Role: access.Viewer, Handle: p.runLive},
		{Method: "GET", Path: "/runs/{run}/lanes", Role: access.Viewer, Handle: p.lanes},
		{Method: "GET", Path: "/runs/{run}/replay", Role: access.Operator, Handle: p.confirmReplay},
		{Method: "POST", Path: "/runs/{run}/replay", Role: access.Operator, Handle: p.replay, Acts: true},
		{Method: "GET", Path: "/runs/{run}/cancel", Role: access.Operator, Handle: p.confirmCancel},
		{Method: "POST", Path: "/runs/{run}/cancel", Role: access.Operator, Handle: p.cancel, Acts: true},
		{Method: "GET", Path: "/runs/{run}/rollback", Role: access.Operator, Handle: p.confirmRollback},
		{Method: "POST", Path: "/runs/{run}/rollback", Role: access.Operator, Handle: p.rollback, Acts: true},
		{Method: "GET", Path: "/backfill", Role: access.Operator, Handle: p.backfill},
		{Method: "POST", Path: "/backfill", Role: access.Operator, Handle: p.askBackfill, Acts: true},
		{Method: "GET", Path: "/runs/{run}/{action}", Role: access.Operator, Handle: p.confirmDeletes},
		{Method: "POST", Path: "/runs/{run}/{action}", Role: access.Operator, Handle: p.actDeletes, Acts: true},
		{Method: "GET", Path: "/quarantine", Role: access.Viewer, Handle: p.quarantine},
		{Method: "GET", Path: "/quarantine.csv", Role: access.Viewer, Handle: p.quarantineCSV, Downloads: true},
		{Method: "GET", Path: "/quarantine/{table}", Role: access.Viewer, Handle: p.refusedRecords},
		{Method: "GET", Path: "/quarantine/{table}/{action}", Role: access.Support, Handle: p.confirmRefused},
		{Method: "POST", Path: "/quarantine/{table}/{action}", Role: access.Support, Handle: p.actRefused, Acts: true},
		{Method: "GET", Path: "/quarantine/{table}/records/{id}", Role: access.Viewer, Handle: p.refusedRecord},
		{Method: "GET", Path: "/quarantine/{table}/records/{id}/reveal", Role: access.Support, Handle: p.confirmReveal},
		{Method: "POST", Path: "/quarantine/{table}/records/{id}/reveal", Role: access.Support, Handle: p.reveal, Acts: true},
		{Method: "GET", Path: "/mappings", Role: access.Viewer, Handle: p.mappings},
		{Method: "GET", Path: "/mappings/{mapping}", Role: access.Viewer, Handle: p.mapping},
		{Method: "POST", Path: "/mappings/{mapping}/try", Role: access.Support, Handle: p.tryMapping, Acts: true},
		{Method: "GET", Path: "/mappings/{mapping}/try/{id}", Role: access.Support, Handle: p.tried},
		{Method: "GET", Path: "/mappings/{mapping}/try/{id}/reveal", Role: access.Support, Handle: p.confirmRevealTried},
		{Method: "POST", Path: "/mappings/{mapping}/try/{id}/reveal", Role: access.Support, Handle: p.revealTried, Acts: true},
		{Method: "POST", Path: "/mappings/{mapping}/plan", Role: access.Operator, Handle: p.planMapping, Acts: true},
		{Method: "GET", Path: "/mappings/{mapping}/edit", Role: access.Admin, Handle: p.editMapping},
		{Method: "POST", Path: "/mappings/{mapping}/edit", Role: access.Admin, Handle: p.postMapping, Acts: true},
		{Method: "GET", Path: "/addmapping", Role: access.Operator, Handle: p.addMapping},
		{Method: "GET", Path: "/addmapping/mapping.yaml", Role: access.Operator, Handle: p.addMappingYAML},
		{Method: "GET", Path: "/addmapping/edit", Role: access.Admin, Handle: p.backToAdd},
		{Method: "POST", Path: "/addmapping/edit", Role: access.Admin, Handle: p.editNew, Acts: true},
		{Method: "GET", Path: "/mappings/{mapping}/remove", Role: access.Admin, Handle: p.confirmRemove},
		{Method: "POST", Path: "/mappings/{mapping}/remove", Role: access.Admin, Handle: p.removeMapping, Acts: true},
		{Method: "GET", Path: "/mappings/{mapping}/history", Role: access.Viewer, Handle: p.history},
		{Method: "GET", Path: "/history", Role: access.Viewer, Handle: p.history},
		{Method: "GET", Path: "/history/{save}/{how}", Role: access.Admin, Handle: p.confirmRestore},
		{Method: "POST", Path: "/history/{save}/{how}", Role: access.Admin, Handle: p.restore, Acts: true},
		{Method: "GET", Path: "/people", Role: access.Support, Handle: p.people},
		{Method: "POST", Path: "/people", Role: access.Support, Handle: p.findPeople, Acts: true},
		{Method: "GET", Path: "/people/{id}", Role: access.Support, Handle: p.person},
		{Method: "GET", Path: "/people/{id}/reveal", Role: access.Support, Handle: p.confirmRevealPerson},
		{Method: "POST", Path: "/people/{id}/reveal", Role: access.Support, Handle: p.revealPerson, Acts: true},
		{Method: "GET", Path: "/people/{id}/sync", Role: access.Operator, Handle: p.confirmSyncPerson},
		{Method: "POST", Path: "/people/{id}/sync", Role: access.Operator, Handle: p.syncPerson, Acts: true},
		{Method: "GET", Path: "/people/{id}/forget", Role: access.Admin, Handle: p.confirmForget},
		{Method: "POST", Path: "/people/{id}/forget", Role: access.Admin, Handle: p.forget, Acts: true},
		{Method: "GET", Path: "/events", Role: access.Viewer, Handle: p.events},
		{Method: "GET", Path: "/events/live", Role: access.Viewer, Handle: p.eventsLive},
		{Method: "GET", Path: "/events/backfill", Role: access.Operator, Handle: p.eventsBackfill},
		{Method: "POST", Path: "/events/backfill", Role: access.Operator, Handle: p.askEventsBackfill, Acts: true},
		{Method: "GET", Path: "/log", Role: access.Viewer, Handle: p.log},
		{Method: "GET", Path: "/log/chain", Role: access.Viewer, Handle: p.logChain},
		{Method: "GET", Path: "/optouts", Role: access.Viewer, Handle: p.optOuts},
		{Method: "POST", Path: "/optouts/compare", Role: access.Support, Handle: p.compareOptOuts, Acts: true},
		{Method: "POST", Path: "/optouts/evidence", Role: access.Support, Handle: p.evidence, Acts: true},
		{Method: "POST", Path: "/optouts/evidence.csv", Role: access.Support, Handle: p.evidenceCSV, Acts: true},
		{Method: "POST", Path: "/optouts/typology", Role: access.Operator, Handle: p.lookedAtTypology, Acts: true},
		{Method: "GET", Path: "/docs", Role: access.Viewer, Handle: p.doc, Before: true},
		{Method: "GET", Path: "/docs/{page...}", Role: access.Viewer, Handle: p.doc, Before: true},
		{Method: "GET", Path: "/settings", Role: access.Viewer, Handle: p.settings},
		{Method: "GET", Path: "/settings/{part}", Role: access.Viewer, Handle: p.settings},
		{Method: "POST", Path: "/settings/{part}", Role: access.Admin, Handle: p.saveSettings, Acts: true},
		{Method: "POST", Path: "/settings/{part}/check", Role: access.Admin, Handle: p.checkSettings},
		{Method: "POST", Path: "/settings/{part}/download", Role: access.Admin, Handle: p.downloadSettings},
		{Method: "POST", Path: "/settings/{part}/test", Role: access.Operator, Handle: p.testSettings, Acts: true},
		{Method: "POST", Path: "/secrets/{secret}", Role: access.Admin, Handle: p.replaceSecret, Acts: true},
		{Method: "POST", Path: "/support", Role: access.Operator, Handle: p.supportBundle, Acts: true},
		{Method: "GET", Path: "/about", Role: access.Viewer, Handle: p.about},
	}
}

// nav are the pages that the menu leads to, for somebody with a role.
func nav(instance string, role access.Role) []link {
	all := []link{
		{URL: home(instance), Icon: "grid", Label: "Overview"},
		{URL: home(instance) + "runs", Icon: "list", Label: "Runs"},
		{URL: quarantineURL(instance), Icon: "box", Label: "Quarantine"},
		{URL: mappingsURL(instance), Icon: "map", Label: "Mappings"},
		{URL: home(instance) + "settings", Icon: "gear", Label: "Settings"},
		{URL: peopleURL(instance), Icon: "person", Label: "Find a person", Role: access.Support},
		{URL: optOutsURL(instance), Icon: "shield", Label: "Opt-outs and privacy"},
		{URL: eventsURL(instance), Icon: "mail", Label: "Events"},
		{URL: logURL(instance), Icon: "clock", Label: "Operations log"},
		{URL: docsURL(instance), Icon: "book", Label: "Documentation"},
	}
	return slices.DeleteFunc(all, func(l link) bool { return l.Role > role })
}

// link is an entry of the menu.
type link struct {
	URL, Icon, Label string
	Role             access.Role // that it needs; none: every role has it
}

// Here says that a page is the one that an entry leads to, or below it.
func (l link) Here(path string) bool {
	return path == l.URL || !strings.HasSuffix(l.URL, "/") && strings.HasPrefix(path, l.URL+"/")
}

// home is the overview of an instance.
func home(instance string) string { return "/i/" + instance + "/" }

// Visible are the instances in which somebody has a role.
func (p *Pages) Visible(who session.Who) []string {
	return slices.DeleteFunc(slices.Clone(p.names), func(name string) bool { return who.Role(name) == access.None })
}

// Has says that the console shows an instance.
func (p *Pages) Has(name string) bool { return p.instances[name] != nil }

// Within is how long a route may take.
func (r Route) Within() time.Duration {
	switch {
	case r.Downloads:
		return fileWithin
	case r.Acts:
		return actWithin
	}
	return pageWithin
}

// Close ends the connections.
func (p *Pages) Close() {
	for _, i := range p.instances {
		<-i.turn
		if i.temporal != nil {
			i.temporal.Close()
		}
	}
}

// instance is the one that a request is about; the server has checked that it is there.
func (p *Pages) instance(r *http.Request) *Instance { return p.instances[r.PathValue("instance")] }

// operator asks the instance of a request in the name of who is signed in.
func (p *Pages) operator(r *http.Request) (*operator.Instance, error) {
	within := askWithin
	if r.Method == http.MethodPost {
		within = doWithin
	}
	return p.instance(r).as(r.Context(), session.Of(r), within, p.now)
}

// may says whether who is signed in has a role in the instance of a request.
func (p *Pages) may(r *http.Request, role access.Role) bool {
	return session.Of(r).Who.Role(r.PathValue("instance")) >= role
}

// frame is what every page has around its view.
type frame struct {
	Title, Theme, Path, Version string
	Zone                        string // that times are written in
	Themes                      []string
	Who                         session.Who
	Instance                    string
	Role                        access.Role
	Instances                   []string
	Nav                         []link
	Finds                       bool // may look for people
	View                        any
}

// Operates says that who looks may have a support bundle made.
func (f frame) Operates() bool { return f.Role >= access.Operator }

// themes that can be chosen; the first follows the machine.
var themes = []string{"auto", "light", "dark"}

// themeCookie keeps the choice.
const themeCookie = "causeway_theme"

// Theme is what a request's cookie chose.
func Theme(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && slices.Contains(themes, c.Value) {
		return c.Value
	}
	return themes[0]
}

// SetTheme keeps a choice; one that there is not is left out.
func SetTheme(w http.ResponseWriter, theme string, secure bool) {
	if slices.Contains(themes, theme) {
		http.SetCookie(w, &http.Cookie{Name: themeCookie, Value: theme, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode})
	}
}

func (p *Pages) frame(r *http.Request, title string, view any) frame {
	f := frame{Title: title, Theme: Theme(r), Themes: themes, Path: r.URL.Path, Version: static.Version, Zone: zone(r).String(), View: view}
	if from, err := url.Parse(r.Referer()); err == nil && r.Method == http.MethodPost {
		f.Path = from.Path // the answer to a form has no address of its own
	}
	if s := session.Of(r); s != nil {
		f.Who, f.Instances = s.Who, p.Visible(s.Who)
		if f.Instance = r.PathValue("instance"); p.Has(f.Instance) && s.Who.Role(f.Instance) > access.None {
			f.Role = s.Who.Role(f.Instance)
			f.Nav, f.Finds = nav(f.Instance, f.Role), f.Role >= access.Support
		} else {
			f.Instance = ""
		}
	}
	return f
}

// render writes a page; part writes a part of it alone.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, page, title string, view any) {
	p.part(w, r, status, page, "layout", title, view)
}

func (p *Pages) part(w http.ResponseWriter, r *http.Request, status int, page, part, title string, view any) {
	var out bytes.Buffer // nothing is sent of a page that cannot be written whole
	if err := p.templates.Write(&out, page, part, p.frame(r, title, view)); err != nil {
		http.Error(w, "the page cannot be written: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w)
}

// inPart says that a part of a page is asked for, by the page that is there already.
func inPart(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

// detached goes on when who asked has gone, because what was begun is then told to the log.
func detached(ctx context.Context, within time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), within)
}
