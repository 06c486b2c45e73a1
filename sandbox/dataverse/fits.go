package dataverse

import (
	"strconv"
	"time"
)

// fits says whether the literal of a filter is a value of the column's type.
func (c *Column) fits(literal string) bool {
	switch c.Type {
	case "Integer", "Picklist", "State", "Status":
		_, err := strconv.ParseInt(literal, 10, 32)
		return err == nil
	case "BigInt":
		_, err := strconv.ParseInt(literal, 10, 64)
		return err == nil
	case "Money", "Decimal", "Double":
		_, err := strconv.ParseFloat(literal, 64)
		return err == nil
	case "Boolean":
		return literal == "true" || literal == "false"
	case "Uniqueidentifier", "Lookup", "Owner", "Customer":
		return guidForm.MatchString(literal)
	case "DateTime":
		_, ok := moments(literal)
		return ok
	}
	return true
}

// number says that values are ordered as numbers.
func (c *Column) number() bool {
	switch c.Type {
	case "Integer", "BigInt", "Money", "Decimal", "Double", "Picklist", "State", "Status":
		return true
	}
	return false
}

// moments reads a date, or a date and a time; without an offset it is UTC.
func moments(literal string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339, time.DateOnly, "2006-01-02T15:04:05", "2006-01-02t15:04:05z07:00", "2006-01-02t15:04:05", time.DateTime} {
		if at, err := time.Parse(form, literal); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}
