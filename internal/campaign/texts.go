package campaign

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
)

// bodyText reads an error body that may be text, a JSON string, one of two JSON
// objects, or some proxy's HTML, which says nothing.
func bodyText(body []byte) (code, text string) {
	s := strings.TrimSpace(string(body))
	if gjson.Valid(s) {
		switch doc := gjson.Parse(s); {
		case doc.IsObject():
			for _, name := range []string{"error_code", "code"} {
				if code = doc.Get(name).String(); knownCode.MatchString(code) {
					return code, doc.Get("message").String()
				}
			}
			return "", doc.Get("message").String()
		case doc.Type == gjson.String:
			return "", strings.TrimSpace(doc.String())
		}
	}
	if strings.HasPrefix(s, "<") {
		return "", ""
	}
	return "", s
}

var (
	knownCode   = regexp.MustCompile(`^(\d{3}|\d{6}|[A-Z]{3}-\d{6})$`)
	codePattern = regexp.MustCompile(`\b(?:RST|XTK|BAS|PGS)-\d{6}\b`)
	quoted      = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	fieldOfEnum = regexp.MustCompile(`enumeration of the '@?([A-Za-z][\w.:/@-]{0,99})' field`)
	fieldOfProp = regexp.MustCompile(`(?:^|[.:;\n–-]\s*|Cannot update the )'@?([A-Za-z][\w.:/@-]{0,99})' property (?:is not valid for|that is read-only)`)
	fieldOfRule = regexp.MustCompile(`of the '@?([A-Za-z][\w.:/@-]{0,99})' field is not`)
	columnOf    = regexp.MustCompile(`null value in column "([A-Za-z]\w{0,62})"`)
	lengthOf    = regexp.MustCompile(`character varying\((\d{1,6})\)`)
	toType      = regexp.MustCompile(`\(type [\w ]{1,30}\) to ([a-z]{2,12}(?: \(\d{1,2} bit\))?) type`)
	passingPGS  = regexp.MustCompile(`(?i)deadlock|timed? ?out|connection|could not serialize|terminating|shutting down|too many clients|recovery mode`)
)

// fromText classifies Campaign's own texts (§5.1). Phrases are looked for in
// what is left without the quoted values, which may hold anything.
func fromText(e *apierr.Error, text string, sent []string) bool {
	codes := codePattern.FindAllString(text, -1)
	if len(codes) > 0 {
		e.Code = codes[len(codes)-1]
	}
	shape := quoted.ReplaceAllString(text, "''")
	says := func(phrase string) bool { return strings.Contains(shape, phrase) }
	switch {
	case says("with the same key"), says("duplicate key value violates"):
		set(e, apierr.Rejected, apierr.ReasonExists, "a record with the same key already exists")
	case says("Unable to find document"):
		set(e, apierr.Rejected, apierr.ReasonNotFound, "there is no record with this key")
	case says("Cannot update key"):
		set(e, apierr.Rejected, apierr.ReasonConflict, "the key of a record cannot be changed")
	case says("is not valid for the") && says("enumeration"):
		e.Field = lastMatch(fieldOfEnum, text)
		set(e, apierr.Rejected, apierr.ReasonInvalidValue, "the value is not one of the enumeration"+ofField(e.Field))
	case says("property that is read-only"):
		e.Field = lastMatch(fieldOfProp, text)
		set(e, apierr.Rejected, apierr.ReasonSchema, "a read-only field of Campaign cannot be written"+ofField(e.Field))
	case says("property is not valid for the"):
		e.Field = lastMatch(fieldOfProp, text)
		set(e, apierr.Rejected, apierr.ReasonSchema, "Campaign's resource has no such field"+ofField(e.Field))
	case says("value too long"):
		set(e, apierr.Rejected, apierr.ReasonTooLong, tooLong(lastMatch(lengthOf, text)))
	case says("Cannot convert"):
		set(e, apierr.Rejected, apierr.ReasonInvalidValue, "a value cannot be converted to "+orElse(lastMatch(toType, text), "the type of its field"))
	case says("is not a valid e-mail address"):
		e.Field = lastMatch(fieldOfRule, text)
		set(e, apierr.Rejected, apierr.ReasonInvalidValue, "the value is not a valid e-mail address"+ofField(e.Field))
	case says("violates not-null constraint"):
		e.Field = lastMatch(columnOf, text)
		set(e, apierr.Rejected, apierr.ReasonInvalidValue, "a mandatory field is empty"+ofField(e.Field))
	case says("XTK-170036") && says("attribute unknown"):
		set(e, apierr.Rejected, apierr.ReasonInvalidValue, "the key cannot be read")
	case says("PGS-") && passingPGS.MatchString(shape):
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "Campaign's database was not available")
	case says("RST-360011") && bare(text):
		set(e, apierr.Retryable, apierr.ReasonServiceFault, "Campaign failed without saying why")
	case e.Status == http.StatusNotFound && says("Error rc=-2003"):
		set(e, apierr.Rejected, apierr.ReasonSchema, noResource)
	case e.Status < 500:
		return false
	case len(codes) == 0 && !says("is not a valid constant"):
		return false // not Campaign's words
	default:
		set(e, apierr.Rejected, apierr.ReasonRefused, "Campaign refused the record"+words(text, sent))
	}
	return true
}

// bare says that nothing follows RST-360011's stock sentence.
func bare(text string) bool {
	text = strings.Replace(text, "RST-360011", "", 1)
	text = strings.Replace(text, "An error has occurred - please contact your administrator.", "", 1)
	return strings.TrimSpace(text) == ""
}

// lastMatch takes the last, because values come before what is said of them.
func lastMatch(re *regexp.Regexp, text string) string {
	all := re.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func ofField(name string) string {
	if name == "" {
		return ""
	}
	return ": field " + name
}

func tooLong(limit string) string {
	if limit == "" {
		return "a text is longer than its field takes"
	}
	return "a text is longer than the " + limit + " characters its field takes"
}

var (
	// valueStart is where a text may begin to quote a record: values hold
	// quotation marks themselves, so nothing after the first is trusted.
	valueStart = regexp.MustCompile("['\"`´‘’‚‛“”„«»‹›(\\[{=<]|(?i:\\bdetail\\b|\\bfailing row\\b|\\bkey\\b)")
	unsafeWord = regexp.MustCompile(`\S*[@\d]\S*|\S*://\S*`)
)

const longestText = 200

// scrub keeps of an unknown text its codes and the words before the first
// quotation, without addresses and
// words with digits.
func scrub(text string) string {
	codes := codePattern.FindAllString(text, 4)
	if at := valueStart.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	text = codePattern.ReplaceAllString(text, "")
	text = apierr.Unnamed(unsafeWord.ReplaceAllString(text, "…"))
	text = strings.Join(strings.Fields(apierr.Plain(text)), " ")
	if len(text) > longestText {
		text = strings.ToValidUTF8(text[:longestText], "") + "…"
	}
	return strings.TrimSpace(strings.Join(append(codes, text), " "))
}
