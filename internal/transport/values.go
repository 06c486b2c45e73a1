package transport

import "github.com/tidwall/gjson"

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
