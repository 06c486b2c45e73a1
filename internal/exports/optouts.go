package exports

import (
	"io"
	"strings"
	"time"
	"unicode"

	"causeway.dev/internal/events"
)

// Attributes are the opt-out attributes of a profile by their canonical names
// (R19.7), in the order of OptOut.Choices.
var Attributes = []string{"denyList", "denyListEmail", "denyListFax", "denyListMobile", "denyListPhone", "denyListPostalMail", "denyListPushnotification", "ccpaOptOut"}

const (
	optExternalID = iota
	optLastModified
	optFirst // of the attributes: a value and a stamp for each
)

var optOutColumns = func() []column {
	out := []column{optExternalID: {name: "externalId"}, optLastModified: {name: "lastModified"}}
	for _, name := range Attributes {
		value, stamp := column{name: name, optional: true}, column{name: name + "LastModified", optional: true}
		if rest, ok := strings.CutPrefix(name, "denyList"); ok { // docs/protocol/campaign.md §3.1
			value.aliases = []string{"blackList" + rest, "blockList" + rest}
			stamp.aliases = []string{"blackList" + rest + "LastModified", "blockList" + rest + "LastModified"}
		}
		out = append(out, value, stamp)
	}
	return out
}()

// OptOut is the row of a profile: the choices of a person that were exported.
type OptOut struct {
	Line         int
	ContactID    string    // lower-case GUID
	LastModified time.Time // of the profile, by whatever change; zero when empty. It says which of two rows is newer, not when a choice was made
	Choices      []Choice  // one per attribute the file has, in the order of Attributes
}

// Choice is one attribute of one person.
type Choice struct {
	Attribute string    // one of Attributes
	Value     *bool     // true means no longer contact; nil means an empty cell, which is no choice
	Changed   time.Time // when it last changed, in UTC; zero when that is unknown
}

// OptOutFile reads an opt-out export.
type OptOutFile struct {
	r     *reader
	names []string
}

// OpenOptOuts reads the header of an opt-out export, compressed or not. file is
// its name for errors. It fails with *FileError, or with the error of src.
func OpenOptOuts(file string, src io.Reader) (*OptOutFile, error) {
	r, err := newReader(file, src, optOutColumns)
	if err != nil {
		return nil, err
	}
	f := &OptOutFile{r: r}
	for i, name := range Attributes {
		if r.has(optFirst + 2*i) {
			f.names = append(f.names, name)
		}
	}
	if len(f.names) == 0 {
		return nil, r.fileError(Columns, "", "no opt-out attribute in the header, want at least one of "+strings.Join(Attributes, ", "))
	}
	return f, nil
}

// Attributes lists the attributes that the file has.
func (f *OptOutFile) Attributes() []string { return f.names }

// Next returns the next row of a contact. Profiles without external id are counted as
// ignored. The same contact may come twice; the caller decides which row is newer.
//
// A value or date that cannot be read refuses the whole row, so that nothing is
// concluded from half of it. Labels instead of values refuse the file. Errors are as
// for Events.Next.
func (f *OptOutFile) Next() (*OptOut, error) {
	for {
		if err := f.r.next(); err != nil {
			return nil, err
		}
		if strings.TrimSpace(f.r.value(optExternalID)) == "" {
			f.r.counts.Ignored++
			continue
		}
		return f.row()
	}
}

// Counts of the rows read so far.
func (f *OptOutFile) Counts() Counts { return f.r.counts }

// Line is the line on which the last row begins.
func (f *OptOutFile) Line() int { return f.r.line }

func (f *OptOutFile) row() (*OptOut, error) {
	out := &OptOut{Line: f.r.line, ContactID: events.ContactID(f.r.value(optExternalID)), Choices: make([]Choice, 0, len(f.names))}
	if out.ContactID == "" {
		return nil, f.r.refuse("externalId", "not a contact's id; want a GUID")
	}
	var ok bool
	if out.LastModified, ok = stamp(f.r.value(optLastModified)); !ok {
		return nil, f.r.refuse("lastModified", wantStamp)
	}
	if column, ok := f.labelled(); ok {
		f.r.end = f.r.fileError(Labels, column, "got labels, want 0, 1, true, false or nothing; export the values")
		return nil, f.r.end
	}
	for i, name := range Attributes {
		at := optFirst + 2*i
		if !f.r.has(at) {
			continue
		}
		c := Choice{Attribute: name}
		if cell := strings.TrimSpace(f.r.value(at)); cell != "" {
			value, ok := events.ParseFlag(cell)
			if !ok {
				return nil, f.r.refuse(f.named(at), "not valid, want 0, 1, true, false or nothing")
			}
			c.Value = &value
		}
		if c.Changed, ok = stamp(f.r.value(at + 1)); !ok {
			return nil, f.r.refuse(f.named(at+1), wantStamp)
		}
		out.Choices = append(out.Choices, c)
	}
	return out, nil
}

// labelled recognises a row that was exported with labels, such as Yes and No, and
// returns the first column with one. All its values are then words, and there are
// several. A single wrong value is a fault of the row only.
func (f *OptOutFile) labelled() (column string, ok bool) {
	words := 0
	for i := range Attributes {
		at := optFirst + 2*i
		cell := strings.TrimSpace(f.r.value(at))
		if cell == "" {
			continue
		}
		_, flag := events.ParseFlag(cell)
		if flag || strings.ContainsFunc(cell, func(r rune) bool { return !unicode.IsLetter(r) }) {
			return "", false
		}
		if words++; words == 1 {
			column = f.named(at)
		}
	}
	return column, words > 1
}

// named returns the column's name in the file, which may be an alias.
func (f *OptOutFile) named(k int) string { return strings.TrimSpace(f.r.header[f.r.at[k]]) }

const wantStamp = "not valid, want a date and time with its zone, such as 2026-03-01T02:00:00.000Z, or nothing"

func stamp(s string) (time.Time, bool) {
	if s = strings.TrimSpace(s); s == "" {
		return time.Time{}, true
	}
	return events.ParseTime(s)
}
