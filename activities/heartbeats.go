package activities

// PreBaselineBeat is the heartbeat while the ids before a baseline are read. Operators
// see it, because nothing else shows how far that is.
type PreBaselineBeat struct {
	IDs int64 `json:"ids"` // read so far
}
