package pages

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// What an operator wrote into a filter or a replacement may name a person. It is shown to
// those who may look for people, and not to a viewer. Values of a choice name nobody.

// listed says that a value is one that both systems list, or yes or no.
func listed(kind string, options []activities.ModelOption, value string) bool {
	return value == "" || kind == "boolean" || slices.ContainsFunc(options, func(o activities.ModelOption) bool { return o.Value == value || o.Label == value })
}

// hiddenText stands for a text that is not for who looks.
func hiddenText(s string) string {
	if s == "" {
		return "nothing"
	}
	return fmt.Sprintf("(text of %d)", len([]rune(s)))
}

// withTexts are the settings whose differences repeat such texts.
var withTexts = regexp.MustCompile(`(^|\.)(filter\.where|replace)(\[|\.|$)`)

// differing says differences in words, without such texts unless they are for who looks.
func differing(differences []activities.MappingDifference, texts bool) (out []string) {
	for _, d := range differences {
		text := d.Sentence
		switch {
		case texts:
		case strings.Contains(d.Path, "filter.where"):
			text = "The conditions of the filter differ; they are shown from the role support on"
		case withTexts.MatchString(d.Path):
			text = "A replacement differs; it is shown from the role support on"
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// savedText says that a mapping was saved, from a fixed choice of sentences.
func savedText(r *http.Request) (out []string) {
	q := r.URL.Query()
	if q.Get("saved") == "" {
		return nil
	}
	out = append(out, "It was saved. It does not run yet.")
	if q.Get("unkept") != "" {
		out = append(out, "It is not in the history: nobody took note of it. The file is as you left it.")
	}
	return out
}

// startsIt is what makes a save run.
func startsIt(i *operator.Instance, f operator.FlowReport) *action {
	switch {
	case f.Status == nil && f.Known:
		return nil
	case f.Status == nil || operator.Stopped(*f.Status) || f.Status.State == workflows.StateFailed:
		return doing(i, f.Flow, "start")
	}
	return doing(i, f.Flow, "restart")
}
