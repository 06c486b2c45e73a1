package mapping

import (
	"sort"
	"strings"
)

// Problem is one thing that is wrong with a mapping, in the words of the operator's
// file.
type Problem struct {
	Path   string `json:"path"`             // ingress.tables.contacts.fields[3].to
	Got    string `json:"got"`              // what was found
	Want   string `json:"want"`             // what would do
	Remedy string `json:"remedy,omitempty"` // what to do about it
}

// String gives one line: path: got …, want …; remedy.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Path + ": got " + p.Got + ", want " + p.Want)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	return b.String()
}

// Problems is an error that lists everything that is wrong with a mapping.
type Problems []Problem

// Error gives one problem per line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// Nearest returns the candidate that word was most likely meant to be, or ""
// when none is close. It compares without regard to case.
func Nearest(word string, candidates []string) string {
	sorted := append([]string(nil), candidates...)
	sort.Strings(sorted)
	low := strings.ToLower(word)
	best, bestDistance := "", len([]rune(low))/3+2
	for _, c := range sorted {
		if d := distance(low, strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the number of edits between two words: insert, delete, replace,
// swap of neighbours.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, prev, cur := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		cur[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(y)]
}

// didYouMean is the remedy for an unknown name.
func didYouMean(word string, candidates []string) string {
	if near := Nearest(word, candidates); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}
