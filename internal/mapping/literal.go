package mapping

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

const hexDigits = "0123456789abcdef"

// appendString writes s as a JSON string in its one canonical form. Only what JSON
// requires is escaped. Bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// appendEscaped is appendString without the quotes.
func appendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(dst, s[start:]...)
}

// appendScalar writes a JSON value in canonical form. ok is false for null, arrays,
// objects, and numbers that appendDecimal refuses.
func appendScalar(dst []byte, v gjson.Result) ([]byte, bool) {
	switch v.Type {
	case gjson.String:
		return appendString(dst, v.Str), true
	case gjson.True:
		return append(dst, "true"...), true
	case gjson.False:
		return append(dst, "false"...), true
	case gjson.Number:
		return appendDecimal(dst, v.Raw)
	}
	return dst, false
}

// maxDigits is the longest number that is taken: Dynamics' decimals and moneys
// have at most 23 digits.
const maxDigits = 64

// appendDecimal writes a decimal number in its shortest exact form, without a
// detour through floating point: 5000000.0000 becomes 5000000, 1.50E-3 becomes
// 0.0015. Only magnitudes beyond 10^±40 keep an exponent. ok is false when s is not
// a number, has more than 64 digits or does not fit a double.
func appendDecimal(dst []byte, s string) (out []byte, ok bool) {
	var store [maxDigits]byte
	digits, i, negative := store[:0], 0, false
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		negative = s[i] == '-'
		i++
	}
	point, seen, fraction := 0, 0, false
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && !fraction {
			fraction = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		seen++
		if len(digits) == 0 && c == '0' {
			if fraction {
				point--
			}
			continue
		}
		if len(digits) == maxDigits {
			return dst, false
		}
		digits = append(digits, c)
		if !fraction {
			point++
		}
	}
	if seen == 0 || s[i-1] == '.' {
		return dst, false
	}
	if i < len(s) {
		if s[i] != 'e' && s[i] != 'E' || len(s)-i > 6 {
			return dst, false
		}
		exponent, err := strconv.Atoi(s[i+1:])
		if err != nil {
			return dst, false
		}
		point += exponent
	}
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	if len(digits) == 0 {
		return append(dst, '0'), true
	}
	if negative {
		dst = append(dst, '-')
	}
	return appendPoint(dst, digits, point)
}

// appendPoint writes 0.digits × 10^point.
func appendPoint(dst, digits []byte, point int) ([]byte, bool) {
	switch {
	case point > 40 || point < -40:
		dst = append(dst, digits[0])
		if len(digits) > 1 {
			dst = append(append(dst, '.'), digits[1:]...)
		}
		dst = strconv.AppendInt(append(dst, 'e'), int64(point-1), 10)
		// 10^308 is the last power of ten that a double holds.
		return dst, point <= 308 && point >= -300
	case point <= 0:
		dst = append(dst, "0."...)
		for ; point < 0; point++ {
			dst = append(dst, '0')
		}
		return append(dst, digits...), true
	case point >= len(digits):
		dst = append(dst, digits...)
		for n := point - len(digits); n > 0; n-- {
			dst = append(dst, '0')
		}
		return dst, true
	}
	dst = append(append(dst, digits[:point]...), '.')
	return append(dst, digits[point:]...), true
}

// parseInteger reads a whole number exactly. It may be written with zeros after the
// point, or with an exponent.
func parseInteger(s string) (n int64, whole, inRange bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true, true
	}
	var store [96]byte
	text, ok := appendDecimal(store[:0], s)
	if !ok || strings.ContainsRune(string(text), '.') {
		return 0, false, false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, true, err == nil
}

// fits tells whether n fits a signed integer of that many bits.
func fits(n int64, bits int) bool {
	return bits == 64 || n >= -(int64(1)<<(bits-1)) && n < int64(1)<<(bits-1)
}

// sameNumber compares two number literals as doubles, as Campaign stores them.
func sameNumber(a, b []byte) bool {
	x, errX := strconv.ParseFloat(string(a), 64)
	y, errY := strconv.ParseFloat(string(b), 64)
	return errX == nil && errY == nil && (x == y || math.Abs(x-y) <= 1e-15*math.Max(math.Abs(x), math.Abs(y)))
}

// appendGUID writes the canonical form of an id: lower case, hyphens, no braces
// (R10.9). ok is false when s is not one.
func appendGUID(dst []byte, s string) (out []byte, ok bool) {
	if len(s) == 38 && s[0] == '{' && s[37] == '}' {
		s = s[1:37]
	}
	if len(s) != 36 {
		return dst, false
	}
	start := len(dst)
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return dst[:start], false
			}
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
		case c >= 'A' && c <= 'F':
			c += 'a' - 'A'
		default:
			return dst[:start], false
		}
		dst = append(dst, c)
	}
	return dst, true
}
