package activities

// AnchorBeat is the heartbeat while ids are read, for nothing else tells of it.
type AnchorBeat struct {
	IDs int64 `json:"ids"` // read so far
}
