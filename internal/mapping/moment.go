package mapping

import "time"

// moment is a calendar date, or a date and time with an offset from UTC.
type moment struct {
	year, month, day     int
	hour, minute, second int
	milli                int
	offset               int // minutes east of UTC
	timed                bool
}

// parseMoment reads YYYY-MM-DD, alone or followed by T or a space and HH:MM with
// optional seconds, fraction and zone (Z or ±HH:MM; none means UTC). Fractions
// finer than a millisecond are dropped.
func parseMoment(s string) (m moment, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return m, false
	}
	if m.year, ok = digits(s[:4]); !ok || m.year == 0 {
		return m, false
	}
	if m.month, ok = digits(s[5:7]); !ok || m.month < 1 || m.month > 12 {
		return m, false
	}
	if m.day, ok = digits(s[8:10]); !ok || m.day < 1 || m.day > daysIn(m.year, m.month) {
		return m, false
	}
	if len(s) == 10 {
		return m, true
	}
	if s[10] != 'T' && s[10] != ' ' && s[10] != 't' {
		return m, false
	}
	m.timed = true
	return m, m.parseClock(s[11:])
}

// parseClock reads the part after the date.
func (m *moment) parseClock(s string) (ok bool) {
	if len(s) < 5 || s[2] != ':' {
		return false
	}
	if m.hour, ok = digits(s[:2]); !ok || m.hour > 23 {
		return false
	}
	if m.minute, ok = digits(s[3:5]); !ok || m.minute > 59 {
		return false
	}
	s = s[5:]
	if len(s) >= 3 && s[0] == ':' {
		if m.second, ok = digits(s[1:3]); !ok || m.second > 59 {
			return false
		}
		if s = s[3:]; len(s) > 1 && s[0] == '.' {
			n := 1
			for scale := 100; n < len(s) && s[n] >= '0' && s[n] <= '9'; n++ {
				m.milli += int(s[n]-'0') * scale
				scale /= 10
			}
			if n == 1 {
				return false
			}
			s = s[n:]
		}
	}
	if s == "" || s == "Z" || s == "z" {
		return true
	}
	if len(s) != 6 || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return false
	}
	hours, okHours := digits(s[1:3])
	minutes, okMinutes := digits(s[4:6])
	if !okHours || !okMinutes || hours > 23 || minutes > 59 {
		return false
	}
	m.offset = hours*60 + minutes
	if s[0] == '-' {
		m.offset = -m.offset
	}
	return true
}

// digits reads an unsigned number.
func digits(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// daysIn is the length of a month.
func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// utc returns the same instant in UTC. ok is false outside the years 1 to 9999.
func (m moment) utc() (moment, bool) {
	if m.offset == 0 {
		return m, true
	}
	out := m.at(time.UTC, -m.offset)
	return out, out.year >= 1 && out.year <= 9999
}

// in returns the local time of a zone at an instant given in UTC. An instant that
// would leave the years 1 to 9999 stays as it is.
func (m moment) in(zone *time.Location) moment {
	if out := m.at(zone, 0); out.year >= 1 && out.year <= 9999 {
		return out
	}
	return m
}

// at returns the local time of a zone, the given minutes after m.
func (m moment) at(zone *time.Location, minutes int) moment {
	t := time.Date(m.year, time.Month(m.month), m.day, m.hour, m.minute+minutes, m.second, 0, time.UTC).In(zone)
	year, month, day := t.Date()
	return moment{
		year: year, month: int(month), day: day,
		hour: t.Hour(), minute: t.Minute(), second: t.Second(), milli: m.milli, timed: m.timed,
	}
}

// appendDate writes 1985-08-17.
func (m moment) appendDate(dst []byte) []byte {
	dst = append(dst, byte('0'+m.year/1000), byte('0'+m.year/100%10))
	dst = append(appendTwo(dst, m.year%100), '-')
	dst = append(appendTwo(dst, m.month), '-')
	return appendTwo(dst, m.day)
}

// appendStamp writes 2019-09-25 23:20:35.000Z, the form Campaign shows.
func (m moment) appendStamp(dst []byte) []byte {
	dst = m.appendClock(append(m.appendDate(dst), ' '))
	return append(m.appendMilli(dst), 'Z')
}

// appendISO writes 1985-08-17 or 2019-09-25T23:20:35Z, with milliseconds where
// there are any.
func (m moment) appendISO(dst []byte) []byte {
	dst = m.appendDate(dst)
	if !m.timed {
		return dst
	}
	dst = m.appendClock(append(dst, 'T'))
	if m.milli != 0 {
		dst = m.appendMilli(dst)
	}
	return append(dst, 'Z')
}

func (m moment) appendClock(dst []byte) []byte {
	dst = append(appendTwo(dst, m.hour), ':')
	dst = append(appendTwo(dst, m.minute), ':')
	return appendTwo(dst, m.second)
}

func (m moment) appendMilli(dst []byte) []byte {
	return appendTwo(append(dst, '.', byte('0'+m.milli/100)), m.milli%100)
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }
