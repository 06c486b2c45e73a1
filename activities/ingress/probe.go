package ingress

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
)

const (
	probeLines = 1000 // records per list call; Campaign may send fewer
	probeNamed = 3    // duplicates that are named
)

// plainKey matches keys that stand in a URL as they are and that Campaign does not read
// as keys of its own.
var plainKey = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z-]*$`)

// recordID matches keys that are ids of records, and so may be named. Another field than
// the key may hold anything, also what is personal.
var recordID = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// probeKey checks that the key field of a mapping addresses records (R10.3), which the
// metadata does not show: a record that Campaign holds must be found by its value of that
// field, and no two records may have the same. It is done before the first start only,
// with a list call for each 1,000 records, up to Options.ProbeRecords, and one read. A
// resource without a record that has a key cannot be probed.
func (a *Activities) probeKey(ctx context.Context, m *tableMapper) error {
	return a.probeKeyOf(ctx, m, a.o.ProbeRecords)
}

// probeKeyOf is probeKey for at least so many records.
func (a *Activities) probeKeyOf(ctx context.Context, m *tableMapper, records int) error {
	options := campaign.ListOptions{Lines: probeLines}
	if m.keySortable {
		options.Order = m.plan.Table.Campaign.Key + " desc" // those without a key, which are not from here, come last
	}
	probe := keyProbe{a: a, m: m, field: m.plan.Table.Campaign.Key, seen: map[string]int{}}
	var links run.Cycle
	page, err := a.o.Target.List(ctx, m.resource, options)
	for ; err == nil; page, err = a.o.Target.Follow(ctx, m.resource, page.Next) {
		if err := probe.page(ctx, page.Records); err != nil {
			return err
		}
		if page.Next == "" || probe.read >= records {
			return probe.verdict()
		}
		if links.Closes(page.Next) {
			return run.LinkRepeated("campaign", "list "+m.resource.Name)
		}
	}
	return run.ToTemporal(ctx, fmt.Errorf("looking for records of %s: %w", m.resource.Name, err))
}

// keyProbe compares the keys of records that Campaign holds.
type keyProbe struct {
	a      *Activities
	m      *tableMapper
	field  string
	read   int
	seen   map[string]int // key -> records that have it
	tried  bool           // a record was read by its key
	shared []string       // keys of several records
}

func (p *keyProbe) page(ctx context.Context, records [][]byte) error {
	p.read += len(records)
	for _, raw := range records {
		key := gjson.GetBytes(raw, p.field).String()
		if key == "" {
			continue
		}
		if p.seen[key]++; p.seen[key] == 2 {
			p.shared = append(p.shared, key)
		}
		if p.tried || !plainKey.MatchString(key) {
			continue
		}
		p.tried = true
		if err := p.readBy(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// readBy reads a record by its key.
func (p *keyProbe) readBy(ctx context.Context, key string) error {
	resource := p.m.resource
	found, err := p.a.o.Target.Get(ctx, resource, key)
	gone := apierr.ReasonOf(err) == apierr.ReasonNotFound
	if err != nil && apierr.ClassOf(err) != apierr.Rejected && !gone {
		return run.ToTemporal(ctx, fmt.Errorf("reading a record of %s by its key: %w", resource.Name, err))
	}
	if err != nil || gjson.GetBytes(found.Raw, p.field).String() != key {
		return p.refused(fmt.Sprintf("got %s, by which %s does not find its records, want its custom identification key, one field without duplicates; declare it in Campaign, or name the field that is", p.field, resource.Name)) // R10.3, R10.8
	}
	return nil
}

// verdict refuses a field of which several records have the same value: a write would
// change any of them, and the others would stay as they are.
func (p *keyProbe) verdict() error {
	if len(p.shared) == 0 {
		return nil
	}
	such, ids := "", slices.DeleteFunc(slices.Clone(p.shared), func(key string) bool { return !recordID.MatchString(key) })
	if len(ids) > 0 {
		such = ", such as " + strings.Join(ids[:min(len(ids), probeNamed)], ", ")
	}
	return p.refused(fmt.Sprintf("got %s, with %d of its values in several records each, of %d records that were compared%s, want one field without duplicates; remove the duplicates in Campaign and declare the field as custom identification key",
		p.field, len(p.shared), p.read, such))
}

func (p *keyProbe) refused(why string) error {
	return run.Blocked("Mapping", fmt.Sprintf("the mapping does not fit: ingress.tables.%s.campaign.key: %s", p.m.plan.Table.Name, why))
}
