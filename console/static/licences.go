package static

import _ "embed"

//go:embed htmx.LICENSE
var htmxLicence string

// Licence is that of something of others that is embedded.
type Licence struct{ What, Version, Name, Text string }

// HtmxVersion is the version of htmx.min.js, as README.md says it.
const HtmxVersion = "2.0.9"

// Licences are those of what others made and the console serves.
func Licences() []Licence {
	return []Licence{{What: "htmx", Version: HtmxVersion, Name: "Zero-Clause BSD", Text: htmxLicence}}
}
