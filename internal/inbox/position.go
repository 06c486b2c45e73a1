package inbox

import (
	"errors"
	"path"
	"strconv"
	"strings"
	"time"

	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
)

// Position is where reading goes on: in the middle of a file or behind one. The zero
// Position is in front of all files.
type Position struct {
	Path string // folder and name

	// Within a file, as it was listed and by its content.
	Row      int // rows before the position; 0: behind the file
	Hash     string
	Size     int64
	Modified time.Time
}

// Within says whether a position is in the middle of a file.
func (p Position) Within() bool { return p.Row > 0 }

const (
	within = "in"
	behind = "behind"
)

// Cursor is the form in which the ledger keeps a position. The path comes last and as it
// is, so that every name can be read back.
func (p Position) Cursor() ledger.Cursor {
	return ledger.Cursor{Kind: ledger.CursorFile, At: p.text()}
}

func (p Position) text() string {
	if p.Within() {
		return strings.Join([]string{within, strconv.Itoa(p.Row), p.Hash, strconv.FormatInt(p.Size, 10), strconv.FormatInt(p.Modified.UnixMilli(), 10), p.Path}, " ")
	}
	return behind + " " + p.Path
}

var errPosition = errors.New("the position in the files cannot be read; it is from another build")

// ParsePosition reads a position from the ledger. No cursor means in front of all files.
func ParsePosition(c ledger.Cursor) (Position, error) {
	if c.None() {
		return Position{}, nil
	}
	text, ok := c.Of(ledger.CursorFile)
	if !ok {
		return Position{}, errPosition
	}
	var p Position
	if file, ok := strings.CutPrefix(text, behind+" "); ok {
		p.Path = file
	} else if parts := strings.SplitN(text, " ", 6); len(parts) == 6 {
		row, rowErr := strconv.Atoi(parts[1])
		size, sizeErr := strconv.ParseInt(parts[3], 10, 64)
		modified, timeErr := strconv.ParseInt(parts[4], 10, 64)
		if errors.Join(rowErr, sizeErr, timeErr) != nil {
			return Position{}, errPosition
		}
		p = Position{Path: parts[5], Row: row, Hash: parts[2], Size: size, Modified: time.UnixMilli(modified).UTC()}
	}
	if p.Path == "" || p.Row < 0 || p.Within() && p.Hash == "" || p.text() != text {
		return Position{}, errPosition
	}
	return p, nil
}

// before says whether a file comes behind the position.
func (p Position) before(file string) bool { return p.Path == "" || byName(p.Path, file) < 0 }

// file is the file that the position is in.
func (p Position) file() campaign.RemoteFile {
	return campaign.RemoteFile{Path: p.Path, Size: p.Size, Modified: p.Modified}
}

func base(file string) string { return path.Base(file) }
