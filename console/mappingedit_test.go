package console_test

import (
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// withFile gives the first instance its configuration as a file.
func withFile(w *world) { w.file = filepath.Join(w.t.TempDir(), "causeway.yaml") }

const editAt = "/i/acme/mappings/contacts/edit"

// editor is a console whose administrator may edit a file.
func editor(t *testing.T, change ...func(*world)) *world {
	t.Helper()
	w := newWorld(t, append([]func(*world){as(access.Admin), withFile, withMapping}, change...)...)
	w.describes()
	w.acme.On("Run "+activities.DescribeMapping, fits)
	w.runs(nil)
	w.acme.On("Later "+activities.RecordSave, nil)
	w.acme.On("Run "+activities.ListSaves, activities.ListSavesResult{})
	return w.signIn()
}

// fits is a worker to whom every mapping fits.
func fits(any) any { r := described(); r.Problems = nil; return r }

func (w *world) text() string {
	w.t.Helper()
	data, err := os.ReadFile(w.file)
	require.NoError(w.t, err)
	return string(data)
}

// draftForm is what a browser would send of the form of a page, without a button.
func draftForm(t *testing.T, body string) url.Values {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	require.NoError(t, err)
	out := url.Values{}
	attr := func(n *html.Node, name string) (string, bool) {
		for _, a := range n.Attr {
			if a.Key == name {
				return a.Val, true
			}
		}
		return "", false
	}
	var walk func(n *html.Node, inside bool)
	walk = func(n *html.Node, inside bool) {
		if id, _ := attr(n, "id"); n.Type == html.ElementNode && n.Data == "form" && id == "form" {
			inside = true
		}
		name, named := attr(n, "name")
		if n.Type == html.ElementNode && inside && named {
			value, _ := attr(n, "value")
			kind, _ := attr(n, "type")
			_, checked := attr(n, "checked")
			switch {
			case n.Data == "input" && (kind != "checkbox" || checked):
				out.Add(name, value)
			case n.Data == "select":
				first, any, picked, found := "", false, "", false
				for o := n.FirstChild; o != nil; o = o.NextSibling {
					if o.Data != "option" {
						continue
					}
					v, has := attr(o, "value")
					if !has && o.FirstChild != nil {
						v = o.FirstChild.Data
					}
					if !any {
						first, any = v, true
					}
					if _, is := attr(o, "selected"); is {
						picked, found = v, true
					}
				}
				if !found {
					picked = first
				}
				out.Add(name, picked)
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, inside)
		}
	}
	walk(doc, false)
	require.NotEmpty(t, out, body)
	return out
}

// sends the form of a page with some fields changed, and a button.
func (w *world) sends(at string, f url.Values, do string, fields ...string) page {
	w.t.Helper()
	out := maps.Clone(f)
	for n := 0; n < len(fields); n += 2 {
		out.Set(fields[n], fields[n+1])
	}
	out.Set("do", do)
	return w.post(at, out)
}

func TestAMappingIsEditedAndSaved(t *testing.T) {
	t.Parallel()
	w := editor(t)
	before := w.text()
	require.Contains(t, w.get("/i/acme/mappings/contacts").body, `href="`+editAt+`"`)
	p := w.get(editAt)
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, want := range []string{`value="emailaddress1"`, "text, up to 100", "<code>externalId</code>", `<option value="location.city">`, `<option value="statecode">`, "begins with", `value="Pumpkin"`, "Nothing is changed yet."} {
		require.Contains(t, p.body, want)
	}
	require.NotContains(t, p.body, `<option value="created">`, "R11.15: what is read-only is not offered")
	require.NotContains(t, p.body, `<option value="email">`, "R11.5: what is taken is not offered")
	f := draftForm(t, p.body)

	// As it is, it says nothing new.
	p = w.sends(editAt, f, "save")
	require.Contains(t, p.body, "There is nothing to save")
	require.Equal(t, before, w.text())

	// A pair more, moved up, one without updates, another filter, and no deletes. Without
	// scripts each button answers with the page.
	p = w.sends(editAt, f, "add-pair")
	require.Contains(t, p.body, `name="from.2"`)
	p = w.sends(editAt, draftForm(t, p.body), "up-2", "from.2", "lastname", "to.2", "lastName")
	require.Contains(t, p.body, `name="from.1" id="from-1" list="cols" value="lastname"`)
	p = w.sends(editAt, draftForm(t, p.body), "add-cond")
	f = draftForm(t, p.body)
	f.Del("apply_deletes")
	f.Del("upd.0")
	p = w.sends(editAt, f, "look", "col.2", "emailaddress1", "is.2", "not_empty", "to.1", "location.city")
	for _, want := range []string{"edits are not saved", "lastname -&gt; location.city", "apply updates is now off", "Apply deletes is now off", "the condition emailaddress1 is not empty is new"} {
		require.Contains(t, p.body, want)
	}
	require.Equal(t, before, w.text(), "nothing is written before a save")
	p = w.sends(editAt, draftForm(t, p.body), "save", "reason", "ticket 4711")
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	after := w.text()
	for _, want := range []string{"{ from: lastname, to: location.city }", "column: emailaddress1", "apply_updates: false", "value: Pumpkin", "dynamics: {table: contact}"} {
		require.Contains(t, after, want)
	}
	kept := w.acme.Requests["Later "+activities.RecordSave][0].(activities.RecordSaveInput)
	require.Equal(t, "ticket 4711", kept.Reason)
	require.Equal(t, "ada", kept.By)
	require.NotEmpty(t, kept.Differences)

	// The page says that it does not run, and what is saved is what is shown, planned and started.
	w.runs(func(st *workflows.Status) { st.Revision, st.FiledRevision = "aaaaaaaaaaaa", "bbbbbbbbbbbb" })
	p = w.get(p.header.Get("Location"))
	for _, want := range []string{"It was saved. It does not run yet.", `href="/i/acme/flows/contacts/restart"`, "<code>location.city</code>"} {
		require.Contains(t, p.body, want)
	}
}

func TestMistakesAreToldBesideTheField(t *testing.T) {
	t.Parallel()
	w := editor(t)
	before := w.text()
	f := draftForm(t, w.get(editAt).body)
	f.Set("to.1", "email")
	f.Set("is.0", "larger")
	p := w.post(editAt+"?do=check", f, "HX-Request", "true")
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.NotContains(t, p.body, "<html")
	require.Regexp(t, `id="pm-1" hx-swap-oob="true">.*to: got `, p.body)
	require.Regexp(t, `id="cm-0" hx-swap-oob="true">.*is: got `, p.body)
	require.Contains(t, p.body, "2 problems to mend first")

	// The same texts as config validate, and the same without scripts; nothing is saved.
	_, text, _ := strings.Cut(regexp.MustCompile(`id="pm-1" hx-swap-oob="true">.*?<p>([^<]*)`).FindString(p.body), "<p>")
	p = w.sends(editAt, f, "save")
	require.Equal(t, http.StatusUnprocessableEntity, p.status)
	require.Contains(t, p.body, "Nothing was saved.")
	require.Contains(t, p.body, text)
	require.Equal(t, before, w.text())
	require.NotContains(t, w.acme.Asked, "Later "+activities.RecordSave)

	// What both systems have against it keeps it from being saved as well.
	f = draftForm(t, w.get(editAt).body)
	w.describes()
	p = w.sends(editAt, f, "save", "to.0", "lastName")
	require.Equal(t, http.StatusUnprocessableEntity, p.status)
	require.Contains(t, p.body, "got an odd field")
	require.Equal(t, before, w.text())

	// Two replacements of one value.
	w.acme.On("Run "+activities.DescribeMapping, fits)
	p = w.sends(editAt, f, "add-rep", "replacing", "1")
	p = w.sends(editAt, draftForm(t, p.body), "save", "when.1.1", "Unknown", "write.1.1", "x")
	require.Contains(t, p.body, "&#34;Unknown&#34; twice")
	require.Equal(t, before, w.text())
}

func TestOnlyAnAdministratorEdits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, as(access.Operator), withFile)
	w.describes()
	w.runs(nil)
	w.signIn()
	before := w.text()
	require.NotContains(t, w.get("/i/acme/mappings/contacts").body, editAt)
	require.Equal(t, http.StatusForbidden, w.get(editAt).status)
	require.Equal(t, http.StatusForbidden, w.post(editAt, url.Values{"do": {"save"}, "pairs": {"1"}, "from.0": {"lastname"}, "to.0": {"lastName"}}).status)
	require.Equal(t, before, w.text())

	admin := editor(t)
	require.Equal(t, http.StatusForbidden, admin.post(editAt, url.Values{"do": {"save"}}, "Sec-Fetch-Site", "cross-site").status)
	f := draftForm(t, admin.get(editAt).body)
	for _, fixed := range []string{"table", "resource", "key", "name"} { // R9.5, R10.4
		f.Set(fixed, "another")
	}
	require.Contains(t, admin.sends(editAt, f, "save").body, "There is nothing to save")
}

func TestTheSecondPersonIsTold(t *testing.T) {
	t.Parallel()
	w := editor(t)
	mine := draftForm(t, w.get(editAt).body)
	theirs := w.sends(editAt, mine, "save", "long.0", "truncate")
	require.Equal(t, http.StatusSeeOther, theirs.status, theirs.body)
	after := w.text()
	w.acme.On("Run "+activities.ListSaves, activities.ListSavesResult{Saves: []activities.ConfigSave{
		{ID: "0", At: noon.Add(-time.Hour), By: "earlier"}, {ID: "1", At: noon.Add(time.Minute), By: "grace", Verified: true, Reason: "names were refused"}}})

	mine.Set("upd.1", "on")
	p := w.sends(editAt, mine, "save")
	require.Equal(t, http.StatusConflict, p.status)
	for _, want := range []string{"Somebody else has saved meanwhile", "grace: names were refused", "text that is too long is now truncate", "apply updates is now on", "Take up both"} {
		require.Contains(t, p.body, want)
	}
	require.NotContains(t, p.body, "earlier")
	require.Equal(t, after, w.text(), "nothing is overwritten")
	p = w.sends(editAt, draftForm(t, p.body), "both")
	require.NotContains(t, p.body, "Somebody else has saved")
	p = w.sends(editAt, draftForm(t, p.body), "save")
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Contains(t, w.text(), "truncate")
	require.NotContains(t, w.text(), "apply_updates: false")

	// Where both changed the same, theirs stays and both are shown.
	mine.Set("long.0", "")
	mine.Set("lower.0", "on")
	p = w.sends(editAt, mine, "save")
	require.Contains(t, p.body, "<code>fields.email</code>")
	require.Contains(t, p.body, "Take theirs, and the rest of mine")
}

func TestAFileThatCannotBeWrittenIsOfferedForDownload(t *testing.T) {
	t.Parallel()
	w := editor(t)
	before := w.text()
	require.NoError(t, os.Chmod(w.file, 0o400))
	f := draftForm(t, w.get(editAt).body)
	p := w.sends(editAt, f, "save", "long.0", "truncate")
	require.Equal(t, http.StatusConflict, p.status, p.body)
	require.Contains(t, p.body, "The console cannot write this file")
	p = w.sends(editAt, draftForm(t, p.body), "download")
	require.Contains(t, p.header.Get("Content-Disposition"), `filename="causeway.yaml"`)
	require.Contains(t, p.body, "truncate")
	require.Equal(t, before, w.text())
}

func TestADraftIsTriedAndPlanned(t *testing.T) {
	t.Parallel()
	w := editor(t)
	before := w.text()
	w.tries()
	f := draftForm(t, w.get(editAt).body)
	p := w.sends(editAt, f, "try", "to.0", "lastName", "q", refusedID)
	require.Contains(t, p.body, "With these edits a run would: refuse")
	require.NotContains(t, p.body, secretName)
	asked := w.acme.Requests["Run "+activities.TryMapping]
	require.Equal(t, "lastName", asked[0].(activities.TryMappingInput).Table.Fields[0].To)
	require.Equal(t, "lastName", draftForm(t, p.body).Get("to.0"), "the draft goes on")
	p = w.sends(editAt, draftForm(t, p.body), "reveal", "why", "ticket 4712")
	require.Contains(t, p.body, secretName)
	require.Equal(t, http.StatusBadRequest, w.sends(editAt, f, "try", "q", "quill").status)

	w.acme.On("Run "+activities.Plan, activities.PlanResult{Sampled: true, Counts: activities.Counts{Read: 100, Updated: 60, Unchanged: 40}, EngineCalls: 1234})
	p = w.sends(editAt, f, "plan", "to.0", "lastName", "sample", "1000")
	require.Contains(t, p.body, "1,234")
	require.Equal(t, 1000, w.acme.Requests["Run "+activities.Plan][0].(activities.PlanInput).Sample)
	require.Equal(t, before, w.text())

	// Without a worker the form is there, and says what it does not know.
	w.acme.On("Run "+activities.DescribeMapping, operator.ErrNoWorker)
	p = w.get(editAt)
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, "Types and lists are not known")
}
