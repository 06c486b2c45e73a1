package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "time/tzdata" // zones mean the same wherever the program runs
)

// Check returns the problems that can be seen without the data models: what is
// missing, doubled, misspelt or too much. Resolve calls it too.
func (t Table) Check() Problems {
	c := checker{base: "ingress.tables." + t.Name + "."}
	if t.Dynamics.Table == "" {
		c.add("dynamics.table", "nothing", "the logical name of a Dynamics table, such as contact", "")
	}
	if t.Campaign.Resource == "" {
		c.add("campaign.resource", "nothing", "the name of a Campaign resource, such as profile", "")
	}
	apis := []string{"profileAndServicesExt", "profileAndServices", "customResources"}
	if api := t.Campaign.API; api != "" && !slices.Contains(apis, api) {
		c.add("campaign.api", strconv.Quote(api), "profileAndServicesExt, profileAndServices or customResources", didYouMean(api, apis))
	}
	c.key(t)
	switch n, limit := len(t.Fields), t.maxFields(); {
	case n == 0:
		c.add("fields", "no fields", fmt.Sprintf("1 to %d", limit), "")
	case n > limit:
		c.add("fields", fmt.Sprintf("%d fields", n), fmt.Sprintf("at most %d", limit), "remove the fields that Campaign does not need") // R9.10
	}
	c.fields(t)
	c.filter(t.Filter)
	return c.problems
}

// checker collects problems of one mapping.
type checker struct {
	base     string
	problems Problems
}

func (c *checker) add(path, got, want, remedy string) {
	c.problems = append(c.problems, Problem{Path: c.base + path, Got: got, Want: want, Remedy: remedy})
}

// key checks that the mapping names a key. A mapping of contacts to profiles must
// use externalId.
func (c *checker) key(t Table) {
	key := t.Campaign.Key
	switch {
	case t.Campaign.Resource == "profile" && t.Dynamics.Table == "contact" && key != "externalId":
		c.add("campaign.key", quoteOrNothing(key), "externalId for contact to profile", "set key: externalId") // R10.6
	case key == "":
		c.add("campaign.key", "nothing", "the Campaign text field that holds the Dynamics id", "name a field declared as custom identification key") // R10.2
	}
}

// fields checks each pair by itself, and that no two pairs have the same target.
func (c *checker) fields(t Table) {
	fedBy, links := map[string]int{}, 0
	for i, f := range t.Fields {
		path := fmt.Sprintf("fields[%d].", i)
		if f.From == "" {
			c.add(path+"from", "nothing", "the name of a Dynamics column", "")
		}
		if f.To == "" {
			c.add(path+"to", "nothing", "the name of a Campaign field", "")
		} else if first, taken := fedBy[f.To]; taken {
			c.add(path+"to", fmt.Sprintf("%q, which fields[%d] feeds already", f.To, first), "one Dynamics column for each Campaign field", "remove one of the two") // R11.5
		} else {
			fedBy[f.To] = i
		}
		if policy := f.OnTooLong; policy != "" && policy != Reject && policy != Truncate {
			c.add(path+"on_too_long", strconv.Quote(policy), "reject or truncate", didYouMean(policy, []string{Reject, Truncate}))
		}
		for existing, value := range f.Replace {
			if existing == value {
				c.add(path+"replace."+existing, "a value that replaces itself", "another value", "remove the entry")
			}
		}
		if f.Parent == t.Name && f.Parent != "" {
			c.add(path+"parent", strconv.Quote(f.Parent)+", this mapping itself", "the mapping of another table", "remove parent")
		}
		if f.Parent != "" {
			links++
		}
		if f.TimeZone == "" {
			continue
		}
		if _, err := time.LoadLocation(f.TimeZone); err != nil || f.TimeZone == "Local" {
			c.add(path+"time_zone", strconv.Quote(f.TimeZone), "an IANA time zone such as Europe/Paris", "")
		}
	}
	if links > MaxLinks {
		c.add("fields", fmt.Sprintf("%d links", links), fmt.Sprintf("at most %d", MaxLinks), "remove parent from pairs that need not wait for a parent") // R17.3
	}
}

// filter checks each condition by itself.
func (c *checker) filter(f Filter) {
	if f.Match != "" && f.Match != "all" && f.Match != MatchAny {
		c.add("filter.match", strconv.Quote(f.Match), "all or any", didYouMean(f.Match, []string{"all", MatchAny}))
	}
	if len(f.Where) == 0 && (f.Match != "" || f.DeleteUnmatched) {
		c.add("filter.where", "no conditions", "at least one", "add a condition or remove the filter")
	}
	for i, w := range f.Where {
		path := fmt.Sprintf("filter.where[%d].", i)
		if w.Column == "" {
			c.add(path+"column", "nothing", "the logical name of a Dynamics column", "")
		}
		switch alone := w.Is == isEmpty || w.Is == isNotEmpty; {
		case !slices.Contains(comparisons, w.Is):
			c.add(path+"is", quoteOrNothing(w.Is), strings.Join(comparisons, ", "), didYouMean(w.Is, comparisons))
		case alone && w.Value != "":
			c.add(path+"value", strconv.Quote(w.Value)+" with "+w.Is, "no value", "remove it")
		case !alone && w.Value == "":
			c.add(path+"value", "nothing", "a value to compare with", "for an empty column use is: empty")
		}
	}
}
