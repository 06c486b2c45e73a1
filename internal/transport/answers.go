package transport

import (
	"bytes"
	"mime"
	"strings"

	"github.com/tidwall/gjson"
)

// Page says that an answer is a page for people, as something in between shows
// it, and not one of an API. The status may be 200 all the same.
func (r *Response) Page() bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return strings.Contains(kind, "html") || bytes.HasPrefix(bytes.TrimSpace(r.Body), []byte("<"))
}

// Kind names what an answer holds, and nothing of its contents.
func (r *Response) Kind() string {
	switch {
	case r.Page():
		return "a page"
	case len(bytes.TrimSpace(r.Body)) == 0:
		return "nothing"
	case gjson.ValidBytes(r.Body):
		return "JSON"
	}
	return "something else"
}

// Values are the texts and numbers in a JSON body, at any depth. A service may
// echo them in the text of an error, where they have no business.
func Values(body []byte) []string {
	if len(body) == 0 || !gjson.ValidBytes(body) {
		return nil
	}
	var out []string
	var collect func(gjson.Result)
	collect = func(v gjson.Result) {
		switch {
		case v.IsArray() || v.IsObject():
			v.ForEach(func(_, inner gjson.Result) bool { collect(inner); return true })
		case v.Type == gjson.String:
			out = append(out, v.Str)
		case v.Type == gjson.Number:
			out = append(out, v.Raw)
		}
	}
	collect(gjson.ParseBytes(body))
	return out
}
