package ledger

// Verdict is what was decided about an entry when it was staged; its flow gives
// it the meaning.
type Verdict string

const (
	// VerdictNone leaves the decision to the writer.
	VerdictNone Verdict = ""
	// VerdictUnreadable is for what cannot be read; Entry.Problem says why.
	VerdictUnreadable Verdict = "unreadable"
)

// Entry is one staged record.
type Entry struct {
	Key     string
	Version string // of the source
	Verdict Verdict
	Problem string // with VerdictUnreadable; no value is in it
	Deleted bool
	Raw     []byte // the source's JSON object; nil when Deleted
}
