package operator

import (
	"causeway.dev/internal/access"
	"causeway.dev/internal/phrase"
)

// Who is a name as people read it: one that nobody verified is what somebody says to be.
// "" stays empty.
func Who(by string) string {
	by = phrase.OneLine(by)
	if by == "" || access.Verified(by) {
		return by
	}
	return "says to be " + by
}

// Somebody is Who within a sentence.
func Somebody(by string) string {
	if who := Who(by); who != phrase.OneLine(by) {
		return "somebody who " + who
	}
	return phrase.OneLine(by)
}
