package workflows

import "time"

// OptOutStatus is what Status has of the opt-out flow beside what every flow has.
type OptOutStatus struct {
	Mode    string `json:"mode"`
	Source  string `json:"source"`  // of Campaign's choices: rest or sftp
	Pairs   int    `json:"pairs"`   // attributes kept in step
	Waiting int64  `json:"waiting"` // contacts whose opt-out waits for a profile
	// BadFiles are exported files that cannot be read, with place and reason.
	BadFiles []string      `json:"bad_files,omitempty"`
	Export   *ExportStatus `json:"export,omitempty"`
}

// ExportStatus is how the Campaign workflow is that exports opt-outs.
type ExportStatus struct {
	Workflow string      `json:"workflow,omitempty"` // its id; "" = only files are watched
	State    string      `json:"state,omitempty"`    // in Campaign's words
	Newest   time.Time   `json:"newest,omitzero"`    // file that was read
	Alarm    string      `json:"alarm,omitempty"`    // what somebody must look at
	Looked   time.Time   `json:"looked"`
	Warned   time.Time   `json:"warned,omitzero"` // since when it has been paused
	Restarts []time.Time `json:"restarts,omitempty"`
}
