package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
)

// converter appends the Campaign literal of a value that is not empty.
type converter func(dst []byte, v gjson.Result) ([]byte, *refusal)

// refusal says why a value cannot be written, without the value.
type refusal struct{ reason, detail string }

// at returns the refusal as an error of one field.
func (r *refusal) at(f *field) *FieldError {
	return &FieldError{From: f.From, To: f.To, Reason: r.reason, Detail: r.detail}
}

func invalid(detail string) *refusal { return &refusal{apierr.ReasonInvalidValue, detail} }

var (
	missingColumn = invalid("the row does not carry the column; want it in every row that was selected")
	emptyKey      = invalid("the key is empty; want the record's id")
	notBoolean    = invalid("not a boolean; want true or false")
	notTextFlag   = invalid("text that is no boolean; want true, false, 1 or 0")
	notZeroOne    = invalid("a number that is no boolean; want 0 or 1")
	notWhole      = invalid("not a whole number")
	notNumber     = invalid("not a number")
	notNumeric    = invalid("text that is no number; want digits, with a point for decimals")
	tooPrecise    = invalid("a whole number beyond 2^53, which a floating-point field cannot hold exactly")
	notDate       = invalid("not an ISO 8601 date; want YYYY-MM-DD, with or without a time")
	notText       = invalid("not text")
	notChoice     = invalid("not the number of a choice")
	unknownOption = invalid("a choice that the column's metadata does not list")
	unmatched     = invalid("no member of the enumeration matches; want a name, value or label of it")
	notID         = invalid("not an id; want a GUID")
	// cut is no failure: it says that the text was shortened, as the mapping allows.
	cut = &refusal{apierr.ReasonTooLong, "cut to fit"}
)

// compile picks the conversion for the pair (docs/protocol/campaign.md §10).
func (f *field) compile() (converter, error) {
	switch f.Source {
	case FromBoolean:
		return f.boolean(), nil
	case FromInteger:
		return f.integer(), nil
	case FromDecimal:
		return f.decimal(notNumber), nil
	case FromInstant, FromLiteralTime, FromDate:
		return f.time()
	case FromText:
		return f.text()
	case FromChoice:
		return f.choice(), nil
	case FromMultiChoice:
		return f.multiChoice(), nil
	case FromID, FromLookup:
		return f.id, nil
	}
	return nil, fmt.Errorf("unknown kind of column %q", f.Source)
}

// boolean converts true and false. Both results are computed beforehand.
func (f *field) boolean() converter {
	yes, no := []byte("true"), []byte("false")
	var badYes, badNo *refusal
	switch {
	case f.Target == ToText:
		yes, badYes = f.appendText(nil, "true")
		no, badNo = f.appendText(nil, "false")
	case f.Target.isEnum():
		yes, badYes = f.member("true", "1")
		no, badNo = f.member("false", "0")
	case f.Target != ToBoolean:
		yes, no = []byte("1"), []byte("0")
	}
	return func(dst []byte, v gjson.Result) ([]byte, *refusal) {
		switch {
		case v.Type == gjson.True:
			return append(dst, yes...), badYes
		case v.Type == gjson.False:
			return append(dst, no...), badNo
		}
		return dst, notBoolean
	}
}

// integer converts Integer and BigInt, exactly.
func (f *field) integer() converter {
	return func(dst []byte, v gjson.Result) ([]byte, *refusal) {
		if v.Type != gjson.Number {
			return dst, notWhole
		}
		return f.whole(dst, v.Raw)
	}
}

// whole writes a whole number, given as text, to any target that takes one.
func (f *field) whole(dst []byte, text string) ([]byte, *refusal) {
	n, whole, inRange := parseInteger(text)
	if !whole {
		return dst, notWhole
	}
	if !inRange {
		return dst, f.outOfRange()
	}
	switch {
	case f.Target == ToBoolean:
		return appendZeroOne(dst, n)
	case f.Target == ToFloat:
		if n > 1<<53 || n < -(1<<53) {
			return dst, tooPrecise
		}
	case f.Target.bits() != 0:
		if !fits(n, f.Target.bits()) {
			return dst, f.outOfRange()
		}
	case f.Target == ToText:
		return f.appendText(dst, strconv.FormatInt(n, 10))
	case f.Target.isEnum():
		literal, ok := f.members["v:"+strconv.FormatInt(n, 10)]
		if !ok {
			return dst, unmatched
		}
		return append(dst, literal...), nil
	}
	return strconv.AppendInt(dst, n, 10), nil
}

func appendZeroOne(dst []byte, n int64) ([]byte, *refusal) {
	switch n {
	case 0:
		return append(dst, "false"...), nil
	case 1:
		return append(dst, "true"...), nil
	}
	return dst, notZeroOne
}

func (f *field) outOfRange() *refusal {
	bits := f.Target.bits()
	if bits == 0 {
		bits = 64
	}
	return invalid(fmt.Sprintf("a number that does not fit the field's %d bits", bits))
}

// decimal converts Decimal, Money and Double by their digits, never through a
// float, so that amounts arrive exactly as they were.
func (f *field) decimal(otherwise *refusal) converter {
	return func(dst []byte, v gjson.Result) ([]byte, *refusal) {
		raw := v.Raw
		if v.Type == gjson.String {
			raw = v.Str
		}
		if v.Type != gjson.Number && (v.Type != gjson.String || f.Source != FromText) {
			return dst, otherwise
		}
		if f.Target.bits() != 0 {
			n, whole, inRange := parseInteger(raw)
			switch {
			case !whole:
				return dst, notWhole
			case !inRange || !fits(n, f.Target.bits()):
				return dst, f.outOfRange()
			}
			return strconv.AppendInt(dst, n, 10), nil
		}
		if f.Target == ToText {
			var store [128]byte
			text, ok := appendDecimal(store[:0], raw)
			if !ok {
				return dst, otherwise
			}
			return f.appendText(dst, string(text))
		}
		out, ok := appendDecimal(dst, raw)
		if !ok {
			return dst, otherwise
		}
		return out, nil
	}
}

// time converts DateTime and Date columns.
func (f *field) time() (converter, error) {
	write, err := f.moment()
	if err != nil {
		return nil, err
	}
	return func(dst []byte, v gjson.Result) ([]byte, *refusal) {
		if v.Type != gjson.String {
			return dst, notDate
		}
		return write(dst, v.Str)
	}, nil
}

// moment writes ISO 8601 text to a date, date-time or text field. An instant is
// converted to UTC; for a date field its date is taken in the mapping's zone. A
// literal time keeps its digits. A date becomes midnight UTC in a date-time field.
func (f *field) moment() (textConverter, error) {
	zone := time.UTC
	if f.TimeZone != "" {
		var err error
		if zone, err = time.LoadLocation(f.TimeZone); err != nil {
			return nil, fmt.Errorf("unknown time zone %q", f.TimeZone)
		}
	}
	literal := f.Source == FromLiteralTime
	return func(dst []byte, s string) ([]byte, *refusal) {
		m, ok := parseMoment(s)
		if ok && literal {
			m.offset = 0
		}
		if ok {
			m, ok = m.utc()
		}
		if !ok {
			return dst, notDate
		}
		switch f.Target {
		case ToDate:
			if m.timed && !literal && zone != time.UTC {
				m = m.in(zone)
			}
			return append(m.appendDate(append(dst, '"')), '"'), nil
		case ToDateTime:
			return append(m.appendStamp(append(dst, '"')), '"'), nil
		}
		var store [32]byte
		return f.appendText(dst, string(m.appendISO(store[:0])))
	}, nil
}

// textConverter converts plain text.
type textConverter func(dst []byte, s string) ([]byte, *refusal)

// text converts String and Memo.
func (f *field) text() (converter, error) {
	var write textConverter
	switch {
	case f.Target == ToText && f.LowerCase:
		write = func(dst []byte, s string) ([]byte, *refusal) { return f.appendText(dst, strings.ToLower(s)) }
	case f.Target == ToText:
		write = f.appendText
	case f.Target == ToBoolean:
		write = appendTextFlag
	case f.Target == ToFloat || f.Target.bits() != 0:
		return f.decimal(notNumeric), nil
	case f.Target == ToDate || f.Target == ToDateTime:
		var err error
		if write, err = f.moment(); err != nil {
			return nil, err
		}
	case f.Target.isEnum():
		write = func(dst []byte, s string) ([]byte, *refusal) {
			literal, bad := f.member(s)
			return append(dst, literal...), bad
		}
	default:
		return nil, fmt.Errorf("text cannot become %s", f.Target)
	}
	return func(dst []byte, v gjson.Result) ([]byte, *refusal) {
		if v.Type != gjson.String {
			return dst, notText
		}
		return write(dst, v.Str)
	}, nil
}

func appendTextFlag(dst []byte, s string) ([]byte, *refusal) {
	switch {
	case s == "1" || strings.EqualFold(s, "true"):
		return append(dst, "true"...), nil
	case s == "0" || strings.EqualFold(s, "false"):
		return append(dst, "false"...), nil
	}
	return dst, notTextFlag
}

// id converts Uniqueidentifier and Lookup columns.
func (f *field) id(dst []byte, v gjson.Result) ([]byte, *refusal) {
	if v.Type != gjson.String {
		return dst, notID
	}
	if f.Length != 0 && f.Length < 36 {
		return dst, f.tooLong()
	}
	start := len(dst)
	out, ok := appendGUID(append(dst, '"'), v.Str)
	if !ok {
		return dst[:start], notID
	}
	return append(out, '"'), nil
}

// appendText writes text within the field's length, counted in Unicode characters.
func (f *field) appendText(dst []byte, s string) ([]byte, *refusal) {
	if f.Length == 0 || len(s) <= f.Length {
		return appendString(dst, s), nil
	}
	count := utf8.RuneCountInString(s)
	if count <= f.Length {
		return appendString(dst, s), nil
	}
	if f.OnTooLong != Truncate {
		return dst, f.tooLong()
	}
	end := 0
	for range f.Length {
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
	}
	return appendString(dst, s[:end]), cut
}

// tooLong does not say how long the text is, so that all records that are refused
// for this reason have the same message and are counted together.
func (f *field) tooLong() *refusal {
	return &refusal{apierr.ReasonTooLong, fmt.Sprintf("text too long, want at most %d characters; shorten it in Dynamics or set on_too_long: truncate", f.Length)}
}
