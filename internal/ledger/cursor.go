package ledger

// CursorKind says what the place of a cursor is.
type CursorKind string

const (
	CursorLink   CursorKind = "link"   // a link of a service, opaque: it is passed back unread
	CursorAfter  CursorKind = "after"  // behind a record, by its key
	CursorFile   CursorKind = "file"   // in or behind an exported file
	CursorLooked CursorKind = "looked" // a time up to which changes were looked at

	// CursorUnfinished is a link of a service too. What it leads to must be read to
	// its end before the cursor is of use.
	CursorUnfinished CursorKind = "unfinished"
	// CursorNowhere is a cursor that moves no watermark.
	CursorNowhere CursorKind = "nowhere"

	// The opt-out flow reads several sources in one run: these say which.
	CursorProfiles CursorKind = "profiles" // Campaign's list of profiles, at a link
	CursorContacts CursorKind = "contacts" // Dynamics' contacts, at a link; "": from the beginning
	CursorModified CursorKind = "modified" // profiles changed of late, at a link
)

// Cursor is a place where reading goes on. The zero Cursor is none. It is stored
// as two columns, because At must come back byte by byte.
type Cursor struct {
	Kind CursorKind
	At   string
}

// None says that there is no cursor.
func (c Cursor) None() bool { return c == Cursor{} }

// LinkCursor is a cursor at a service's link; none for "".
func LinkCursor(link string) Cursor {
	if link == "" {
		return Cursor{}
	}
	return Cursor{Kind: CursorLink, At: link}
}

// After is a cursor behind a record.
func After(key string) Cursor { return Cursor{Kind: CursorAfter, At: key} }

// Of is the place of a cursor of a kind, and whether it is one.
func (c Cursor) Of(kind CursorKind) (at string, ok bool) {
	if c.Kind != kind {
		return "", false
	}
	return c.At, true
}

// columns are the parameters that store a cursor, places those that read one.
func (c Cursor) columns() []any { return []any{string(c.Kind), c.At} }

func (c *Cursor) places() []any { return []any{&c.Kind, &c.At} }
