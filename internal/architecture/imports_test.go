// Package architecture_test keeps the arrows between packages pointing down: it
// says for every package of the module which other packages of ours it may
// import. docs/architecture.md draws the same picture.
package architecture_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "causeway.dev/"

// A rule says what the packages at a path may import of ours. A path or an import
// that ends in a slash stands for everything below it.
type rule struct {
	may  []string
	pure bool // no I/O, no clock of a service, no logging, no Temporal

	// lends names the packages that still hold the code of a package which does not
	// exist yet. Until it exists, they may import what this one may.
	lends []string
}

var rules = table{
	// Programs. Operators ask; only worker/host builds clients.
	"starter":          {may: []string{"starter/commands"}},
	"starter/commands": {may: []string{"console", "internal/operator", "internal/support", "config", "config/edit", "workflows", "activities", "internal/buildinfo", "internal/histories", "internal/phrase", "internal/readable", "internal/signin", "internal/temporalcodec"}},
	"console":          {may: []string{"console/", "internal/access", "internal/buildinfo", "internal/operator", "internal/telemetry", "internal/temporalconn", "config"}},
	"console/":         {may: []string{"console/", "docs", "internal/optout", "internal/access", "internal/buildinfo", "internal/operator", "internal/support", "internal/signin", "config", "config/edit", "workflows", "activities", "internal/histories", "internal/phrase"}},
	"worker":           {may: []string{"worker/host", "config", "internal/buildinfo", "internal/readable", "internal/telemetry"}},
	"worker/host":      {may: []string{"config", "workflows", "activities", "activities/", "internal/"}},
	"config":           {may: []string{"internal/mapping", "internal/optout", "internal/timeline"}},
	"config/edit":      {may: []string{"config", "internal/mapping"}},

	// Order, and the work that is ordered. Flows do not know each other.
	"workflows":           {may: []string{"activities"}},
	"activities":          {may: []string{"internal/mapping", "internal/optout", "internal/timeline", "internal/readable"}},
	"activities/budget":   {may: []string{"internal/apierr", "internal/campaign", "internal/ledger", "internal/transport"}, lends: []string{"activities"}},
	"activities/run":      {may: []string{"activities", "internal/access", "internal/apierr", "internal/ledger", "internal/transport"}, lends: []string{"activities"}},
	"activities/ingress":  {may: with("activities/budget", "internal/bulk", "internal/dataverse", "internal/campaign", "internal/mapping", "internal/reconcile", "internal/optout"), lends: []string{"activities"}},
	"activities/egress":   {may: with("internal/dataverse", "internal/campaign", "internal/events", "internal/exports", "internal/inbox", "internal/timeline"), lends: []string{"activities"}},
	"activities/optout":   {may: with("activities/budget", "internal/dataverse", "internal/campaign", "internal/events", "internal/exports", "internal/inbox", "internal/mapping", "internal/optout"), lends: []string{"activities"}},
	"activities/doctor":   {may: with("activities/ingress", "activities/egress", "activities/optout", "activities/budget", "internal/dataverse", "internal/campaign", "internal/inbox", "internal/mapping", "internal/transport", "internal/optout")},
	"activities/logs":     {may: []string{"activities", "internal/apierr", "internal/campaign", "internal/ledger"}},
	"activities/notify":   {may: []string{"activities", "internal/ledger"}},
	"activities/operator": {may: with("config", "internal/access", "activities/budget", "activities/ingress", "internal/mapping", "internal/optout"), lends: []string{"activities"}},

	// Rules of the sync, which only compute.
	"internal/mapping":   {may: []string{"internal/apierr", "internal/optout"}, pure: true},
	"internal/reconcile": {may: []string{"internal/apierr", "internal/mapping"}, pure: true},
	"internal/optout":    {may: []string{"internal/readable"}, pure: true},
	"internal/events":    {pure: true},
	"internal/timeline":  {may: []string{"internal/events"}, pure: true},

	// Words and forms for people.
	"internal/readable": {pure: true},
	"internal/phrase":   {pure: true},

	// Clients, durable state, and what operators can do.
	"internal/apierr":        {},
	"internal/transport":     {may: []string{"internal/apierr"}},
	"internal/dataverse":     {may: []string{"internal/apierr", "internal/transport"}},
	"internal/campaign":      {may: []string{"internal/apierr", "internal/transport"}},
	"internal/exports":       {may: []string{"internal/events"}},
	"internal/inbox":         {may: []string{"internal/apierr", "internal/campaign", "internal/ledger"}},
	"internal/ledger":        {may: []string{"internal/processlock"}},
	"internal/processlock":   {},
	"internal/hooks":         {},
	"internal/signin":        {may: []string{"config"}},
	"internal/bulk":          {may: []string{"internal/campaign", "internal/mapping", "internal/optout"}},
	"internal/buildinfo":     {},
	"internal/histories":     {},
	"internal/telemetry":     {may: []string{"internal/readable"}},
	"internal/temporalconn":  {},
	"internal/temporalcodec": {},
	"internal/access":        {may: []string{"activities", "workflows", "config"}},
	"internal/support":       {may: []string{"activities", "config", "internal/buildinfo", "internal/operator", "internal/phrase"}},
	"internal/operator":      {may: []string{"activities", "internal/access", "workflows", "config", "config/edit", "internal/histories", "internal/temporalconn", "internal/temporalcodec", "internal/phrase", "internal/mapping", "internal/optout"}, lends: []string{"starter/commands"}},
	"internal/architecture":  {},
	"internal/frozen":        {}, // tests only
	"internal/simulation":    {}, // tests only

	// The stand-ins know nothing of the product, so that other clients can use them.
	"sandbox":     {may: []string{"sandbox/commands"}},
	"sandbox/":    {may: []string{"sandbox/"}},
	"sandbox/kit": {},

	"deploy": {},
	"docs":   {},
}

// with is what every flow's activities may import, and more.
func with(more ...string) []string {
	return append([]string{"activities", "activities/run", "internal/apierr", "internal/ledger"}, more...)
}

// moving are imports that are on their way out: package, then import.
var moving = map[[2]string]bool{}

// effects are what a pure package does without.
var effects = []string{"database/sql", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http", "os", "os/exec", "go.temporal.io/", "github.com/uber-go/tally/"}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	packages := read(t, filepath.Join("..", ".."))
	require.Greater(t, len(packages), 25)
	for pkg, imports := range packages {
		for _, problem := range rules.check(pkg, imports, func(p string) bool { return packages[p] != nil }) {
			if problem.imported == "" || !moving[[2]string{pkg, problem.imported}] {
				t.Errorf("%s: %s", pkg, problem.text)
			}
		}
	}
}

// The product never sees a stand-in or a package that helps tests, except in tests.
func TestOnlyTestsUseWhatIsForTests(t *testing.T) {
	t.Parallel()
	for pkg, imports := range read(t, filepath.Join("..", "..")) {
		if strings.HasPrefix(pkg, "sandbox") || helpsTests(pkg) {
			continue
		}
		for _, i := range imports {
			ours, ok := strings.CutPrefix(i, module)
			require.False(t, ok && (strings.HasPrefix(ours, "sandbox") || helpsTests(ours)), "%s imports %s", pkg, i)
		}
	}
}

// helpsTests says that a package is for tests, by its name: ledgertest.
func helpsTests(pkg string) bool { return strings.HasSuffix(pkg, "test") }

func TestTheRulesForbid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pkg     string
		imports []string
		absent  string
		want    string
	}{
		"a client in a workflow":            {"workflows", []string{"internal/campaign"}, "", "may not import internal/campaign"},
		"a flow in another":                 {"activities/egress", []string{"activities/ingress"}, "", "may not import activities/ingress"},
		"a flow in what carries it":         {"activities/run", []string{"activities/ingress"}, "", "may not import activities/ingress"},
		"the ledger in the contract":        {"activities", []string{"internal/ledger"}, "", "may not import internal/ledger"},
		"the ledger in a command":           {"starter/commands", []string{"internal/ledger"}, "", "may not import internal/ledger"},
		"the product in a stand-in":         {"sandbox/campaign", []string{"internal/campaign"}, "", "may not import internal/campaign"},
		"a stand-in in the worker":          {"worker/host", []string{"sandbox/stack"}, "", "may not import sandbox/stack"},
		"a package of which nobody thought": {"internal/helpers", nil, "", "has no rule"},
		"what is below":                     {"activities/optout", []string{"activities/run", "internal/optout"}, "", ""},
		"code that has not moved yet":       {"activities", []string{"internal/ledger"}, "activities/run", ""},
	} {
		for i := range c.imports {
			c.imports[i] = module + c.imports[i]
		}
		got := rules.check(c.pkg, c.imports, func(p string) bool { return p != c.absent })
		if c.want == "" {
			require.Empty(t, got, name)
			continue
		}
		require.Len(t, got, 1, name)
		require.Contains(t, got[0].text, c.want, name)
	}
	require.NotEmpty(t, rules.check("internal/optout", []string{"time", "os"}, func(string) bool { return true }), "a pure package that reads files")
}

// table has the rules by the path of a package.
type table map[string]rule

// problem is what is wrong with a package; imported is "" when it has no rule.
type problem struct{ imported, text string }

// of finds the rule of a package: its own, else that of the nearest folder.
func (t table) of(pkg string) (rule, bool) {
	if r, ok := t[pkg]; ok {
		return r, true
	}
	for dir := path.Dir(pkg); dir != "."; dir = path.Dir(dir) {
		if r, ok := t[dir+"/"]; ok {
			return r, true
		}
	}
	return rule{}, false
}

// check compares the imports of a package with its rule.
func (t table) check(pkg string, imports []string, exists func(string) bool) []problem {
	if helpsTests(pkg) {
		return nil
	}
	r, ok := t.of(pkg)
	if !ok {
		return []problem{{"", "has no rule; say in internal/architecture what it may import"}}
	}
	may := slices.Clone(r.may)
	for p, other := range t {
		if slices.Contains(other.lends, pkg) && !exists(p) {
			may = append(may, other.may...)
		}
	}
	var out []problem
	for _, i := range imports {
		ours, isOurs := strings.CutPrefix(i, module)
		switch {
		case isOurs && !slices.ContainsFunc(may, func(m string) bool { return covers(m, ours) }):
			out = append(out, problem{ours, "may not import " + ours})
		case r.pure && slices.ContainsFunc(effects, func(e string) bool { return covers(e, i) }):
			out = append(out, problem{i, "is pure and may not import " + i})
		}
	}
	return out
}

// covers says that a pattern stands for a path: the path itself, or with a slash
// at its end whatever is below.
func covers(pattern, p string) bool {
	return p == pattern || strings.HasSuffix(pattern, "/") && strings.HasPrefix(p, pattern)
}

// read finds the packages of this module below root, with what they import outside
// of tests. A package of tests only is there with no imports.
func read(t *testing.T, root string) map[string][]string {
	t.Helper()
	packages := map[string][]string{}
	err := filepath.WalkDir(root, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		if e.IsDir() {
			if name := e.Name(); rel == "devstack" || name == "testdata" || rel != "." && strings.HasPrefix(name, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(rel))
		if packages[pkg] == nil {
			packages[pkg] = []string{}
		}
		if strings.HasSuffix(file, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			i, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			packages[pkg] = append(packages[pkg], i)
		}
		return nil
	})
	require.NoError(t, err)
	return packages
}
