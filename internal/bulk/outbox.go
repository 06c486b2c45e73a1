package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"causeway.dev/internal/campaign"
)

// server is the file server, as campaign.SFTP is.
type server interface {
	EnsureFolder(ctx context.Context, folder string) error
	Upload(ctx context.Context, file string, content io.Reader) error
	List(ctx context.Context, folder string) ([]campaign.RemoteFile, error)
	Download(ctx context.Context, file campaign.RemoteFile, dest string) (*campaign.Downloaded, error)
	Remove(ctx context.Context, file string) error
	RemoveUnfinished(ctx context.Context, file string) error
}

// Outbox is the place of one import workflow on the file server: the file that it takes,
// and the folder of its results. One part is there at a time.
type Outbox struct {
	Server  server
	File    string // import/profile.csv
	Results string // import/results

	Recipient *Recipient // encrypts the parts; nil: they are in clear, and only for as long as they are imported
}

// Put uploads a part under a temporary name, renames it, and sees that it is there whole.
// It may be called again: the same part replaces itself.
func (o *Outbox) Put(ctx context.Context, p Part, content io.Reader) error {
	if err := o.prepare(ctx); err != nil {
		return err
	}
	plain := &counted{Reader: content}
	sent := plain
	if o.Recipient != nil {
		sealed := o.Recipient.encrypt(plain)
		defer sealed.Close()
		sent = &counted{Reader: sealed}
	}
	if err := o.Server.Upload(ctx, o.File, sent); err != nil {
		return fmt.Errorf("uploading part %s: %w", p.ID, err)
	}
	there, err := o.find(ctx)
	if err != nil {
		return err
	}
	if there == nil || plain.n != p.Bytes || there.Size != sent.n {
		return errors.Join(fmt.Errorf("part %s: the server does not hold the %d bytes of the part whole", p.ID, p.Bytes), o.Withdraw(ctx))
	}
	return nil
}

func (o *Outbox) prepare(ctx context.Context) error {
	for _, folder := range []string{path.Dir(o.File), o.Results} {
		if err := o.Server.EnsureFolder(ctx, folder); err != nil {
			return fmt.Errorf("the folder %s: %w", folder, err)
		}
	}
	return nil
}

// Withdraw removes the part, and what uploads of it that were killed have left, and sees
// that it is gone. It may be called again. A run of the workflow that has begun has its own
// copy, so only a workflow that was seen stopped afterwards imports nothing more.
func (o *Outbox) Withdraw(ctx context.Context) error {
	if err := o.Server.RemoveUnfinished(ctx, o.File); err != nil {
		return fmt.Errorf("removing unfinished uploads of %s: %w", o.File, err)
	}
	if err := o.Server.Remove(ctx, o.File); err != nil {
		return fmt.Errorf("removing %s: %w", o.File, err)
	}
	there, err := o.find(ctx)
	if err == nil && there != nil {
		err = fmt.Errorf("removing %s: it is still there", o.File)
	}
	return err
}

// Outstanding says whether a part is at the place from which the workflow takes it.
func (o *Outbox) Outstanding(ctx context.Context) (bool, error) {
	there, err := o.find(ctx)
	return there != nil, err
}

func (o *Outbox) find(ctx context.Context) (*campaign.RemoteFile, error) {
	files, err := o.Server.List(ctx, path.Dir(o.File))
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", o.File, err)
	}
	for _, f := range files {
		if f.Name() == path.Base(o.File) {
			return &f, nil
		}
	}
	return nil, nil //nolint:nilnil // none is an answer
}

// Damaged are results that say nothing, because they are not whole or not as they must
// be. Those that are being transferred look so, too.
type Damaged struct{ Files []error }

func (e *Damaged) Error() string {
	return "the results of the import: " + errors.Join(e.Files...).Error()
}

// Collect reads the results on the server into a tally. Copies are made in folder, and
// removed again; the files on the server stay until Clear. When its error is *Damaged, the
// tally holds what the other files say.
func (o *Outbox) Collect(ctx context.Context, t *Tally, folder string) error {
	var damaged Damaged
	err := o.each(ctx, func(kind Kind, f campaign.RemoteFile) error {
		local := filepath.Join(folder, f.Name())
		defer os.Remove(local) //nolint:errcheck // the folder is temporary
		if _, err := o.Server.Download(ctx, f, local); err != nil {
			return fmt.Errorf("the results of the import: %w", err)
		}
		src, err := os.Open(local) //nolint:gosec // the name is of a known form
		if err != nil {
			return err
		}
		defer src.Close()
		if err := t.Read(kind, f.Name(), src); err != nil {
			damaged.Files = append(damaged.Files, err)
		}
		return nil
	})
	if err == nil && len(damaged.Files) > 0 {
		err = &damaged
	}
	return err
}

// Clear removes the results from the server, because they hold personal data.
func (o *Outbox) Clear(ctx context.Context) error {
	return o.each(ctx, func(_ Kind, f campaign.RemoteFile) error { return o.Server.Remove(ctx, f.Path) })
}

func (o *Outbox) each(ctx context.Context, f func(Kind, campaign.RemoteFile) error) error {
	files, err := o.Server.List(ctx, o.Results)
	if err != nil {
		return fmt.Errorf("the results of the import: %w", err)
	}
	for _, one := range files {
		if kind, ok := KindOf(one.Name()); ok {
			if err := f(kind, one); err != nil {
				return err
			}
		}
	}
	return nil
}
