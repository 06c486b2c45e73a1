package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Secret refers to a secret kept elsewhere: env:NAME is an environment variable,
// file:path a file, relative to the configuration file. It never holds the secret
// and prints as [set] or [missing].
type Secret string

// secretPattern is what a reference looks like; the JSON Schema repeats it.
const secretPattern = `^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$`

var secretForm = regexp.MustCompile(secretPattern)

// IsSet tells whether the file names a secret, reachable or not.
func (s Secret) IsSet() bool { return s != "" }

// Resolve reads the secret, without the line break that ends a file. It fails
// when nothing is configured, the variable is unset or empty, or the file cannot
// be read or is empty; the error names the reference.
func (s Secret) Resolve() (string, error) {
	ref := string(s)
	switch {
	case ref == "":
		return "", errors.New("no secret configured, want env:NAME or file:path")
	case strings.HasPrefix(ref, "env:"):
		if value := os.Getenv(ref[4:]); value != "" {
			return value, nil
		}
		return "", fmt.Errorf("environment variable %s is not set", ref[4:])
	case strings.HasPrefix(ref, "file:"):
		data, err := os.ReadFile(ref[5:])
		if err != nil {
			return "", fmt.Errorf("secret file: %w", err)
		}
		if value := strings.TrimRight(string(data), "\r\n"); value != "" {
			return value, nil
		}
		return "", fmt.Errorf("secret file %s is empty", ref[5:])
	}
	return "", errors.New("not a reference to a secret, want env:NAME or file:path")
}

// String is [set] when the secret can be read, else [missing].
func (s Secret) String() string {
	if _, err := s.Resolve(); err != nil {
		return "[missing]"
	}
	return "[set]"
}

// GoString is String, so that %#v tells no more.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String, for JSON and logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML is String.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }
