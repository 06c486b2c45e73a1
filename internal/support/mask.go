package support

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"causeway.dev/config"
)

const leftOut = "(left out)"

// names are keys whose value is the name of an operator, or says who they are.
var names = []string{"by", "started_by", "subject", "asked"}

// values are keys whose value may be that of a record, or its id.
var values = []string{"where", "value", "differences", "not_found", "ids", "last", "key_values"}

// told says whether the reason of a flow or a run in a state is Causeway's own, and not in
// the words of whoever stopped or paused it.
func told(state string) bool {
	return slices.Contains([]string{"FAILED", "INCOMPLETE", "LOST"}, state)
}

// masked is a document without names, values and reasons of people.
func masked(document any) (string, error) {
	data, err := json.Marshal(document)
	if err != nil {
		return "", err
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return "", err
	}
	data, err = json.MarshalIndent(mask(tree), "", "  ")
	return string(data) + "\n", err
}

func mask(tree any) any {
	switch t := tree.(type) {
	case map[string]any:
		state, _ := t["state"].(string)
		for key, value := range t {
			switch {
			case value == nil || value == "":
			case slices.Contains(names, key), slices.Contains(values, key), key == "reason" && !told(state):
				t[key] = leftOut
			default:
				t[key] = mask(value)
			}
		}
	case []any:
		for n := range t {
			t[n] = mask(t[n])
		}
	case string:
		return scrubbed(t)
	}
	return tree
}

var (
	address = regexp.MustCompile(`[^\s"'<>@]+@[^\s"'<>@]+\.[^\s"'<>@,;)]+`)
	id      = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)
)

// scrubbed is a text without e-mail addresses and ids of records. None should be in it; this
// is for the one that is.
func scrubbed(text string) string {
	return id.ReplaceAllString(address.ReplaceAllString(text, "(address left out)"), "(id left out)")
}

// configuration is all that the files say, but for secrets and values.
func configuration(c *config.Config) string {
	whole := *c
	whole.Ingress.Tables = maps.Clone(c.Ingress.Tables)
	for name, table := range whole.Ingress.Tables {
		table.Filter.Where = slices.Clone(table.Filter.Where)
		for n := range table.Filter.Where {
			if table.Filter.Where[n].Value != "" {
				table.Filter.Where[n].Value = leftOut
			}
		}
		table.Fields = slices.Clone(table.Fields)
		for n, f := range table.Fields {
			if len(f.Replace) > 0 {
				table.Fields[n].Replace = map[string]string{fmt.Sprintf("(%d left out)", len(f.Replace)): leftOut}
			}
		}
		whole.Ingress.Tables[name] = table
	}
	return whole.String()
}
