package campaign

import "time"

// Sighting is a file and since when it has been seen just so. Campaign writes
// files in place, so that a listing can show half of one (docs/protocol/campaign.md §8).
type Sighting struct {
	RemoteFile
	Since time.Time // of the first listing with this size and time of change
}

// Observe brings earlier sightings up to date with a listing taken at that
// moment: what has not changed keeps its Since, what is gone is dropped. The
// caller keeps the result until the next listing; listings may be taken as often
// as it likes.
func Observe(earlier []Sighting, listing []RemoteFile, at time.Time) []Sighting {
	known := make(map[string]Sighting, len(earlier))
	for _, s := range earlier {
		known[s.Path] = s
	}
	out := make([]Sighting, len(listing))
	for i, f := range listing {
		out[i] = Sighting{RemoteFile: f, Since: at}
		if s, ok := known[f.Path]; ok && s.Size == f.Size && s.Modified.Equal(f.Modified) && !s.Since.After(at) {
			out[i].Since = s.Since
		}
	}
	return out
}

// Stable are the sightings that a listing taken at that moment confirmed after
// at least wait: files to read. wait is 60 s unless configured otherwise.
func Stable(sightings []Sighting, at time.Time, wait time.Duration) []RemoteFile {
	var out []RemoteFile
	for _, s := range sightings {
		if at.Sub(s.Since) >= wait {
			out = append(out, s.RemoteFile)
		}
	}
	return out
}
