package pages

import (
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
)

// columnWords is the type of a column for people; "" when it is not known.
func columnWords(c activities.ModelColumn) string {
	switch c.Kind {
	case "text":
		return sizedText(c.Length)
	case "boolean":
		return "yes or no"
	case "integer":
		return "whole number"
	case "decimal":
		return "number"
	case "instant":
		return "date and time"
	case "literal-time":
		return "date and time, without a zone"
	case "date":
		return "date"
	case "choice":
		return "choice of " + strconv.Itoa(len(c.Options))
	case "multi-choice":
		return "several of " + strconv.Itoa(len(c.Options))
	case "id":
		return "unique id"
	case "lookup":
		if len(c.Targets) == 0 {
			return "link"
		}
		return "link to " + strings.Join(c.Targets, " or ")
	}
	if c.Type == "" {
		return ""
	}
	return c.Type + ", which cannot be mapped"
}

// fieldWords is the type of a Campaign field for people; "" when it is not known.
func fieldWords(f activities.ModelField) string {
	text := ""
	switch f.Kind {
	case "text":
		text = sizedText(f.Length)
		if f.Policy == "email" {
			text = "e-mail address"
		}
	case "boolean":
		text = "yes or no"
	case "int8", "int16", "int32", "int64":
		text = "whole number"
	case "float":
		text = "number"
	case "date":
		text = "date"
	case "datetime":
		text = "date and time"
	case "enumeration", "numeric-enumeration":
		text = "one of " + strconv.Itoa(len(f.Options)) + " words"
	case "link":
		text = "link to " + f.Link
	default:
		if f.Type == "" {
			return ""
		}
		text = f.Type + ", which cannot be written"
	}
	if f.Mandatory {
		text += ", required"
	}
	return text
}

func sizedText(length int) string {
	if length == 0 {
		return "text"
	}
	return "text, up to " + humanize.Comma(int64(length))
}

// optionWords is an existing value of a replacement: of a choice its label, and with
// technical values its number and label.
func optionWords(c activities.ModelColumn, value string, technical bool) string {
	if value == "" {
		return "nothing"
	}
	for _, o := range c.Options {
		if technical && o.Value == value && o.Label != "" {
			return value + " (" + o.Label + ")"
		}
	}
	return value
}

// comparisonWords are those of a filter.
var comparisonWords = map[string]string{
	"equals": "is", "not_equals": "is not", "greater": "is greater than", "greater_or_equal": "is at least", "less": "is less than", "less_or_equal": "is at most",
	"contains": "contains", "begins_with": "begins with", "empty": "is empty", "not_empty": "is not empty",
}

func conditionWords(c activities.Condition) string {
	return strings.TrimSpace(c.Column + " " + comparisonWords[c.Is] + " " + c.Value)
}

// choicesOf are the other settings of a mapping, in words.
func choicesOf(t activities.Table) (out []ruling) {
	either := func(on bool, yes, no ruling) {
		if !on {
			yes = no
		}
		out = append(out, yes)
	}
	either(t.ApplyDeletes, ruling{"What is deleted in Dynamics is deleted in Campaign", "A plain delete. It is no privacy delete: traces stay in Campaign’s logs."}, ruling{"What is deleted in Dynamics stays in Campaign", ""})
	if len(t.Filter.Where) > 0 {
		either(t.Filter.DeleteUnmatched, ruling{"What no longer passes the filter is deleted in Campaign", ""}, ruling{"What no longer passes the filter stays in Campaign as it was", ""})
	}
	either(t.TechnicalValues, ruling{"Choices are written as their numbers", "The technical values, such as 2 for “Female”."}, ruling{"Choices are written as their labels", "Such as “Female”."})
	if t.Dynamics.Table == "contact" {
		either(t.DeletesMerged(), ruling{"The profile of a contact that was merged into another is deleted", "Its opt-outs go to the other first."}, ruling{"The profile of a contact that was merged into another stays", "Its opt-outs go to the other as well."})
		either(t.ClearOptOuts, ruling{"An opt-out that Campaign holds is cleared by what Dynamics says", ""}, ruling{"An opt-out that Campaign holds stays when a profile is taken over", ""})
	}
	switch {
	case t.Erased == "leave":
		out = append(out, ruling{"What somebody deleted in Campaign stays deleted", ""})
	case t.LeavesErased(false):
		out = append(out, ruling{"What somebody deleted in Campaign stays deleted, until a backfill reads it", ""})
	default:
		out = append(out, ruling{"What somebody deleted in Campaign comes back with its next change", ""})
	}
	return out
}
