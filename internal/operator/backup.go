package operator

import (
	"context"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/internal/phrase"
)

// backupWithin is how long a backup may take. That there is a worker is known before.
const backupWithin = 6 * time.Hour

// BackupLedger has a worker copy the ledger while flows go on. to is a file or a folder on the
// worker's machine; "" is the folder of the configuration.
func (i *Instance) BackupLedger(ctx context.Context, to string) (r activities.BackupLedgerResult, err error) {
	if err := i.checkWorker(ctx); err != nil {
		return r, err
	}
	err = i.ask(ctx, max(i.Timeout, backupWithin), activities.BackupLedger, activities.BackupLedgerInput{To: to, By: i.By}, &r)
	return r, err
}

// backup says that backups do not go well.
func (n *notes) backup(s *activities.BackupState, now time.Time) {
	switch {
	case s == nil:
	case s.Failed != "":
		n.add(Alarm, "backing the ledger up failed %s: %s; put that right, then: causeway ledger backup", phrase.Moment(now, s.FailedAt), phrase.OneLine(s.Failed))
	case s.Late(now):
		n.add(Alarm, "the last backup of the ledger is from %s, which is longer ago than ledger.backup.warn_after: causeway ledger backup", phrase.Moment(now, s.Last.At))
	}
}

// LastBackup says when the ledger was copied last; "" when it was not, or that is not known.
func (r Report) LastBackup(now time.Time) string {
	if r.Backup == nil || r.Backup.Last == nil {
		return ""
	}
	last := r.Backup.Last
	return "last backup of the ledger " + phrase.Moment(now, last.At) + ", " + humanize.IBytes(uint64(max(0, last.Size))) + ": " + last.File
}
