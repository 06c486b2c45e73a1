package exports

import (
	"slices"
	"strings"
	"time"
)

const optOutFile = "optout"

// attributes are the endings of the names of the opt-out attributes (§3.1).
var attributes = []string{"", "Email", "Fax", "Mobile", "Phone", "PostalMail", "Pushnotification"}

// exportOptOuts writes the profiles that changed since the last run (§7), whatever
// changed in them. Each attribute comes with the time of its last change.
func (e *Engine) exportOptOuts(j job) (Result, error) {
	fields, columns := []string{"externalId"}, []string{"externalId", "lastModified"}
	header := "denyList"
	if j.twisted(BlackList) {
		header = "blackList"
	}
	for _, a := range attributes {
		fields = append(fields, e.o.Prefix+a, e.o.Prefix+a+"LastModified")
		columns = append(columns, header+a, header+a+"LastModified")
	}
	fields, columns = append(fields, "ccpaOptOut"), append(columns, "ccpaOptOut", "ccpaOptOutLastModified")
	s, err := j.extract(optOutFile, "externalId", columns)
	if err != nil {
		return Result{}, err
	}
	var older [][]string
	err = e.o.Profiles.Extract("profile", fields, j.since, j.until, func(values []string, modified time.Time) error {
		row := []string{values[0], modified.Format(xmlTime)}
		for i := 1; i+1 < len(values); i += 2 {
			row = append(row, j.boolean(values[i]), strings.Replace(values[i+1], " ", "T", 1))
		}
		row = append(row, j.boolean(values[len(values)-1]), "")
		if spoiled(s.rows) {
			row, older = j.spoil(row, modified, older)
		}
		return s.write(row)
	})
	for _, row := range older {
		if err == nil {
			err = s.write(row)
		}
	}
	return s.close(err)
}

// boolean is a boolean as the file has it: 0 or 1, or its label.
func (j job) boolean(stored string) string {
	switch {
	case j.twisted(Labels) && stored == "true":
		return "Yes"
	case j.twisted(Labels):
		return "No"
	case stored == "true":
		return "1"
	}
	return "0"
}

const emailColumn = 4 // after externalId, lastModified and the general opt-out

// spoil applies the twists to a row. With DuplicateIDs it keeps an older state of the
// row, which comes at the end of the file.
func (j job) spoil(row []string, modified time.Time, older [][]string) ([]string, [][]string) {
	if j.twisted(DuplicateIDs) {
		old := slices.Clone(row)
		before := modified.Add(-time.Hour).Format(xmlTime)
		old[1] = before
		if old[emailColumn+1] != "" {
			old[emailColumn+1] = before
		}
		if old[emailColumn] = "1"; row[emailColumn] == "1" {
			old[emailColumn] = "0"
		}
		older = append(older, old)
	}
	if j.twisted(WrongBoolean) {
		row[emailColumn] = "maybe"
	}
	if j.twisted(WrongStamp) {
		row[emailColumn+1] = "28.02.2026 17:11"
	}
	return row, older
}
