package config

import "time"

// Retention says how long the ledger keeps what has been done with. Workers forget it every
// hour, a few rows at a time, while flows run. What is still needed stays, however old:
// records in quarantine, runs that go on, the last run and the last load of each table.
type Retention struct {
	// BeforeImages is how long after its end a run can be rolled back. What Campaign held before the run is kept so long. Of a record that Dynamics has deleted only what undoes the deletion is kept.
	BeforeImages time.Duration `yaml:"before_images,omitempty" jsonschema:"minimum=1h,maximum=8760h,default=336h"`
	// ClosedQuarantine is how long a refused record is kept after it was released or discarded; that of a record that Dynamics deletes goes at once. A discarded version that comes again later is refused anew.
	ClosedQuarantine time.Duration `yaml:"closed_quarantine,omitempty" jsonschema:"minimum=1h,maximum=43800h,default=2160h"`
	// Returned is how long status counts records that somebody deleted in Campaign and that were created again.
	Returned time.Duration `yaml:"returned,omitempty" jsonschema:"minimum=1h,maximum=8760h,default=336h"`
	// Audits is how long after its end the findings of the last audit of a table are kept. A new audit replaces them.
	Audits time.Duration `yaml:"audits,omitempty" jsonschema:"minimum=24h,maximum=43800h,default=2160h"`
	// Events is how long the ledger remembers what became of each event, for causeway explain event. What is forgotten is still never written twice.
	Events time.Duration `yaml:"events,omitempty" jsonschema:"minimum=24h,maximum=8760h,default=720h"`
	// Evidence is how long each decision about an opt-out is kept for causeway optout history; 26280h are three years.
	Evidence time.Duration `yaml:"evidence,omitempty" jsonschema:"minimum=720h,maximum=175200h,default=26280h"`
	// Runs is how long after its end the account of a run is kept for causeway runs list. Totals stay. A run that can be rolled back or has records in quarantine is kept in any case.
	Runs time.Duration `yaml:"runs,omitempty" jsonschema:"minimum=24h,maximum=175200h,default=8760h"`
	// Passes is how long after its end a completed pass of changes is kept as a run of its own. Then those of an hour are put together in one row, which says how many they were and what they did. One that can be rolled back or has records in quarantine is kept in any case.
	Passes time.Duration `yaml:"passes,omitempty" jsonschema:"minimum=1h,maximum=175200h,default=336h"`
	// Operations is how long the log of what operators asked for is kept; 26280h are three years.
	Operations time.Duration `yaml:"operations,omitempty" jsonschema:"minimum=720h,maximum=175200h,default=26280h"`
	// Series is how far back the charts of the console reach.
	Series time.Duration `yaml:"series,omitempty" jsonschema:"minimum=168h,maximum=17520h,default=720h"`
	// SeriesMinutes is how long the charts show single minutes. What is older is kept by the hour.
	SeriesMinutes time.Duration `yaml:"series_minutes,omitempty" jsonschema:"minimum=25h,maximum=168h,default=48h"`
	// ConfigSaves is how long saved changes of the configuration can be listed and restored: causeway config history.
	ConfigSaves time.Duration `yaml:"config_saves,omitempty" jsonschema:"minimum=720h,maximum=175200h,default=26280h"`
}
