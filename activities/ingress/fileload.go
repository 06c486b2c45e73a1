package ingress

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/bulk"
	"causeway.dev/internal/ledger"
)

// stands is where an earlier attempt has left the part; nil when there is none.
func (w *fileWriter) stands(ctx context.Context) (*filePart, error) {
	kept, err := w.rest.ledger.FilePart(ctx, w.id)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	if err != nil {
		return nil, err
	}
	return decodeFilePart(kept)
}

func decodeFilePart(kept *ledger.FilePart) (*filePart, error) {
	var p filePart
	if err := json.Unmarshal(kept.Doc, &p); err != nil {
		return nil, fmt.Errorf("where the part of %s stands: %w", kept.Lane, err)
	}
	return &p, nil
}

// loader loads the part of the lane, and keeps where it stands for as long as the lane is
// this attempt's.
func (w *fileWriter) loader(part *filePart) *bulk.Loader {
	return w.load.loader(func(ctx context.Context, p bulk.Progress) error {
		part.Progress = p
		doc, err := json.Marshal(part)
		if err != nil {
			return err
		}
		return w.rest.ledger.SaveFilePart(ctx, w.token, ledger.FilePart{Lane: w.id, Outstanding: p.Stage.Outstanding(), Doc: doc})
	})
}

func (f *FileLoad) loader(save func(context.Context, bulk.Progress) error) *bulk.Loader {
	l := &bulk.Loader{Outbox: &f.Outbox, Workflows: f.Workflows, Workflow: f.Workflow, Folder: f.Folder, Save: save, Wait: f.Wait, Now: f.Now, Settles: f.Settles, Tries: f.Tries}
	if l.Now == nil {
		l.Now = time.Now
	}
	if l.Wait == nil {
		l.Wait = func(ctx context.Context) error {
			t := time.NewTimer(cmp.Or(f.Poll, 10*time.Second))
			defer t.Stop()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-t.C:
				return nil
			}
		}
	}
	return l
}

// giveUpFile sees to it that no file of a table is outstanding which is of a run that why
// says: the file is removed, and the workflow seen stopped.
func (a *Activities) giveUpFile(ctx context.Context, table string, of func(run string) bool) error {
	kept, err := a.o.Ledger.OutstandingFile(ctx, table)
	if err != nil || kept == nil || !of(kept.Lane.Run) {
		return err
	}
	load, err := a.fileLoad(table)
	if err != nil {
		return err
	}
	part, err := decodeFilePart(kept)
	if err != nil {
		return err
	}
	_, err = load.loader(func(ctx context.Context, p bulk.Progress) error {
		part.Progress = p
		doc, err := json.Marshal(part)
		if err != nil {
			return err
		}
		return a.o.Ledger.FilePartGivenUp(ctx, kept.Lane, doc)
	}).GiveUp(ctx, part.Progress)
	return err
}

// clearResults removes the results of a part that the ledger has settled.
func (a *Activities) clearResults(ctx context.Context, table string) error {
	load, err := a.fileLoad(table)
	if err != nil {
		return err
	}
	err = load.Outbox.Clear(ctx)
	if apierr.ReasonOf(err) == apierr.ReasonNotFound {
		err = nil // no part was sent yet, so there is no folder
	}
	return run.ToTemporal(ctx, err)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
