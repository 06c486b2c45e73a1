package optout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/exports"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

// exportFiles takes exported files from the server: once they no longer change,
// whole and readable, each content once (docs/protocol/campaign.md §7, §8).
type exportFiles struct {
	*Activities

	mu        sync.Mutex
	sightings []campaign.Sighting
	settles   time.Time // when the first file that was seen may be known not to change any more; zero: none is awaited
	tidied    time.Time
	open      *openFile // the file in hand, where a run stands in it
	cut       string    // what happened to a file in the middle of it, until one is read to its end
}

// openFile is a local copy that is being read.
type openFile struct {
	hash string
	row  int // rows read
	rows *exports.OptOutFile
	file *os.File
}

func (o *openFile) close() {
	if o != nil {
		_ = o.file.Close()
	}
}

// look finds the next file to read; nil when there is none.
func (x *exportFiles) look(ctx context.Context, f *optOutFetch) (*optOutPage, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.o.Now()
	x.settles = time.Time{}
	listing, err := x.o.Files.List(ctx, x.o.Folder)
	if err != nil {
		return nil, fmt.Errorf("looking for exported files: %w", err)
	}
	x.sightings = campaign.Observe(x.sightings, ofOptOuts(listing), now)
	ready := campaign.Stable(x.sightings, now, x.o.StableFor)
	x.settles = settling(x.sightings, now, x.o.StableFor)
	if x.o.Now().Sub(x.tidied) >= run.TidyEvery {
		again, err := x.tidy(ctx)
		if err != nil {
			return nil, err
		}
		ready = append(again, ready...)
	}
	slices.SortFunc(ready, func(a, b campaign.RemoteFile) int { return strings.Compare(a.Name(), b.Name()) }) // oldest first, by their names
	for _, file := range ready {
		page, err := x.take(ctx, f, file)
		if page != nil {
			x.settles = now // those behind it have settled, too
		}
		if err != nil || page != nil {
			return page, err
		}
	}
	return nil, nil
}

// settling is when the first of the files that may still change is old enough.
func settling(sightings []campaign.Sighting, now time.Time, wait time.Duration) time.Time {
	var first time.Time
	for _, s := range sightings {
		if at := s.Since.Add(wait); at.After(now) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// settled says that a file which was seen can be looked at again.
func (x *exportFiles) settled() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.settles.IsZero() && !x.o.Now().Before(x.settles)
}

func ofOptOuts(listing []campaign.RemoteFile) []campaign.RemoteFile {
	return slices.DeleteFunc(slices.Clone(listing), func(f campaign.RemoteFile) bool {
		kind, ok := exports.KindOf(f.Name())
		return !ok || kind != exports.OptOuts
	})
}

// take reads the first page of a file that is new.
func (x *exportFiles) take(ctx context.Context, f *optOutFetch, file campaign.RemoteFile) (*optOutPage, error) {
	note, err := x.o.Ledger.ExportFile(ctx, activities.FlowOptOut, file.Name(), file.Size, file.Modified)
	switch {
	case err == nil && note.State == ledger.FileDone:
		x.putAway(ctx, file) // a kill came between the end of its run and this, or it failed
		return nil, nil
	case err == nil && note.State == ledger.FileBad:
		return nil, nil // until it changes
	case err != nil && !errors.Is(err, ledger.ErrNotFound):
		return nil, err
	}
	note = &ledger.ExportFile{Flow: activities.FlowOptOut, Name: file.Name(), Size: file.Size, Modified: file.Modified, State: ledger.FileReading, Run: f.in.Run}
	local, err := x.fetch(ctx, file, note)
	switch {
	case apierr.ReasonOf(err) == apierr.ReasonNotFound:
		return nil, nil // somebody else put it away
	case err != nil:
		return nil, fmt.Errorf("fetching %s: %w", file.Name(), err)
	}
	switch _, err := x.o.Ledger.ExportFileDone(ctx, activities.FlowOptOut, note.Hash); {
	case err == nil: // the same content under another name or date
		return nil, x.finished(ctx, note, file)
	case !errors.Is(err, ledger.ErrNotFound):
		return nil, err
	}
	bad, err := x.verify(local, note)
	if err != nil {
		return nil, err
	}
	if err := x.o.Ledger.PutExportFile(ctx, *note); err != nil || bad {
		return nil, err
	}
	page, err := x.rows(ctx, f.plan, *note, file.Path, 0)
	if err == nil && len(page.entries) == 0 && page.next.None() { // nothing of ours in it
		return nil, x.finished(ctx, note, file)
	}
	return page, err
}

// fetch makes sure there is a local copy and notes what it holds.
func (x *exportFiles) fetch(ctx context.Context, file campaign.RemoteFile, note *ledger.ExportFile) (string, error) {
	local := x.local(file.Name(), file.Size, file.Modified)
	got, err := x.o.Files.Download(ctx, file, local)
	if err != nil {
		return "", err
	}
	note.Hash = got.SHA256
	return local, nil
}

func (x *exportFiles) local(name string, size int64, modified time.Time) string {
	dir := x.o.TempDir
	if dir == "" {
		dir = os.TempDir()
	}
	return filepath.Join(dir, fmt.Sprintf("causeway-%s-%d-%d-%s", x.o.Instance, size, modified.Unix(), name))
}

// verify reads a file to its end before anything of it is used.
func (x *exportFiles) verify(local string, note *ledger.ExportFile) (bad bool, err error) {
	file, err := os.Open(local)
	if err != nil {
		return false, fmt.Errorf("opening the copy of %s: %w", note.Name, err)
	}
	defer file.Close()
	counts, err := exports.Check(exports.OptOuts, note.Name, file)
	note.Rows = int64(counts.Rows)
	if fault, ok := errors.AsType[*exports.FileError](err); ok {
		note.State, note.Error = ledger.FileBad, fault.Error()
		x.o.Logger.Warn("an exported file cannot be used", "flow", activities.FlowOptOut, "file", note.Name, "line", fault.Line, "fault", fault.Fault)
		_ = os.Remove(local)
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the copy of %s: %w", note.Name, err)
	}
	return false, nil
}

// fileMore is a position in a file, in the next link of a page.
type fileMore struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Hash     string    `json:"hash"`
	Row      int       `json:"row"` // rows before it
}

// more reads the page behind a position.
func (x *exportFiles) more(ctx context.Context, f *optOutFetch, link string) (*optOutPage, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var at fileMore
	if err := json.Unmarshal([]byte(link), &at); err != nil {
		return nil, fmt.Errorf("reading a position in a file: %w", err)
	}
	name := path.Base(at.Path)
	note := ledger.ExportFile{Flow: activities.FlowOptOut, Name: name, Size: at.Size, Modified: at.Modified, Hash: at.Hash}
	if _, err := os.Stat(x.local(name, at.Size, at.Modified)); err != nil { // another worker has the copy
		file := campaign.RemoteFile{Path: at.Path, Size: at.Size, Modified: at.Modified}
		again := note
		_, err := x.fetch(ctx, file, &again)
		switch reason := apierr.ReasonOf(err); {
		case reason == apierr.ReasonNotFound, reason == apierr.ReasonConflict, err == nil && again.Hash != at.Hash:
			return x.cutOff(note, at.Row), nil
		case err != nil:
			return nil, fmt.Errorf("fetching %s: %w", name, err)
		}
	}
	return x.rows(ctx, f.plan, note, at.Path, at.Row)
}

// cutOff ends a run in a file that is not there any more as it was begun. Its note
// stays as it is, so that neither its rest nor what took its place counts as read.
func (x *exportFiles) cutOff(note ledger.ExportFile, row int) *optOutPage {
	x.cut = fmt.Sprintf("%s: it was removed or written anew after %d of its rows had been read; if it is gone, export it again", note.Name, row)
	_ = os.Remove(x.local(note.Name, note.Size, note.Modified))
	x.o.Logger.Warn("a file is not what it was when it was begun", "flow", activities.FlowOptOut, "file", note.Name, "error", x.cut)
	return &optOutPage{mark: ledger.Cursor{Kind: ledger.CursorNowhere}}
}

// rows reads a page of rows behind row.
func (x *exportFiles) rows(ctx context.Context, plan *settingsPlan, note ledger.ExportFile, from string, row int) (*optOutPage, error) {
	if err := x.seek(note, row); err != nil {
		return nil, err
	}
	behind := strings.Join([]string{note.Name, strconv.FormatInt(note.Size, 10), note.Modified.UTC().Format(time.RFC3339Nano)}, "\n")
	page, o := &optOutPage{mark: ledger.Cursor{Kind: ledger.CursorFile, At: behind}}, x.open
	for len(page.entries) < run.RowsPerPage {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := o.rows.Next()
		if errors.Is(err, io.EOF) {
			x.open.close()
			x.open = nil
			return page, nil
		}
		o.row++
		if fault, ok := errors.AsType[*exports.RowError](err); ok {
			page.entries = append(page.entries, ledger.Entry{Key: fmt.Sprintf("%s:%d", note.Name, fault.Line), Verdict: ledger.VerdictUnreadable, Problem: fault.Error()})
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the copy of %s: %w", note.Name, err)
		}
		e, err := plan.exportEntry(r)
		if err != nil {
			return nil, err
		}
		page.entries = append(page.entries, e)
	}
	next, err := json.Marshal(fileMore{Path: from, Size: note.Size, Modified: note.Modified, Hash: note.Hash, Row: o.row})
	page.next = ledger.Cursor{Kind: ledger.CursorFile, At: string(next)}
	return page, err
}

// seek opens the copy where the page begins; usually it stands there already.
func (x *exportFiles) seek(note ledger.ExportFile, row int) error {
	if x.open != nil && x.open.hash == note.Hash && x.open.row == row && row > 0 {
		return nil
	}
	x.open.close()
	x.open = nil
	file, err := os.Open(x.local(note.Name, note.Size, note.Modified))
	if err != nil {
		return fmt.Errorf("opening the copy of %s: %w", note.Name, err)
	}
	rows, err := exports.OpenOptOuts(note.Name, file)
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("reading the copy of %s: %w", note.Name, err)
	}
	x.open = &openFile{hash: note.Hash, rows: rows, file: file}
	for x.open.row < row {
		if _, err := rows.Next(); errors.Is(err, io.EOF) {
			break
		}
		x.open.row++
	}
	return nil
}

// exportEntry is an exported row. An empty cell tells nothing (R19.19).
func (p *settingsPlan) exportEntry(r *exports.OptOut) (ledger.Entry, error) {
	row := &optout.CampaignRow{AsOf: r.LastModified, Within: p.Settings.Skew, Values: map[string]optout.CampaignValue{}}
	for _, pair := range p.Settings.Pairs {
		for _, c := range r.Choices {
			if c.Attribute == pair.Campaign && c.Value != nil {
				row.Values[pair.Name()] = optout.CampaignValue{Out: *c.Value, At: c.Changed}
			}
		}
	}
	raw, err := json.Marshal(seenRow{Campaign: row})
	return ledger.Entry{Key: r.ContactID, Verdict: entryCampaign, Raw: raw}, err
}

// done notes that a file was read to its end and puts it away.
func (x *exportFiles) done(ctx context.Context, position, run string) error {
	parts := strings.Split(position, "\n")
	if len(parts) != 3 {
		return fmt.Errorf("the position of run %s names no file", run)
	}
	size, sizeErr := strconv.ParseInt(parts[1], 10, 64)
	modified, timeErr := time.Parse(time.RFC3339Nano, parts[2])
	if err := errors.Join(sizeErr, timeErr); err != nil {
		return fmt.Errorf("reading the position of run %s: %w", run, err)
	}
	note, err := x.o.Ledger.ExportFile(ctx, activities.FlowOptOut, parts[0], size, modified)
	if err != nil {
		return fmt.Errorf("the note of file %s: %w", parts[0], err)
	}
	note.Run = run
	x.mu.Lock()
	x.cut = ""
	x.mu.Unlock()
	x.metrics.newestFile.Update(float64(modified.Unix()))
	_ = os.Remove(x.local(note.Name, size, modified))
	return x.finished(ctx, note, campaign.RemoteFile{Path: path.Join(x.o.Folder, note.Name), Size: size, Modified: modified})
}
