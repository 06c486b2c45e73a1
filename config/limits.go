package config

import (
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway.dev/internal/timeline"
)

// limits are what the tags of a field allow. The jsonschema tag has the names of
// JSON Schema; durations have minimum and maximum too, and host:port is a format
// of our own.
type limits struct {
	required   bool
	nonEmpty   bool // minLength or minItems
	maxLength  int  // 0 when there is none
	hasDefault bool
	def        string
	min, max   string // "" when there is none
	choices    []string
	pattern    *regexp.Regexp
	format     string
	example    string // of an address; the default where there is no other
	want       string // how a problem asks for it
}

// limitsOf reads the tags of a field. No value of a tag holds a comma.
func limitsOf(f reflect.StructField) limits {
	l := limits{want: f.Tag.Get("want")}
	for _, rule := range strings.Split(f.Tag.Get("jsonschema"), ",") {
		name, value, _ := strings.Cut(rule, "=")
		switch name {
		case "required":
			l.required = true
		case "minLength", "minItems":
			l.nonEmpty = true
		case "maxLength":
			l.maxLength, _ = strconv.Atoi(value)
		case "default":
			l.hasDefault, l.def = true, value
		case "minimum":
			l.min = value
		case "maximum":
			l.max = value
		case "enum":
			l.choices = append(l.choices, value)
		case "pattern":
			l.pattern = regexp.MustCompile(value)
		case "format":
			l.format = value
		case "example":
			l.example = value
		}
	}
	if l.example == "" {
		l.example = l.def
	}
	return l
}

// yamlName is the key of a field in the file; "" when it has none.
func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// Defaults returns a configuration with every default set and nothing else.
func Defaults() *Config {
	c := &Config{}
	setDefaults(reflect.ValueOf(c).Elem())
	// Lists and tables of names, which a tag cannot hold.
	c.Campaign.Scopes, c.Egress.Tables = defaultScopes(), timeline.DefaultTables()
	c.Access.Scopes = defaultAccessScopes()
	return c
}

// setDefaults fills a section. Entries of lists and of tables are not there yet;
// the packages they belong to know what is meant where they say nothing.
func setDefaults(section reflect.Value) {
	for i := range section.NumField() {
		field, v := section.Type().Field(i), section.Field(i)
		if yamlName(field) == "" {
			continue
		}
		if v.Kind() == reflect.Struct {
			setDefaults(v)
			continue
		}
		if l := limitsOf(field); l.hasDefault {
			if err := setText(v, l.def); err != nil {
				panic(fmt.Sprintf("default of %s: %v", field.Name, err)) // a tag is wrong: the tests see it
			}
		}
	}
}

// setText sets a plain value from the text of a tag.
func setText(v reflect.Value, text string) error {
	switch {
	case v.Type() == durationType:
		d, err := time.ParseDuration(text)
		v.SetInt(int64(d))
		return err
	case v.Kind() == reflect.Int:
		n, err := strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
		return err
	case v.Kind() == reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		v.SetFloat(n)
		return err
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		v.SetBool(b)
		return err
	case v.Kind() == reflect.String:
		v.SetString(text)
		return nil
	}
	return fmt.Errorf("a %s has none in a tag", v.Type())
}

// section checks every plain setting of a section against its tags. Mappings and
// pairs of opt-outs are checked where their rules are.
func (v *validator) section(section reflect.Value, path string) {
	for i := range section.NumField() {
		field, value := section.Type().Field(i), section.Field(i)
		name := yamlName(field)
		if name == "" {
			continue
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		l := limitsOf(field)
		switch {
		case value.Kind() == reflect.Struct:
			v.section(value, at)
		case value.Type() == secretType:
			if l.required && value.Len() == 0 {
				v.add(at, "nothing", "env:NAME or file:path", "")
			}
		case value.Kind() == reflect.String:
			v.text(at, value.String(), l)
		case l.min != "" || l.max != "":
			v.between(at, value, l)
		}
	}
}

// text checks a text. An empty one that is allowed has nothing else to keep.
func (v *validator) text(path, value string, l limits) {
	switch {
	case len(l.choices) > 0:
		v.oneOf(path, value, l.choices)
	case value == "" && !l.required && !l.nonEmpty:
	case l.format == "uri":
		v.address(path, value, l)
	case value == "":
		v.add(path, "nothing", l.want, "")
	case l.format == "host:port":
		v.hostPort(path, value, l.example)
	case l.pattern != nil && !l.pattern.MatchString(value), l.maxLength > 0 && len(value) > l.maxLength:
		v.add(path, short(value), l.want, "")
	}
}

func (v *validator) oneOf(path, value string, choices []string) {
	if slices.Contains(choices, value) {
		return
	}
	last := len(choices) - 1
	v.add(path, short(value), strings.Join(choices[:last], ", ")+" or "+choices[last], didYouMean(value, choices))
}

// between checks a number or a duration; both are printed as the tag has them.
func (v *validator) between(path string, value reflect.Value, l limits) {
	low, high := reflect.New(value.Type()).Elem(), reflect.New(value.Type()).Elem()
	if setText(low, l.min) != nil || setText(high, l.max) != nil {
		panic("limits of " + path + " cannot be read") // a tag is wrong: the tests see it
	}
	got, outside := fmt.Sprint(value.Interface()), false
	switch value.Kind() {
	case reflect.Float64:
		outside = value.Float() < low.Float() || value.Float() > high.Float()
	default:
		outside = value.Int() < low.Int() || value.Int() > high.Int()
	}
	if d, ok := value.Interface().(time.Duration); ok {
		got = tidy(d)
	}
	if outside {
		v.add(path, got, l.min+" to "+l.max, "")
	}
}

// address checks the address of a service: https, unless the pattern allows http,
// with host and path only.
func (v *validator) address(path, value string, l limits) {
	want := "an address such as " + l.example
	plain := l.pattern != nil && l.pattern.MatchString("http://host")
	switch u, err := url.Parse(value); {
	case value == "":
		v.add(path, "nothing", want, "")
	case err != nil || u.Host == "":
		v.add(path, "an address that cannot be read", want, "")
	case u.Scheme != "https" && !plain:
		v.add(path, short(u.Scheme+"://"+u.Host), "https, such as "+l.example, "")
	case u.Scheme != "https" && u.Scheme != "http":
		v.add(path, short(u.Scheme+"://"+u.Host), want, "")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		v.add(path, "an address with more than host and path", want, "remove user, query and fragment")
	}
}

// tidy writes 10m for ten minutes, not 10m0s.
func tidy(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
