package static

import _ "embed"

//go:embed htmx.LICENSE
var htmxLicence string

//go:embed uplot.LICENSE
var uplotLicence string

// Licence is that of something of others that is embedded.
type Licence struct{ What, Version, Name, Text string }

// HtmxVersion is the version of htmx.min.js, as README.md says it.
const HtmxVersion = "2.0.9"

// UplotVersion is the version of uplot.min.js and uplot.min.css.
const UplotVersion = "1.6.32"

// Licences are those of what others made and the console serves.
func Licences() []Licence {
	return []Licence{{What: "htmx", Version: HtmxVersion, Name: "Zero-Clause BSD", Text: htmxLicence}, {What: "uPlot", Version: UplotVersion, Name: "MIT", Text: uplotLicence}}
}
