// Package temporalconn decides how to reach Temporal. The worker and the
// operators' command call it, so that both reach the same server.
package temporalconn

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
)

// Settings are the connection settings of the configuration file. An empty one
// leaves the choice to Temporal's defaults.
type Settings struct {
	Address   string // host:port
	Namespace string
	Profile   string // of Temporal's own configuration file
}

// Options puts the sources of connection settings in order: address and namespace
// given, unless empty; Temporal's environment configuration (TEMPORAL_ADDRESS,
// TEMPORAL_PROFILE, API keys, mTLS); the configuration file; Temporal's defaults.
func Options(file Settings, address, namespace string, env envconfig.EnvLookup) (client.Options, error) {
	request := envconfig.LoadClientConfigProfileOptions{EnvLookup: env}
	if chosen, _ := env.LookupEnv("TEMPORAL_PROFILE"); chosen == "" {
		request.ConfigFileProfile = file.Profile
	}
	profile, err := envconfig.LoadClientConfigProfile(request)
	if err != nil {
		return client.Options{}, fmt.Errorf("connection settings of Temporal: %w", err)
	}
	profile.Address = cmp.Or(address, profile.Address, file.Address, client.DefaultHostPort)
	if !dialable(profile.Address) {
		return client.Options{}, fmt.Errorf("address of Temporal: got %q, want host:port, such as %s", profile.Address, client.DefaultHostPort)
	}
	profile.Namespace = cmp.Or(namespace, profile.Namespace, file.Namespace, client.DefaultNamespace)
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return client.Options{}, fmt.Errorf("connection settings of Temporal: %w", err)
	}
	return options, nil
}

// dialable tells host:port, and gRPC's own forms such as dns:///host:port, from what
// gRPC would fail at without saying why.
func dialable(address string) bool {
	if strings.Contains(address, "/") {
		return true
	}
	_, port, err := net.SplitHostPort(address)
	n, portErr := strconv.Atoi(port)
	return err == nil && portErr == nil && n > 0 && n <= 65535
}
