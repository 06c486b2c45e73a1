package campaign

import (
	"fmt"
	"strings"
)

func languages() []string {
	return strings.Fields("none ar bg cs da de de_at de_ch el en en_gb en_us es es_mx et fi fr fr_be fr_ca fr_ch he hi hr hu id it ja ko lt lv nb nl nl_be pl pt pt_br ro ru sk sl sr sv th tr uk vi zh zh_cn zh_tw")
}

// zones are IANA names. A fixed offset is Etc/GMT with the sign inverted.
var zones = append(strings.Fields(`none GMT
Africa/Cairo Africa/Casablanca Africa/Johannesburg Africa/Lagos Africa/Nairobi
America/Anchorage America/Argentina/Buenos_Aires America/Bogota America/Caracas America/Chicago America/Denver America/Halifax
America/Los_Angeles America/Mexico_City America/Montevideo America/New_York America/Phoenix America/Santiago America/Sao_Paulo America/St_Johns
Asia/Almaty Asia/Baghdad Asia/Baku Asia/Bangkok Asia/Colombo Asia/Dhaka Asia/Dubai Asia/Hong_Kong Asia/Jakarta Asia/Jerusalem Asia/Kabul
Asia/Karachi Asia/Kathmandu Asia/Kolkata Asia/Kuala_Lumpur Asia/Manila Asia/Riyadh Asia/Seoul Asia/Shanghai Asia/Singapore Asia/Taipei
Asia/Tashkent Asia/Tehran Asia/Tokyo Asia/Yekaterinburg Atlantic/Azores Atlantic/Reykjavik
Australia/Adelaide Australia/Brisbane Australia/Darwin Australia/Hobart Australia/Perth Australia/Sydney
Europe/Amsterdam Europe/Athens Europe/Belgrade Europe/Berlin Europe/Brussels Europe/Bucharest Europe/Budapest Europe/Copenhagen Europe/Dublin
Europe/Helsinki Europe/Istanbul Europe/Kiev Europe/Lisbon Europe/London Europe/Luxembourg Europe/Madrid Europe/Minsk Europe/Moscow Europe/Oslo
Europe/Paris Europe/Prague Europe/Riga Europe/Rome Europe/Sofia Europe/Stockholm Europe/Tallinn Europe/Vienna Europe/Vilnius Europe/Warsaw
Europe/Zurich Pacific/Auckland Pacific/Fiji Pacific/Guam Pacific/Honolulu`), offsets()...)

func offsets() []string {
	var out []string
	for h := 12; h > 0; h-- {
		out = append(out, fmt.Sprintf("Etc/GMT+%d", h))
	}
	for h := 1; h <= 14; h++ {
		out = append(out, fmt.Sprintf("Etc/GMT-%d", h))
	}
	return out
}

// zoneNames are the zones' API names: Europe_Paris, and Gmt_m4 for Etc/GMT+4.
func zoneNames() []string {
	fixed := strings.NewReplacer("Etc/GMT+", "Gmt_m", "Etc/GMT-", "Gmt_p", "/", "_")
	out := make([]string, len(zones))
	for i, z := range zones {
		out[i] = fixed.Replace(z)
	}
	return out
}
