package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const troubleshooting = "docs/troubleshooting.md"

// saidBy are the folders whose errors people read, and the calls that make one there.
var saidBy = map[string][]string{
	"starter/commands/":  {"failed", "badInput"},
	"internal/operator/": {"failed", "badInput", "badField", "notStarted", "noWorker", "unreachable", "denied"},
	"workflows/":         {"refuse", "New"},
	"worker/host/":       {"Errorf", "New"},
	"console/":           {"Errorf", "New"},
}

var verb = regexp.MustCompile(`%(?:\[\d+\])?[-+#]?[0-9.]*[a-zA-Z]`)

// errorSentences are the sentences of errors, by where they are said, with … for what
// differs from time to time. One that consists of what differs is said elsewhere.
func errorSentences(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, file := range files(t, ".go") {
		folder := file[:strings.LastIndex(file, "/")+1]
		calls, said := saidBy[folder]
		if !said || strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, "../"+file, nil, 0)
		require.NoError(t, err)
		for _, decl := range parsed.Decls { // what stands outside of functions is for programs to compare with
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || !slices.Contains(calls, called(call)) {
					return true
				}
				format := 0
				if called(call) == "badField" {
					format = 1
				}
				if format >= len(call.Args) {
					return true
				}
				if lit, ok := call.Args[format].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, err := strconv.Unquote(lit.Value)
					require.NoError(t, err)
					sentence := strings.Join(strings.Fields(verb.ReplaceAllString(text, "…")), " ")
					if strings.ContainsFunc(sentence, func(r rune) bool { return r >= 'a' && r <= 'z' }) {
						out[set.Position(lit.Pos()).String()] = sentence
					}
				}
				return true
			})
		}
	}
	return out
}

// called is the name of what is called, without its package.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// beginnings are the texts that the page explains: code in the first cell of a table.
func beginnings(page string) []string {
	var out []string
	for line := range strings.Lines(page) {
		if cells := strings.SplitN(line, "|", 3); len(cells) == 3 && cells[0] == "" {
			for _, code := range coded.FindAllString(cells[1], -1) {
				out = append(out, strings.Trim(code, "`"))
			}
		}
	}
	return out
}

// fewLetters is how many letters of its own a text has that explains no family: what is
// mostly … would explain everything.
const fewLetters = 7

// beginsWith makes a text of the page a pattern, in which … is anything. One with few
// letters explains nothing but itself.
func beginsWith(text string) *regexp.Regexp {
	letters := 0
	for _, r := range text {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			letters++
		}
	}
	if letters < fewLetters {
		return regexp.MustCompile(`^` + regexp.QuoteMeta(text) + `$`)
	}
	return regexp.MustCompile(`^` + strings.ReplaceAll(regexp.QuoteMeta(text), "…", ".*"))
}

// Each error that a program may show is on the page about errors: itself or its family,
// by how it begins. Nothing is there that no program says.
func TestEveryErrorIsExplained(t *testing.T) {
	t.Parallel()
	texts := beginnings(read(t, troubleshooting))
	var patterns []*regexp.Regexp
	for _, text := range texts {
		patterns = append(patterns, beginsWith(text))
	}
	said := errorSentences(t)
	require.Greater(t, len(said), 200)
	used := map[int]bool{}
	for at, sentence := range said {
		found := false
		for i, p := range patterns {
			if p.MatchString(sentence) {
				used[i], found = true, true
			}
		}
		if !found {
			t.Errorf("%s says %q, and %s does not explain it", at, sentence, troubleshooting)
		}
	}
	own := codes(t)
	for i, text := range texts {
		if !used[i] && !slices.Contains(own, text) && !slices.Contains(saidElsewhere, text) {
			t.Errorf("%s explains %q, and nothing says it", troubleshooting, text)
		}
	}
}

// saidElsewhere are errors that are put together from several texts, or made by a module.
var saidElsewhere = []string{"unknown command …", "unknown flag: …", "…: got …, want …; …"}

// codes are those of what a service refused or could not do: a flow that is FAILED and a
// record in quarantine show one.
func codes(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, found := range regexp.MustCompile(`\tReason[A-Z]\w* += "(\w+)"`).FindAllStringSubmatch(read(t, "internal/apierr/apierr.go"), -1) {
		out = append(out, found[1])
	}
	require.Greater(t, len(out), 15)
	return out
}

func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	texts := beginnings(read(t, troubleshooting))
	for _, code := range codes(t) {
		if !slices.Contains(texts, code) {
			t.Errorf("%s does not explain the code %s", troubleshooting, code)
		}
	}
}

// The test finds what lacks: a text explains what begins as it does, and nothing else.
func TestATextExplainsItsFamily(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"run … is …", "no worker"}, beginnings("| Text | Do |\n|---|---|\n| `run … is …`<br>`no worker` | `wait` |\n"))
	family := beginsWith("run … has ended")
	require.True(t, family.MatchString("run … has ended already (…)"))
	require.False(t, family.MatchString("the run … has ended"))
	require.False(t, beginsWith("… at …").MatchString("run … is at work"))
	require.True(t, beginsWith("… at …").MatchString("… at …"))
}
