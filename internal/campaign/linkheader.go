package campaign

import (
	"net/http"
	"strings"
)

// linkTarget is the target of the first link with the relation rel, "" without
// one. Several headers, several links in one and several relations of one link
// are all in use (RFC 8288). The target is returned as it stands: positions are
// opaque and may hold the commas and semicolons that separate links, at which
// the common parsers cut.
func linkTarget(h http.Header, rel string) string {
	for _, value := range h.Values("Link") {
		for rest := value; ; {
			_, after, ok := strings.Cut(rest, "<")
			if !ok {
				break
			}
			target, after, ok := strings.Cut(after, ">")
			if !ok {
				break
			}
			var rels string
			rels, rest = linkParams(after)
			for _, r := range strings.Fields(rels) {
				if strings.EqualFold(r, rel) {
					return strings.TrimSpace(target)
				}
			}
		}
	}
	return ""
}

// linkParams reads the parameters of one link up to the comma before the next,
// and gives the value of the first rel among them and what is left.
func linkParams(s string) (rel, rest string) {
	found := false
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" || s[0] != ';' {
			return rel, s // a comma, the end, or something that is no parameter
		}
		name, value, left := linkParam(s[1:])
		if s = left; !found && strings.EqualFold(name, "rel") {
			rel, found = value, true
		}
	}
}

// linkParam reads name, or name=value with a value that may be quoted.
func linkParam(s string) (name, value, rest string) {
	end := strings.IndexAny(s, "=;,")
	if end < 0 {
		return strings.TrimSpace(s), "", ""
	}
	name, rest = strings.TrimSpace(s[:end]), s[end:]
	if rest[0] != '=' {
		return name, "", rest
	}
	rest = strings.TrimLeft(rest[1:], " \t")
	if !strings.HasPrefix(rest, `"`) {
		if end = strings.IndexAny(rest, ";,"); end < 0 {
			end = len(rest)
		}
		return name, strings.TrimSpace(rest[:end]), rest[end:]
	}
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			return name, b.String(), rest[i+1:]
		case c == '\\' && i+1 < len(rest):
			i++
			b.WriteByte(rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return name, b.String(), "" // the quotation is not closed
}
