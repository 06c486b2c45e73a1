// Package readable is for what people read: types of payloads in the Temporal UI, and
// writers that let no foreign text steer a terminal. Payloads and settings use the types;
// the command line and the log of the worker write through the writers.
package readable

import "time"

// Duration is a time.Duration that is written as "2s" instead of 2000000000.
type Duration time.Duration

// String is as time.Duration has it.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText makes "1m30s" of a minute and a half.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText takes what time.ParseDuration takes.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = Duration(parsed)
	return nil
}
