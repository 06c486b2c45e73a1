package optout

import (
	"encoding/json"
	"time"

	"causeway.dev/internal/readable"
)

// Settings are payloads of workflows: their durations are written as people read
// them in the Temporal UI, "2m0s" instead of 120000000000.

type plainSettings Settings // without its methods

type settingsJSON struct {
	plainSettings
	Skew          readable.Duration `json:"skew,omitempty"`
	CampaignEvery readable.Duration `json:"campaign_every"`
}

// MarshalJSON writes durations as text.
func (s Settings) MarshalJSON() ([]byte, error) {
	return json.Marshal(settingsJSON{plainSettings(s), readable.Duration(s.Skew), readable.Duration(s.CampaignEvery)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Settings) UnmarshalJSON(data []byte) error {
	var read settingsJSON
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	*s = Settings(read.plainSettings)
	s.Skew, s.CampaignEvery = time.Duration(read.Skew), time.Duration(read.CampaignEvery)
	return nil
}

type plainExport ExportSetting

type exportJSON struct {
	plainExport
	CheckEvery readable.Duration `json:"check_every,omitempty"`
	StaleAfter readable.Duration `json:"stale_after,omitempty"`
}

// MarshalJSON writes durations as text.
func (e ExportSetting) MarshalJSON() ([]byte, error) {
	return json.Marshal(exportJSON{plainExport(e), readable.Duration(e.CheckEvery), readable.Duration(e.StaleAfter)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *ExportSetting) UnmarshalJSON(data []byte) error {
	var read exportJSON
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	*e = ExportSetting(read.plainExport)
	e.CheckEvery, e.StaleAfter = time.Duration(read.CheckEvery), time.Duration(read.StaleAfter)
	return nil
}
