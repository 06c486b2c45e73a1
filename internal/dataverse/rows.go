package dataverse

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
)

// Row addresses a row by its id or by an alternate key; a create by neither.
type Row struct {
	EntitySet string
	ID        string // GUID, without braces
	Key       []KeyPart
	// Reference is the place, from 1, of an earlier operation of the same change
	// set, whose row is meant; of use in Batch only.
	Reference int
}

// KeyPart is one column of an alternate key.
type KeyPart struct {
	Column string // a lookup goes by its property: _acme_campaign_value
	Value  any    // string, int, int64, bool or GUID
}

// GUID is an identifier that goes into a key without quotes.
type GUID string

var (
	guidForm   = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	setForm    = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
	columnForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// path is the row's address below the API's root. What would address something
// else is refused: without a key a request would reach the whole set.
func (r Row) path(op string) (string, *apierr.Error) {
	if !setForm.MatchString(r.EntitySet) {
		return "", unsendable(apierr.Blocked, apierr.ReasonConfig, op, "the entity set is not a name")
	}
	if r.ID != "" {
		if !guidForm.MatchString(r.ID) {
			return "", unsendable(apierr.Rejected, apierr.ReasonInvalidValue, op, "the row's id is not a GUID")
		}
		return r.EntitySet + "(" + strings.ToLower(r.ID) + ")", nil
	}
	if len(r.Key) == 0 {
		return "", unsendable(apierr.Rejected, apierr.ReasonInvalidValue, op, "the row has neither an id nor a key")
	}
	parts := make([]string, len(r.Key))
	for i, k := range r.Key {
		value, bad := k.literal(op)
		if bad != nil {
			return "", bad
		}
		parts[i] = k.Column + "=" + value
	}
	return r.EntitySet + "(" + strings.Join(parts, ",") + ")", nil
}

// unkeyable do not work in a key, even percent-encoded (docs/protocol/dynamics.md §5.3).
const unkeyable = `/<>*%&:\?+#`

func (k KeyPart) literal(op string) (string, *apierr.Error) {
	if !columnForm.MatchString(k.Column) {
		return "", unsendable(apierr.Blocked, apierr.ReasonConfig, op, "a key column is not a name")
	}
	switch v := k.Value.(type) {
	case string:
		if v == "" || strings.ContainsAny(v, unkeyable) || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return "", unsendable(apierr.Rejected, apierr.ReasonInvalidValue, op,
				"a key is empty or has one of the characters that Dataverse does not take in keys: column "+k.Column)
		}
		return "'" + url.PathEscape(strings.ReplaceAll(v, "'", "''")) + "'", nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case bool:
		return strconv.FormatBool(v), nil
	case GUID:
		if !guidForm.MatchString(string(v)) {
			return "", unsendable(apierr.Rejected, apierr.ReasonInvalidValue, op, "a key is not a GUID: column "+k.Column)
		}
		return strings.ToLower(string(v)), nil
	}
	return "", unsendable(apierr.Blocked, apierr.ReasonConfig, op, fmt.Sprintf("a key has a type that keys do not take: column %s, %T", k.Column, k.Value))
}

// entityName is what an OData-EntityId names: the entity set, and the GUID of the row; "" as
// the id when it names the row by an alternate key (§5.3).
func entityName(link string) (set, id string) {
	path, _, _ := strings.Cut(strings.TrimRight(strings.TrimSpace(link), "/"), "?")
	path = path[strings.LastIndexByte(path, '/')+1:]
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	set, id, _ = strings.Cut(strings.TrimSuffix(path, ")"), "(")
	if column, value, named := strings.Cut(id, "="); named && strings.HasSuffix(column, "id") {
		id = value // contacts(contactid=…)
	}
	if !guidForm.MatchString(id) {
		id = ""
	}
	return set, strings.ToLower(id)
}

// isNamedBy says that an OData-EntityId may be that of the row; none says nothing. A row
// that has no address of its own, such as a later one of a change set, may be any.
func (r Row) isNamedBy(link string) bool {
	if link == "" || r.EntitySet == "" || r.Reference != 0 {
		return true
	}
	set, id := entityName(link)
	return set == r.EntitySet && (r.ID == "" || id == strings.ToLower(r.ID))
}

// rowBody is the JSON object of a row on one line, so that a batch has no bare
// line feed, without the columns of drop and with add, the inside of an object,
// in front: a type comes before the values.
func rowBody(op string, row []byte, add string, drop []KeyPart) ([]byte, *apierr.Error) {
	var b bytes.Buffer
	if err := json.Compact(&b, row); err != nil || b.Bytes()[0] != '{' {
		return nil, unsendable(apierr.Blocked, apierr.ReasonConfig, op, "a row is not a JSON object")
	}
	if add == "" && len(drop) == 0 {
		return b.Bytes(), nil
	}
	out := append([]byte{'{'}, add...)
	gjson.ParseBytes(b.Bytes()).ForEach(func(name, v gjson.Result) bool {
		for _, k := range drop {
			if name.Str == k.Column {
				return true
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, name.Raw...), ':'), v.Raw...)
		return true
	})
	return append(out, '}'), nil
}
