package host

import (
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"causeway.dev/internal/temporalconn"
)

// temporalOptions are the options of the connection, without what seals.
func temporalOptions(o Options) (client.Options, error) {
	if o.Temporal.HostPort != "" {
		return o.Temporal, nil
	}
	t := o.Config.Temporal
	return temporalconn.Options(temporalconn.Settings{Address: t.Address, Namespace: t.Namespace, Profile: t.Profile}, "", "", envconfig.EnvLookupOS)
}
