package campaign

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// plan says how an API writes the records of a resource.
type plan struct {
	steps []step
	tail  string
}

type step struct {
	field  *Field
	index  int
	prefix string // what is written before the value: ends and beginnings of items, the name and a colon
	blank  string
}

// everything is the plan that also shows hidden fields.
const everything = "*"

func (t *table) plan(ext, hidden bool) *plan {
	p := &plan{}
	open := ""
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Ext && !ext || f.Hidden && !hidden {
			continue
		}
		var b strings.Builder
		item := f.item()
		if open != "" && item != open {
			b.WriteByte('}')
		}
		b.WriteByte(',')
		switch {
		case item != "" && item != open:
			b.Reset()
			if open != "" {
				b.WriteByte('}')
			}
			b.WriteString(`,"` + item + `":{`)
		case item != "" && item == open:
			b.Reset()
			b.WriteByte(',')
		}
		open = item
		b.WriteString(`"` + f.leaf() + `":`)
		p.steps = append(p.steps, step{field: f, index: i, prefix: b.String(), blank: f.blank()})
	}
	if open != "" {
		p.tail = "}"
	}
	return p
}

func (t *table) planFor(api string) *plan {
	if p, ok := t.plans[api]; ok {
		return p
	}
	return t.plans[""]
}

// place is the address at which a request came in. Links lead back there.
type place struct {
	api        string
	root       string // https://host/tenant/campaign/
	base       string // https://host/tenant/campaign/api/resource, or a collection of a record
	unexpanded bool   // links show their PKey only, as in the answer to a POST
}

func (s *Server) place(r *http.Request, api, resource string) place {
	scheme := "https://"
	if r.TLS == nil {
		scheme = "http://"
	}
	root := scheme + r.Host + "/" + s.o.Tenant + "/campaign/"
	return place{api: api, root: root, base: root + api + "/" + resource}
}

// encode appends a record as JSON, with nested items and "" for empty fields (§3.2).
// A PKey is another text each time.
func (s *Server) encode(b []byte, at place, t *table, v view) []byte {
	values := t.values.Get().(*[]string)
	defer t.values.Put(values)
	unpack(v.data, *values)
	p := t.planFor(at.api)
	b = s.seal.append(append(b, `{"PKey":"`...), t.Name, v.id)
	b = append(b, '"')
	now := s.o.Clock.Now()
	for i := range p.steps {
		st := &p.steps[i]
		b = append(b, st.prefix...)
		switch text := st.text(t, *values, v, now); {
		case st.field.Type == Collection:
			b = s.seal.append(append(append(append(b, `{"href":"`...), at.base...), '/'), t.Name, v.id)
			b = append(append(append(b, '/'), st.field.Name...), `/"}`...)
		case st.field.Type == Link:
			b = s.appendLink(b, at, t, st.field, v, text)
		case st.field.bare():
			b = append(b, text...)
		default:
			b = appendString(b, text)
		}
	}
	b = append(append(b, p.tail...), `,"href":"`...)
	b = s.seal.append(append(append(b, at.base...), '/'), t.Name, v.id)
	return append(b, `"}`...)
}

// text returns a field as it goes over the wire, without quotes.
func (st *step) text(t *table, values []string, v view, now time.Time) string {
	switch {
	case st.field.Name == "created":
		return wire(v.created)
	case st.field.Name == "lastModified":
		return wire(v.modified)
	case st.field.Computed != "":
		return t.computed(st.field, values, now)
	case values[st.index] != "":
		return values[st.index]
	}
	return st.blank
}

func (t *table) computed(f *Field, values []string, now time.Time) string {
	of := func(name string) string { return values[t.byName[name]] }
	switch f.Computed {
	case "title":
		name := strings.TrimSpace(of("firstName") + " " + of("lastName"))
		if mail := of("email"); mail != "" {
			return strings.TrimSpace(name + " (" + mail + ")")
		}
		return name
	case "privacy": // the sandbox carries out requests for access, a minute after they are made
		if of("type") == "access" && now.Format(wireTime) >= of("due") {
			return of("outcome")
		}
		return "new"
	case "labelled":
		return labelled(of("label"), of("name"))
	case "domain":
		_, domain, _ := strings.Cut(of("email"), "@")
		return domain
	case "age":
		born, err := time.Parse(time.DateOnly, of("birthDate"))
		if err != nil {
			return "0"
		}
		age := now.Year() - born.Year()
		if now.Month() < born.Month() || now.Month() == born.Month() && now.Day() < born.Day() {
			age--
		}
		return strconv.Itoa(age)
	}
	return f.blank()
}

// appendLink writes the key of a link's target, and what the target shows of itself.
func (s *Server) appendLink(b []byte, at place, t *table, f *Field, v view, id string) []byte {
	for i := range t.joins {
		if j := &t.joins[i]; j.Link == f.Name {
			id = ""
			if found, ok := j.of(v); ok {
				id = strconv.FormatInt(found.id, 10)
			}
		}
	}
	if id == "" {
		return append(b, `{"PKey":"","title":""}`...)
	}
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return append(b, `{"PKey":"","title":""}`...)
	}
	target, shown, live := s.tables[f.Target], view{}, true
	if target != nil {
		var found *row
		if found, live = target.byID(number); live {
			shown, live = target.read(found)
		}
	}
	if !live {
		return append(b, `{"PKey":"","title":""}`...)
	}
	b = s.seal.append(append(b, `{"PKey":"`...), f.Target, number)
	if at.unexpanded || target == nil || target.Brief == nil {
		return append(b, `","title":""}`...)
	}
	api := at.api
	if !target.servedBy(api) {
		api = target.API
	}
	b = append(append(append(append(append(b, `","href":"`...), at.root...), api...), '/'), f.Target...)
	b = append(s.seal.append(append(b, '/'), f.Target, number), '"')
	values := make([]string, len(target.Fields))
	unpack(shown.data, values)
	for _, name := range append([]string{"title"}, target.Brief...) {
		st := &step{field: &target.Fields[target.byName[name]], index: target.byName[name]}
		b = append(append(append(b, `,"`...), name...), `":`...)
		b = appendString(b, st.text(target, values, shown, s.o.Clock.Now()))
	}
	return append(b, '}')
}

const hex = "0123456789abcdef"

// appendString quotes a text for JSON.
func appendString(b []byte, v string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(v); {
		c := v[i]
		if c >= 0x80 {
			r, size := utf8.DecodeRuneInString(v[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, v[from:i]...), `\ufffd`...)
				from = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, v[from:i]...)
		if c >= 0x20 {
			b = append(b, '\\', c)
		} else {
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	return append(append(b, v[from:]...), '"')
}
