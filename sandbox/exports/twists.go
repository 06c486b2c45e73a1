package exports

import (
	"fmt"
	"slices"
)

// Twist is a way in which a file differs from the plain form: UTF-8, commas, LF, not
// compressed. A twist of single rows applies to the first and to every tenth after it.
type Twist string

// Twists that the contract allows.
const (
	Gzip      Twist = "gzip"
	Semicolon Twist = "semicolon"
	Tab       Twist = "tab"
	BOM       Twist = "bom"
	CRLF      Twist = "crlf"
	BlackList Twist = "blacklist_names" // of the opt-out columns
	Quotes    Twist = "quotes"          // texts with quotes, separators and newlines in them
	Unknown   Twist = "unknown_columns"
	Reordered Twist = "reordered" // columns from last to first
	Duplicate Twist = "duplicate" // the same file a second time, under another name
)

// Twists that a reader must notice.
const (
	HalfWritten   Twist = "half_written"   // the beginning of the file, until Complete
	TruncatedGzip Twist = "truncated_gzip" // compressed, and cut off
	Unterminated  Twist = "unterminated"   // the last line ends in the middle
	Labels        Twist = "labels"         // instead of values of enumerations and booleans
	UTF16         Twist = "utf16"
	Latin1        Twist = "latin1"
	MissingColumn Twist = "missing_column" // externalId of opt-outs, eventDate and logDate of logs
	WrongBoolean  Twist = "wrong_boolean"  // of opt-outs
	WrongStamp    Twist = "wrong_stamp"
	DuplicateIDs  Twist = "duplicate_ids" // of opt-outs: an older state of the row after the others
)

// Twists lists them all.
func Twists() []Twist {
	return []Twist{Gzip, Semicolon, Tab, BOM, CRLF, BlackList, Quotes, Unknown, Reordered, Duplicate,
		HalfWritten, TruncatedGzip, Unterminated, Labels, UTF16, Latin1, MissingColumn, WrongBoolean, WrongStamp, DuplicateIDs}
}

func check(twists []Twist) error {
	for _, t := range twists {
		if !slices.Contains(Twists(), t) {
			return fmt.Errorf("twist: got %q, want one of %v", t, Twists())
		}
	}
	return nil
}
