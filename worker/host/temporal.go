package host

import (
	"fmt"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
)

// temporalOptions are the SDK's own environment configuration (TEMPORAL_ADDRESS,
// profiles, API keys, mTLS), with the configuration file beneath it.
func temporalOptions(o Options) (client.Options, error) {
	if o.Temporal.HostPort != "" {
		return o.Temporal, nil
	}
	t := o.Config.Temporal
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{ConfigFileProfile: t.Profile})
	if err != nil {
		return client.Options{}, fmt.Errorf("the environment configuration of Temporal: %w", err)
	}
	if profile.Address == "" {
		profile.Address = t.Address
	}
	if profile.Namespace == "" {
		profile.Namespace = t.Namespace
	}
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return client.Options{}, fmt.Errorf("the connection settings of Temporal: %w", err)
	}
	return options, nil
}
