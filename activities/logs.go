package activities

import "time"

// LogDaysInput asks which days are to be written.
type LogDaysInput struct{}

// LogDaysResult are the days that have ended and are not written yet, the oldest first.
type LogDaysResult struct {
	Off   bool     `json:"off,omitempty"` // none is to be written any more
	Days  []string `json:"days,omitempty"`
	Flows []string `json:"flows,omitempty"`
}

// ExportLogInput is one file.
type ExportLogInput struct {
	Flow string `json:"flow"`
	Day  string `json:"day"` // 2006-01-02, in UTC
}

// ExportLogResult says what is in it.
type ExportLogResult struct {
	File  string `json:"file"`
	Lines int64  `json:"lines"`
	Cut   int64  `json:"cut,omitempty"` // lines that did not fit
}

// EndLogDayInput is a day of which all files are written.
type EndLogDayInput struct {
	Day string `json:"day"`
}

// EndLogDayResult is how many old files were removed.
type EndLogDayResult struct {
	Removed int `json:"removed"`
}

// LogExportState is how the export of logs stands.
type LogExportState struct {
	Done    string    `json:"done,omitempty"` // the last day of which all files are written
	At      time.Time `json:"at,omitzero"`    // of the last try
	Problem string    `json:"problem,omitempty"`
}
