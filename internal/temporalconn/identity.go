package temporalconn

import (
	"os"
	"strconv"
)

// WorkerName names a worker process of an instance wherever people read of one: in
// Temporal, the status, metrics and logs. It is "instance@host:pid". A container that
// starts again may get the name of the one before, so programs tell workers apart by
// their ids in the ledger.
func WorkerName(instance string) string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	return instance + "@" + host + ":" + strconv.Itoa(os.Getpid())
}
