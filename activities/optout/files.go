package optout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"causeway.dev/internal/exports"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

// rowsPerPage is how many rows of an exported file make a page.
const rowsPerPage = 2000

// nextFile reads the first page of the next exported file; nil when there is none. A
// run reads one file (docs/protocol/campaign.md §7).
func (f *pageFetch) nextFile(ctx context.Context) (*sourcePage, error) {
	var at inbox.Position
	for {
		file, err := f.files.Next(ctx, f.in.Run, at)
		if err != nil || file == nil {
			return nil, err
		}
		page, err := f.readRows(ctx, file)
		if err != nil || len(page.entries) > 0 || !page.next.None() {
			return page, err
		}
		if err := f.files.Skip(ctx, file); err != nil {
			return nil, err
		}
		at = file.Behind()
	}
}

// moreOfFile reads the page behind a position. A file that was cut off ends the run.
func (f *pageFetch) moreOfFile(ctx context.Context, next ledger.Cursor) (*sourcePage, error) {
	at, err := inbox.ParsePosition(next)
	if err != nil {
		return nil, err
	}
	file, err := f.files.Resume(ctx, f.in.Run, at)
	if errors.Is(err, inbox.ErrCutOff) {
		return &sourcePage{end: ledger.Cursor{Kind: ledger.CursorNowhere}}, nil
	}
	if err != nil {
		return nil, err
	}
	return f.readRows(ctx, file)
}

// readRows reads a page of rows.
func (f *pageFetch) readRows(ctx context.Context, file *inbox.File[*exportRows]) (*sourcePage, error) {
	page := &sourcePage{file: file, end: ledger.Cursor{Kind: ledger.CursorNowhere}}
	for len(page.entries) < rowsPerPage {
		e, err := f.nextEntry(ctx, file)
		if errors.Is(err, io.EOF) {
			return page, nil
		}
		if err != nil {
			file.Leave()
			return nil, err
		}
		page.entries = append(page.entries, e)
	}
	page.next = file.At().Cursor()
	return page, nil
}

// nextEntry is the next row; io.EOF behind the last one.
func (f *pageFetch) nextEntry(ctx context.Context, file *inbox.File[*exportRows]) (ledger.Entry, error) {
	if err := ctx.Err(); err != nil {
		return ledger.Entry{}, err
	}
	row, err := file.Rows.next()
	if fault, ok := errors.AsType[*exports.RowError](err); ok {
		return ledger.Entry{Key: fmt.Sprintf("%s:%d", file.Name(), fault.Line), Verdict: ledger.VerdictUnreadable, Problem: fault.Error()}, nil
	}
	if err != nil {
		return ledger.Entry{}, fmt.Errorf("reading the copy of %s: %w", file.Name(), err)
	}
	return f.plan.exportEntry(row)
}

// leaveFile lets go of the page's file after staging: for another attempt if that failed,
// for good behind the last row, and else for the next page.
func (p *sourcePage) leaveFile(staged error) {
	switch {
	case p.file == nil:
	case staged != nil:
		p.file.Leave()
	case p.next.None():
		p.file.Close()
	default:
		p.file.Keep()
	}
}

// exportEntry stages an exported row. An empty cell says nothing (R19.19).
func (p *settingsPlan) exportEntry(r *exports.OptOut) (ledger.Entry, error) {
	row := &optout.CampaignRow{AsOf: r.LastModified, Within: p.Settings.Skew, Values: map[string]optout.CampaignValue{}}
	for _, pair := range p.Settings.Pairs {
		for _, c := range r.Choices {
			if c.Attribute == pair.Campaign && c.Value != nil {
				row.Values[pair.Name()] = optout.CampaignValue{Out: *c.Value, At: c.Changed}
			}
		}
	}
	raw, err := json.Marshal(stagedRow{Campaign: row})
	return ledger.Entry{Key: r.ContactID, Verdict: entryCampaign, Raw: raw}, err
}

// badFiles names the exported files that cannot be read, with place and reason.
func (f *pageFetch) badFiles(ctx context.Context) []string {
	bad := f.files.BadFiles(ctx)
	f.metrics.badFiles.Tell(ctx, float64(len(bad)))
	return bad
}

// exportFiles says which exported files are of this flow, and how they are read.
var exportFiles = inbox.Format[*exportRows]{
	Mine: func(name string) bool {
		kind, ok := exports.KindOf(name)
		return ok && kind == exports.OptOuts
	},
	Check: func(name string, src io.Reader) (inbox.Contents, error) {
		counts, err := exports.Check(exports.OptOuts, name, src)
		if bad, ok := errors.AsType[*exports.FileError](err); ok {
			return inbox.Contents{Rows: counts.Rows, Fault: bad.Error()}, nil
		}
		return inbox.Contents{Rows: counts.Rows}, err
	},
	Open: openRows,
}

// exportRows are the rows of an exported file.
type exportRows struct {
	row  int // rows read
	file *exports.OptOutFile
}

func openRows(name string, src io.Reader, row int) (*exportRows, error) {
	file, err := exports.OpenOptOuts(name, src)
	if err != nil {
		return nil, err
	}
	r := &exportRows{file: file}
	for r.row < row {
		_, err := r.next()
		if _, refused := errors.AsType[*exports.RowError](err); err != nil && !refused {
			return nil, err
		}
	}
	return r, nil
}

// Row says how far the file was read.
func (r *exportRows) Row() int { return r.row }

func (r *exportRows) next() (*exports.OptOut, error) {
	row, err := r.file.Next()
	if !errors.Is(err, io.EOF) {
		r.row++
	}
	return row, err
}
