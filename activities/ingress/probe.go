package ingress

import (
	"context"
	"fmt"
	"regexp"

	"github.com/tidwall/gjson"

	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
)

const probeLines = 20 // records among which one with a key is looked for

// plainKey matches keys that stand in a URL as they are and that Campaign does not read
// as keys of its own.
var plainKey = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z-]*$`)

// probeKey checks that the key field of a mapping addresses records (R10.3), which the
// metadata does not show: a record that Campaign holds must be found by its value of that
// field. It is done before the first start only. A resource without a record that has a
// key cannot be probed.
func (a *Activities) probeKey(ctx context.Context, m *tableMapper) error {
	page, err := a.o.Target.List(ctx, m.resource, campaign.ListOptions{Lines: probeLines})
	if err != nil {
		return run.ToTemporal(ctx, fmt.Errorf("looking for a record of %s: %w", m.resource.Name, err))
	}
	field := m.plan.Table.Campaign.Key
	for _, raw := range page.Records {
		key := gjson.GetBytes(raw, field).String()
		if !plainKey.MatchString(key) {
			continue
		}
		found, err := a.o.Target.Get(ctx, m.resource, key)
		gone := apierr.ReasonOf(err) == apierr.ReasonNotFound
		if err != nil && apierr.ClassOf(err) != apierr.Rejected && !gone {
			return run.ToTemporal(ctx, fmt.Errorf("reading a record of %s by its key: %w", m.resource.Name, err))
		}
		if err != nil || gjson.GetBytes(found.Raw, field).String() != key {
			return run.Blocked("Mapping", fmt.Sprintf("the mapping does not fit: ingress.tables.%s.campaign.key: got %s, by which %s does not find its records, want its custom identification key, one field without duplicates; declare it in Campaign, or name the field that is", // R10.3, R10.8
				m.plan.Table.Name, field, m.resource.Name))
		}
		return nil
	}
	return nil
}
