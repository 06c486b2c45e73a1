package temporalconn

import (
	"fmt"
	"os"
)

// Identity names a process of an instance: instance@host:pid.
func Identity(instance string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s@%s:%d", instance, host, os.Getpid())
}
