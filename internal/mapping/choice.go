package mapping

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// choice converts Picklist, State and Status to the label, or with technical values
// to the number. The result of each option is computed beforehand.
func (f *field) choice() converter {
	type outcome struct {
		literal []byte
		bad     *refusal
	}
	known := make(map[int64]outcome, len(f.Options))
	for option, label := range f.Options {
		var o outcome
		number := strconv.Itoa(option)
		text := label
		if f.Technical {
			text = number
		}
		switch {
		case f.Target == ToText:
			o.literal, o.bad = f.appendText(nil, text)
		case f.Target.isEnum():
			o.literal, o.bad = f.member(text)
		default:
			o.literal, o.bad = f.whole(nil, number)
		}
		known[int64(option)] = o
	}
	byLabel := !f.Technical && (f.Target == ToText || f.Target.isEnum())
	return func(dst []byte, v gjson.Result) ([]byte, *refusal) {
		n, err := strconv.ParseInt(v.Raw, 10, 64)
		if v.Type != gjson.Number || err != nil {
			return dst, notChoice
		}
		if o, ok := known[n]; ok {
			return append(dst, o.literal...), o.bad
		}
		if byLabel {
			return dst, unknownOption
		}
		if f.Target.isEnum() {
			literal, bad := f.member(v.Raw)
			return append(dst, literal...), bad
		}
		return f.whole(dst, v.Raw)
	}
}

// multiChoice converts "2,3,8" to the labels joined by "; ". With technical values it
// keeps the numbers.
func (f *field) multiChoice() converter {
	between := "; "
	if f.Technical {
		between = ","
	}
	return func(dst []byte, v gjson.Result) ([]byte, *refusal) {
		if v.Type != gjson.String {
			return dst, notChoice
		}
		var out []byte
		for part := range strings.SplitSeq(v.Str, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil {
				return dst, notChoice
			}
			text, replaced := f.Replace[strconv.Itoa(n)]
			switch {
			case replaced:
			case f.Technical:
				text = strconv.Itoa(n)
			default:
				var ok bool
				if text, ok = f.Options[n]; !ok {
					return dst, unknownOption
				}
			}
			if text == "" {
				continue
			}
			if out != nil {
				out = append(out, between...)
			}
			out = append(out, text...)
		}
		return f.appendText(dst, string(out))
	}
}
