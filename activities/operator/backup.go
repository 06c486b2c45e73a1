package operator

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// factBackup names how backups stand, in the ledger.
const factBackup = "backup"

// Backups are the settings of backups.
type Backups struct {
	Instance  string // names copies, for several can share a folder
	Folder    string
	Keep      int
	KeepFor   time.Duration
	WarnAfter time.Duration // 0: none is made by itself
}

// BackupLedger copies the ledger while flows go on, and enters it into the log of operations.
// What became of it is kept for status and the gauges.
func (a *Activities) BackupLedger(ctx context.Context, in activities.BackupLedgerInput) (*activities.BackupLedgerResult, error) {
	defer run.KeepBeating(ctx, nil)()
	made, err := a.ledger.Backup(ctx, ledger.BackupOptions{Folder: a.backups.Folder, Name: a.backups.Instance, To: in.To, Keep: a.backups.Keep, KeepFor: a.backups.KeepFor})
	switch {
	case errors.Is(err, ledger.ErrServer):
		server, err := a.ledger.Server(ctx)
		return &activities.BackupLedgerResult{Server: (*activities.LedgerServer)(server)}, err
	case ctx.Err() != nil && made == nil:
		return nil, ctx.Err()
	case isPlace(err):
		return nil, run.Blocked("BadInput", err.Error())
	case made == nil && (in.To != "" || errors.Is(err, ledger.ErrBackingUp)):
		// Whoever named the place or asked twice is told. Backups of the settings may go well.
		return nil, run.Blocked("BackupFailed", err.Error())
	case made == nil:
		if kept := a.keepBackup(ctx, func(s *activities.BackupState) { s.Failed, s.FailedAt = err.Error(), time.Now().UTC() }); kept != nil {
			return nil, kept
		}
		return nil, run.Blocked("BackupFailed", err.Error()) // it would fail again
	}
	out := (*activities.LedgerBackup)(made)
	kept := a.keepBackup(ctx, func(s *activities.BackupState) {
		s.Last, s.Failed, s.FailedAt = out, "", time.Time{}
		if err != nil { // older copies could not be removed: the disk fills
			s.Failed, s.FailedAt = err.Error(), time.Now().UTC()
		}
	})
	_, logged := run.Log(ctx, a.ledger, ledger.Operation{ID: "backup/" + rand.Text(), At: time.Now().UTC(), By: in.By, What: activities.OpBackup, Flow: activities.FlowIngress,
		Detail: fmt.Sprintf("%s, %s", made.File, humanize.IBytes(uint64(made.Size)))}) //nolint:gosec // not negative
	return &activities.BackupLedgerResult{Backup: out}, errors.Join(kept, logged)
}

// isPlace says that a copy cannot go where somebody wants it.
func isPlace(err error) bool {
	_, place := errors.AsType[ledger.PlaceError](err)
	return place
}

func (a *Activities) keepBackup(ctx context.Context, change func(*activities.BackupState)) error {
	s, err := backupState(ctx, a.ledger)
	if err != nil {
		return err
	}
	change(s)
	doc, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return a.ledger.SaveFact(ctx, factBackup, string(doc))
}

func backupState(ctx context.Context, l *ledger.Ledger) (*activities.BackupState, error) {
	out := &activities.BackupState{}
	doc, err := l.Fact(ctx, factBackup)
	if err == nil && doc != "" {
		err = json.Unmarshal([]byte(doc), out)
	}
	return out, err
}

// BackupState says how backups stand; nil where PostgreSQL keeps the ledger.
func BackupState(ctx context.Context, l *ledger.Ledger, b Backups) (*activities.BackupState, error) {
	if l.InServer() {
		return nil, nil
	}
	s, err := backupState(ctx, l)
	if err != nil {
		return nil, fmt.Errorf("how backups stand: %w", err)
	}
	s.WarnAfter = b.WarnAfter
	return s, nil
}
