package activities

import "time"

// BackupLedgerInput has a worker copy the ledger.
type BackupLedgerInput struct {
	// To is a file that is not there yet, or a folder, on the machine of the worker; "" is
	// ledger.backup.folder.
	To string `json:"to,omitempty"`
	By string `json:"by,omitempty"`
}

// BackupLedgerResult is the copy, or the server whose own tools make one.
type BackupLedgerResult struct {
	Backup *LedgerBackup `json:"backup,omitempty"`
	Server *LedgerServer `json:"server,omitempty"` // nothing was copied: it is PostgreSQL
}

// LedgerBackup is a copy of the ledger that was looked at and found whole.
type LedgerBackup struct {
	File    string    `json:"file"`
	Size    int64     `json:"size"`
	At      time.Time `json:"at"`                // it holds what was committed until then
	Removed int       `json:"removed,omitempty"` // older copies
}

// LedgerServer is where a ledger is that PostgreSQL keeps. It holds no password.
type LedgerServer struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	User     string `json:"user"`
	Database string `json:"database"`
}

// BackupState is how the backups of a SQLite ledger stand.
type BackupState struct {
	Last *LedgerBackup `json:"last,omitempty"` // nil = none was made
	// Failed says why the last attempt failed, and FailedAt when; "" = it did not.
	Failed   string    `json:"failed,omitempty"`
	FailedAt time.Time `json:"failed_at,omitzero"`
	// WarnAfter is the age of a copy from which it is told of; 0 = none is made by itself.
	WarnAfter time.Duration `json:"warn_after,omitempty"`
}

// Late says that the newest copy is too old.
func (s *BackupState) Late(now time.Time) bool {
	return s != nil && s.Last != nil && s.WarnAfter > 0 && now.Sub(s.Last.At) > s.WarnAfter
}
