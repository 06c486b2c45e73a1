package host

import (
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"causeway.dev/internal/temporalconn"
)

func temporalOptions(o Options) (client.Options, error) {
	if o.Temporal.HostPort != "" {
		return o.Temporal, nil
	}
	return temporalconn.Options(o.Config.Temporal, "", "", envconfig.EnvLookupOS)
}
