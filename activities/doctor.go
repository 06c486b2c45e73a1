package activities

import "time"

// DoctorInput asks whether everything outside is as it has to be.
type DoctorInput struct {
	Areas  []string      `json:"areas,omitempty"` // none: all
	Within time.Duration `json:"within"`          // for all checks together
	Keep   bool          `json:"keep,omitempty"`  // the answer is kept for status and the gauges
}

// KeepChecksInput adds checks that were made elsewhere to the answer that is kept.
type KeepChecksInput struct {
	Checks []Check `json:"checks"`
}

// CheckState says how a check ended.
type CheckState string

const (
	CheckOK      CheckState = "ok"
	CheckWarn    CheckState = "warn"    // flows run, but not for ever or not in full
	CheckFail    CheckState = "fail"    // flows do not run
	CheckSkipped CheckState = "skipped" // could not be made; Found says why
)

// Areas of checks. Temporal's and those of the configuration are made by whoever asks.
const (
	AreaConfig       = "config"
	AreaTemporal     = "temporal"
	AreaLedger       = "ledger"
	AreaDynamics     = "dynamics"
	AreaCampaign     = "campaign"
	AreaModels       = "models"
	AreaJournal      = "journal"
	AreaSFTP         = "sftp"
	AreaCredentials  = "credentials"
	AreaCertificates = "certificates"
	AreaClocks       = "clocks"
)

// Areas lists them in the order in which they are shown.
func Areas() []string {
	return []string{AreaConfig, AreaTemporal, AreaLedger, AreaDynamics, AreaCampaign, AreaModels, AreaJournal, AreaSFTP, AreaCredentials, AreaCertificates, AreaClocks}
}

// Check is one check and its outcome. It holds no secret and nothing of a person.
type Check struct {
	Area   string     `json:"area"`
	What   string     `json:"what"`
	State  CheckState `json:"state"`
	Found  string     `json:"found"`
	Wanted string     `json:"wanted,omitempty"`
	Remedy string     `json:"remedy,omitempty"`
	TookMS int64      `json:"took_ms"`
}

// DoctorResult is every check that was made or skipped, by area.
type DoctorResult struct {
	At     time.Time `json:"at"`
	Checks []Check   `json:"checks"`
	// Requests is how many requests went to each host.
	Requests map[string]int `json:"requests"`
	// EngineCalls is how many of them were calls that Campaign meters.
	EngineCalls int `json:"engine_calls"`
}

// Count is how many checks ended so.
func (r *DoctorResult) Count(state CheckState) int {
	n := 0
	for _, c := range r.Checks {
		if c.State == state {
			n++
		}
	}
	return n
}

// NotWell is the same with the checks alone that fail or have to be looked at; nil of nil.
func (r *DoctorResult) NotWell() *DoctorResult {
	if r == nil {
		return nil
	}
	out := *r
	out.Checks = []Check{}
	for _, c := range r.Checks {
		if c.State == CheckFail || c.State == CheckWarn {
			out.Checks = append(out.Checks, c)
		}
	}
	return &out
}
