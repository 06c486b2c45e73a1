package activities

import "time"

// LedgerSealing says how the ledger is sealed.
type LedgerSealing struct {
	Key       string       `json:"key,omitempty"`        // id of the key that seals; "" = nothing is sealed
	OlderKeys []string     `json:"older_keys,omitempty"` // ids of others that are needed yet
	Whole     bool         `json:"whole"`                // no value is there from before it had a key
	Rekey     *LedgerRekey `json:"rekey,omitempty"`      // the last one; nil = none was asked for
	// Remains says that free space of the SQLite file may hold values in clear, until the worker begins the next time.
	Remains bool `json:"remains,omitempty"`
}

// LedgerRekey is how far the workers are with sealing the ledger anew.
type LedgerRekey struct {
	Asked   time.Time  `json:"asked"`
	Ended   *time.Time `json:"ended,omitempty"`
	Column  int        `json:"column"`  // of the columns with values, how many are done
	Columns int        `json:"columns"` // how many there are
	Looked  int64      `json:"looked"`  // values so far
	Sealed  int64      `json:"sealed"`  // of them, those that were sealed anew
	Problem string     `json:"problem,omitempty"`
}

// RekeyLedgerInput has the workers seal the ledger anew with the first key.
type RekeyLedgerInput struct {
	By string `json:"by,omitempty"`
}
